"""The site that `make docs` builds: no warning, no dead link or anchor, nothing from the network,
and no page wider than the window."""

import os
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs import ROOT

pytestmark = pytest.mark.slow

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}
EXECUTED = "digits.py"  # tests/docs/test_tutorials.py runs the others
OWN = ("index.html", "tutorials", "howto", "explanation", "results/index.html", "reference")


class Document(HTMLParser):
    """The ids of a page, where it leads, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.ids |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(given["href"])
        if tag in LOADED and LOADED[tag] in given:
            self.loads.append(given[LOADED[tag]])


def one_executed() -> str:
    """The configuration of the site for a file elsewhere; of its tutorials one is executed."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    skipped = [p.name for p in (ROOT / "docs" / "tutorials").glob("*.py") if p.name != EXECUTED]
    execute = "      execute: !ENV [DOCS_EXECUTE, true]"
    for old, new in (
        ("docs_dir: docs", f"docs_dir: {ROOT / 'docs'}"),
        ("  - scripts/docs_hooks.py", f"  - {ROOT / 'scripts' / 'docs_hooks.py'}"),
        ("          paths: [.]", f"          paths: [{ROOT}]"),
        (execute, f"      execute_ignore: [{', '.join(skipped)}]\n      execute: true"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, with one of its tutorials executed."""
    folder = tmp_path_factory.mktemp("site")
    config = tmp_path_factory.mktemp("config") / "mkdocs.yml"
    config.write_text(one_executed(), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    command += ["--config-file", str(config)]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[Path, Document]:
    return {path: Document(path) for path in site.rglob("*.html") if path.name != "404.html"}


def local(page: Path, documents: dict[Path, Document], kind: str) -> Iterator[tuple[Path, str]]:
    """The files, with anchors, that a page's links or loads name."""
    for link in getattr(documents[page], kind):
        parts = urlsplit(link)
        if not parts.scheme:
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            yield target, unquote(parts.fragment)


def test_no_link_or_anchor_is_dead(documents: dict[Path, Document], site: Path) -> None:
    dead = []
    for page in documents:
        for target, anchor in local(page, documents, "links"):
            known = documents.get(target)
            if not target.is_file() or (anchor and known is not None and anchor not in known.ids):
                dead.append(f"{page.relative_to(site)}: {target}#{anchor}")
    assert not dead


def test_nothing_is_loaded_from_the_network(documents: dict[Path, Document], site: Path) -> None:
    for page, document in documents.items():
        remote = [one for one in document.loads if urlsplit(one).scheme in ("http", "https")]
        assert not remote and not any(one.startswith("//") for one in document.loads), page
        for target, _ in local(page, documents, "loads"):
            assert target.is_file(), f"{page.relative_to(site)}: {target}"


@pytest.mark.parametrize("width", [1280, 400])
def test_pages_fit_their_window(chromium: Any, site: Path, width: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    wide = []
    for name in OWN:
        for path in sorted((site / name).glob("*.html")) or [site / name]:
            page.goto(path.as_uri())
            found = page.evaluate("document.documentElement.scrollWidth")
            wide += [f"{path.relative_to(site)}: {found}"] if found > width else []
    page.close()
    assert not wide
    assert not [url for url in requests if not url.startswith(("file:", "data:"))]


def test_search_answers_without_a_server(chromium: Any, site: Path) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((site / "index.html").as_uri())
    box = page.locator("input[name=query]")
    assert box.is_visible()
    box.click()
    box.type("tunnelling")
    found = page.locator("a.md-search-result__link").first
    found.wait_for(state="visible")
    assert "explanation/solver.html" in found.get_attribute("href")
    page.close()
    assert not errors

"""The committed results: each comes back from its file, is what it says, and has no dead link."""

import importlib
import re
import sys
from collections.abc import Mapping
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from scoregeo import __version__
from scoregeo._utils.configuration import identity
from scoregeo._utils.files import finite_or_null, read_json
from scoregeo.report.command import report
from scoregeo.report.model import Page, read_pages
from scoregeo.report.questions import read_questions
from scoregeo.report.render import MARKDOWN, csv, markdown
from scoregeo.report.verdict import comparison_grids
from scoregeo.report.view import MOST_COLUMNS, table_views
from scoregeo.run.command import compose
from tests.report.document import check_page
from tests.sweeps import in_profiles

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
# By their files: each process that collects the tests would read every page else.
FOLDERS = [
    path.parent
    for results in (RESULTS, RESULTS / "full")
    for path in sorted(results.glob("*/summary.json"))
]
page_of = cache(Page.load)
# A place of a machine, or one above the repository.
PATHS = re.compile(
    r"(?<![\w.:/<])/(?:home|tmp|root|work|Users|private|var|mnt)/|file://|(?:\.\./){3}"
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(RESULTS)))
def test_a_page_is_what_its_summary_says(folder: Path) -> None:
    page = page_of(folder)
    assert page.name == folder.name and page.title and page.command and page.tables
    assert finite_or_null(page.to_json()) == read_json(folder / "summary.json")
    assert (folder / "table.md").read_text(encoding="utf-8") == markdown(page)
    assert (folder / "table.csv").read_text(encoding="utf-8") == csv(page)
    kept = {path.name for path in (folder / "figures").glob("*")}
    assert {*(figure.file for figure in page.figures)} <= kept
    if folder.parent == RESULTS:  # those of the full profile are not kept
        assert {*page.sheets} <= kept


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(RESULTS)))
def test_tables_are_narrow_and_hold_no_path(folder: Path) -> None:
    page = page_of(folder)
    grids = [g for view in table_views(page) for g in (view.main, *view.further)]
    for grid in (*grids, *comparison_grids(page, (*page.pairwise, *page.comparisons))):
        assert len(grid.head) <= MOST_COLUMNS, grid.head
    for name in ("summary.json", "table.md", "table.csv"):
        assert not PATHS.search((folder / name).read_text(encoding="utf-8")), name


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a Markdown text."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", unescape(heading)).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", one) is not None for one in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found


def texts() -> list[Path]:
    return [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "experiments").rglob("*.md"),
        *(folder / "table.md" for folder in FOLDERS),
    ]


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", link):
            continue
        target, _, anchor = link.partition("#")
        place = (path.parent / unquote(target)).resolve() if target else path
        assert place.exists() and place.is_relative_to(ROOT), f"{path}: {link}"
        if anchor and place.suffix == ".md":
            assert anchor in anchors(place.read_text(encoding="utf-8")), f"{path}: {link}"


def test_the_index_names_every_page_once() -> None:
    questions = read_questions(ROOT / "experiments" / "index.yaml")
    pages = [page for question in questions for page in question.pages]
    assert sorted(pages) == sorted(set(pages)) and set(pages) == set(read_pages(RESULTS))
    assert all((question.folder / "README.md").is_file() for question in questions)
    sys.path.insert(0, str(ROOT / "scripts"))
    known = importlib.import_module("reproduce").EXPERIMENTS
    sys.path.remove(str(ROOT / "scripts"))
    for question in questions:
        assert set(known.get(question.folder.name, question.pages)) == set(question.pages)


@pytest.mark.slow
def test_the_report_of_the_results(
    results_report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no run, and stays under the size that mail and phones take."""
    page = check_page(results_report.read_text(encoding="utf-8"))
    assert len(page.text) < 15_000_000 and not PATHS.search(page.text)
    assert set(read_pages(RESULTS)) <= page.ids
    text = (RESULTS / "report.html").read_text(encoding="utf-8")
    assert not PATHS.search(text)
    targets = re.findall(r'<a\b[^>]*\bhref="([^"]*)"', text)
    assert len(targets) > len(read_pages(RESULTS))
    for target in map(unescape, targets):
        place = (RESULTS / unquote(target)).resolve()
        assert target.startswith("#") or place.is_relative_to(ROOT) and place.exists(), target
    widest = max(
        len(re.findall(r"<th\b", head)) for head in re.findall(r"<thead>.*?</thead>", text)
    )
    assert widest <= MOST_COLUMNS
    # Pictures are encoded above.
    monkeypatch.setattr("scoregeo.report.picture.webp", lambda image, *, exact: b"")
    full = report(RESULTS / "full", tmp_path / "full.html").read_text(encoding="utf-8")
    assert set(read_pages(RESULTS / "full")) <= check_page(full).ids


@cache
def settings(experiment: str) -> dict[str, Mapping[str, Any]]:
    """What an experiment composes to in each profile."""
    found = in_profiles(f"experiment={experiment}")
    return {profile: identity(config) for profile, (config, _) in found.items()}


@pytest.mark.parametrize(
    "path",
    sorted([*RESULTS.glob("*/config.yaml"), *RESULTS.glob("full/*/config.yaml")]),
    ids=lambda path: str(path.parent.relative_to(RESULTS)),
)
def test_a_page_s_configuration_is_what_its_command_composes_to(path: Path) -> None:
    """A setting that was changed since makes the page's numbers those of another experiment: such
    a page says which version made it."""
    page = page_of(path.parent)
    made_with = page.settings.get("scoregeo", __version__)
    if made_with != __version__:
        text = (path.parent / MARKDOWN).read_text(encoding="utf-8")
        assert f"`scoregeo = {made_with}`" in text
        return
    profile = "full" if path.is_relative_to(RESULTS / "full") else "quick"
    expected = settings(path.parent.name)[profile]
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == expected
    assert page.configuration == path.name
    asked = page.command.split()[1:]
    usual = [f"experiment={page.name}", *(["profile=full"] if profile == "full" else [])]
    if asked != usual:  # else it is what was composed above
        command, _ = compose(asked)
        assert identity(command) | {"name": page.name} == expected

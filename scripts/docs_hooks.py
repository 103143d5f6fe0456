"""MkDocs hooks: pages outside docs/ become part of the site, so that links work in the repository
and there.

The site shows a page of the repository at the same path, one of docs/ without `docs/`. Links are
written for the repository, relative to their file; `on_page_markdown` turns them.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs/"
OUTSIDE = (  # pages and pictures outside docs/ that the site shows
    "results/**/*.md",
    "results/**/*.png",
    "experiments/README.md",
    "experiments/*/README.md",
    "scoregeo/assets/models/*/README.md",
    "scoregeo/assets/models/*/*.png",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
_RENAMED = {"README.md": "docs/index.md"}  # its place in the site is that of the home page
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_CODE = re.compile(r"(```.*?```)", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/."""
    found = sorted({path for pattern in OUTSIDE for path in ROOT.glob(pattern)})
    for path in found:
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the page's links from the repository's layout to the site's."""
    if _is_outside(page.file):
        page.meta["search"] = {"exclude": True}  # tables of numbers; docs/results finds them
        markdown = markdown.replace("<details>", '<details markdown="1">')
    place = page.file.src_uri if _is_outside(page.file) else DOCS + page.file.src_uri
    known = {file.src_uri for file in files}
    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(lambda m: _turned(m, place, known), part) for part in parts[::2]]
    return "".join(parts)


def _is_outside(file: File) -> bool:
    return Path(str(file.abs_src_path)).is_relative_to(ROOT) and not Path(
        str(file.abs_src_path)
    ).is_relative_to(ROOT / DOCS)


def _turned(match: Any, place: str, known: set[str]) -> str:
    """A link of the file `place`; of a file that the site has not, only its words."""
    picture, words, target = match.groups()
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return match[0]
    name = posixpath.normpath(posixpath.join(posixpath.dirname(place), path))
    name = _RENAMED.get(name, name)
    here, there = (one.removeprefix(DOCS) for one in (place, name))
    if there not in known:
        if name.startswith(DOCS) or not (ROOT / name).exists():
            return match[0]  # a dead link: mkdocs warns of it
        return words
    relative = posixpath.relpath(there, posixpath.dirname(here) or ".")
    return f"{picture}[{words}]({relative}{'#' + anchor if anchor else ''})"

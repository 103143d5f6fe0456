"""The commands `scoregeo report` and `scoregeo-report`: one self-contained page of a run, of
several, of a multirun, or of a folder of results.

scoregeo report FOLDER [--out FILE]
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from scoregeo._utils.arguments import Parser, path_argument
from scoregeo._utils.errors import DataError, ScoregeoError, bad_value
from scoregeo._utils.files import is_folder
from scoregeo._utils.jobs import SWEEP
from scoregeo._utils.streams import say
from scoregeo.report.model import Page, is_page, read_pages
from scoregeo.report.questions import find_questions
from scoregeo.report.render import HTML, MARKDOWN, NUMBERS, Card, page_view, write_html
from scoregeo.report.run_page import intro, run_card
from scoregeo.report.sweep import find_jobs
from scoregeo.report.sweep_page import write_sweep

_EXPECTED = (
    "give the folder of a run (manifest.json, config.yaml), of several runs, of a multirun (a"
    " folder for each job), or of results (a folder with a summary.json for each page)"
)
_REST = "Further pages"


def main(arguments: Sequence[str] | None = None, name: str = "scoregeo-report") -> None:
    """Entry point of the console script, and of `scoregeo report`, which is its `name` then."""
    parser = Parser(
        prog=name,
        description="One self-contained page of a run, of several, of a multirun, or of a folder of"
        " results.",
    )
    parser.add_argument("folder", type=path_argument, help="of a run, runs, a multirun or results")
    parser.add_argument(
        "--out",
        type=path_argument,
        default=None,
        help=f"the page to write (default: FOLDER/{HTML})",
    )
    given = parser.parse_args(arguments)
    try:
        say(str(report(given.folder, given.out)))
    except ScoregeoError as error:
        sys.exit(f"{name}: error: {error}")


def report(folder: Path, out: Path | None = None) -> Path:
    """Write the page of `folder` to `out` (default: into it); gives its path.

    Raises DataError for a folder that is missing, empty or none of these kinds, and for files
    of another version; ConfigError for an `out` that is no HTML file.
    """
    out = out or folder / HTML
    if out.suffix not in (".html", ".htm"):
        raise bad_value("--out", str(out), "a file that ends in .html")
    if not is_folder(folder):
        raise DataError(f"{folder} is not a folder: {_EXPECTED}.")
    if (folder / "manifest.json").is_file() and not is_page(folder):
        card = run_card(folder, "run")
        return write_html(out, card.title, intro([card]), [card])
    pages = read_pages(folder)
    if pages:
        cards = _cards(folder, pages, out.parent)
        return write_html(out, "scoregeo: results", intro(cards), cards)
    if _holds_jobs(folder):
        return _report_jobs(folder, out)
    if is_page(folder):
        view = page_view(Page.load(folder), folder)
        card = Card("page", view.page.title, "", "", [view], folded=False)
        return write_html(out, card.title, intro([card]), [card])
    state = "is empty" if not any(folder.iterdir()) else "holds none"
    raise DataError(f"{folder} {state}: {_EXPECTED}.")


def _cards(results: Path, pages: dict[str, Page], base: Path) -> list[Card]:
    """A card for each question, then one for pages of none; links are relative to `base`."""
    views = {}
    for name, page in pages.items():
        links = _links([results / name / file for file in (MARKDOWN, NUMBERS)], base)
        views[name] = page_view(page, results / name, prefix=name, links=links)
    cards = []
    for asked in find_questions(results):
        own = [views.pop(name) for name in asked.pages if name in views]
        readme = asked.folder / "README.md"
        links = _links([readme], base, within=asked.folder.parents[1], text="More on this")
        texts = (asked.title, asked.question, asked.finding)
        cards += [Card(f"question-{asked.folder.name}", *texts, own, links)] if own else []
    rest = list(views.values())
    return cards + ([Card("question-further", _REST, "", "", rest)] if rest else [])


def _links(
    files: Sequence[Path], base: Path, *, within: Path | None = None, text: str = ""
) -> list[tuple[str, str]]:
    """Text (by default the file's name) and relative address of files, seen from the folder `base`.

    None where `base` is not inside the folder `within` (None: where the files are not inside
    `base`): the address would show where the report was made.
    """
    here = base.resolve()
    known = [path.resolve() for path in files]
    if within is not None and not here.is_relative_to(within.resolve()):
        return []
    return [
        (text or path.name, quote(Path(os.path.relpath(path, here)).as_posix()))
        for path in known
        if within is not None or path.is_relative_to(here)
    ]


def _report_jobs(folder: Path, out: Path) -> Path:
    """A multirun's page, or a card a run for a folder of runs."""
    if _is_multirun(folder):
        write_sweep(folder, out=out)
        return out
    found = (job for job in find_jobs(folder) if (job / "manifest.json").is_file())
    runs = [run for run in found if run.parent.name != "shards"]
    if not runs:
        raise DataError(f"{folder} holds no run: {_EXPECTED}.")
    cards = [run_card(run, f"run-{number}") for number, run in enumerate(runs)]
    return write_html(out, f"scoregeo runs: {folder.resolve().name}", intro(cards), cards)


def _is_multirun(folder: Path) -> bool:
    """Whether a folder is one multirun's: with its record, or with a folder a job, by number."""
    jobs = folder.glob("*/.hydra/overrides.yaml")
    return (folder / SWEEP).is_file() or any(one.parent.parent.name.isdigit() for one in jobs)


def _holds_jobs(folder: Path) -> bool:
    try:
        return bool(find_jobs(folder))
    except DataError:
        return False


if __name__ == "__main__":
    main()

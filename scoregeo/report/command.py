"""The command `scoregeo-report`: one self-contained page of a run, of a multirun, or of a folder of
results.

scoregeo-report FOLDER [--out FILE] [--runs FOLDER]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scoregeo._utils.errors import DataError, ScoregeoError, bad_value
from scoregeo.report.html import write_html
from scoregeo.report.page import Page, Section
from scoregeo.report.results_section import failed_runs, result_names, results_sections
from scoregeo.report.run import read_run
from scoregeo.report.run_section import run_section
from scoregeo.report.sweep import find_jobs
from scoregeo.report.sweep_section import sweep_section

NAME = "report.html"
_EXPECTED = (
    "the folder of a run (manifest.json, config.yaml), of a multirun (a folder a job) or of results"
    " (NAME.md and NAME.csv) is expected"
)
_INTRO = (
    "Means over pairs with 95 % bootstrap intervals. "
    "FID and KID are on few frames and cannot be compared with other papers' numbers."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(
        prog="scoregeo-report", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="a run's folder, a multirun's, or one of results")
    parser.add_argument(
        "--out", type=Path, default=None, help=f"the page to write (default: FOLDER/{NAME})"
    )
    parser.add_argument(
        "--runs",
        type=Path,
        default=None,
        help="for results: where their runs lie, as RUNS/NAME/HASH, to link them",
    )
    given = parser.parse_args(arguments)
    try:
        print(report(given.folder, given.out, given.runs))
    except ScoregeoError as error:
        sys.exit(f"scoregeo-report: error: {error}")


def report(folder: Path, out: Path | None = None, runs: Path | None = None) -> Path:
    """Write the page of `folder` to `out` (default: into it); gives its path.

    Raises DataError for a folder that is missing, empty or none of the three kinds, and for files
    of another version; ConfigError for an `out` that is no HTML file.
    """
    out = out or folder / NAME
    if out.suffix not in (".html", ".htm"):
        raise bad_value("--out", str(out), "a file that ends in .html")
    return write_html(out, page_of(folder, out.parent, runs))


def page_of(folder: Path, base: Path, runs: Path | None = None) -> Page:
    """The page of a folder of any of the three kinds; links are relative to the folder `base`."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: {_EXPECTED}.")
    if (folder / "manifest.json").is_file():
        section = run_section(read_run(folder), base)
        return Page(f"scoregeo run: {section.title}", (_INTRO,), (section,))
    if _holds_jobs(folder):
        return _page_of_jobs(folder, base)
    if result_names(folder):
        intro = ("Every experiment's tables with their commands, figures and frames. " + _INTRO,)
        failures = failed_runs(runs, base) if runs is not None else ()
        return Page("scoregeo: results", intro, tuple(results_sections(folder, runs)), failures)
    state = "is empty" if not any(folder.iterdir()) else "holds none"
    raise DataError(f"{folder} {state}: {_EXPECTED}.")


def _page_of_jobs(folder: Path, base: Path) -> Page:
    """A multirun's page, or one section a run where the runs in it were not made by one."""
    if any(folder.rglob(".hydra/overrides.yaml")):
        section = sweep_section(folder, base)
        return Page(f"scoregeo sweep: {section.title}", (_INTRO,), (section,))
    sections: list[Section] = []
    for number, job in enumerate(find_jobs(folder)):
        if (job / "manifest.json").is_file():
            title = str(job.relative_to(folder))
            sections.append(run_section(read_run(job), base, id=f"run-{number}", title=title))
    return Page(f"scoregeo runs: {folder.resolve().name}", (_INTRO,), tuple(sections))


def _holds_jobs(folder: Path) -> bool:
    try:
        return bool(find_jobs(folder))
    except DataError:
        return False


if __name__ == "__main__":
    main()

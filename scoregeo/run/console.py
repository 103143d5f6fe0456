"""What the command line shows at the end of a run and of a sweep: tables, warnings and files."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo._utils.jobs import read_jobs
from scoregeo._utils.streams import say
from scoregeo._utils.words import aligned, count
from scoregeo.evaluation.columns import TITLES, headlines, own, present
from scoregeo.report.names import method_name
from scoregeo.run.folder_state import FIRST

if TYPE_CHECKING:
    from scoregeo.report.table import Row

log = logging.getLogger(__name__)

ALL, TRUTH = "all", "truth"
LATEST = "latest"  # link in OUTPUT/NAME to the run that was started last
_MOST = 5  # measures of the table, costs beside them
_MOST_LINES = 40  # of a sweep's table
_COSTS = ("evaluations_per_point", "seconds")
_WIDTH = 60  # of a column's title
_OUTPUTS = ("animation.gif", "animation.mp4", "strip.png", "table.md", "report.html", "figures")


def show_run(folder: Path, first: Sequence[str] = ()) -> None:
    """Print a finished run's table, its wall time and where its files are; warn of paths that
    did not converge, and of ends that do not come back where its beginning has not shown them.

    `first`: the measures that come first, where the run has them.
    """
    from scoregeo.run.not_converged import warnings_of  # it loads torch

    rows = [row for row in rows_of(folder) if row["group"] == ALL]
    if not rows:
        _show_page(folder)
        return
    poor = warnings_of(_lines(folder), str(folder / "results.jsonl"))
    told = (folder / FIRST).exists()  # by `show_ends`, which knows what the autoencoder loses
    for warning in [*poor, *([] if told else ends_warnings(rows))]:
        log.warning(warning)
    mine = own(present(rows))
    wanted = [*mine, *present(rows, tuple(first)), *headlines(rows)]
    shown = list(dict.fromkeys(wanted))[: _MOST + len(mine)]
    shown = [name for name in shown if name not in _COSTS] + present(rows, _COSTS)
    say(table(rows, shown))
    for note in () if "start_evaluations" in shown else start_notes(rows):
        say(note)
    manifest = read_json(folder / "manifest.json")
    pairs = count(manifest["pairs"], "pair")
    say(f"\n{pairs} in {float(manifest['seconds']):.1f} s, decoding included")
    for name in _OUTPUTS:
        if (folder / name).exists():
            say(f"{folder / name}")
    say(f"{folder / 'summary.json'}")


def _show_page(folder: Path) -> None:
    """Print the tables of the page that a runner of one's own has written, and where it is."""
    from scoregeo.report.model import Page, is_page
    from scoregeo.report.view import table_views

    try:
        views = table_views(Page.load(folder)) if is_page(folder) else []
    except DataError:
        return
    for view in views:
        lines = [[cell.text for cell in row] for row in view.main.rows]
        say(f"{view.caption}\n{aligned(view.main.head, lines[:_MOST_LINES])}\n".lstrip())
    if views:
        say(f"{folder / 'table.md'}\n{folder / 'summary.json'}")


def table(rows: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> str:
    """A line a method, a column a measure: means over all pairs."""
    cells = {(row["method"], row["measure"]): row["mean"] for row in rows}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [
        [method_name(one), *(number(cells.get((one, name))) for name in measures)]
        for one in methods
    ]
    return aligned(["method", *(_short(TITLES.get(name, name)) for name in measures)], lines)


def start_notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each number of score evaluations that starts took, which no cost of the table
    holds, with the methods that began there.
    """
    cost: dict[float, list[str]] = {}
    for row in rows:
        if row["measure"] == "start_evaluations" and row["mean"]:
            cost.setdefault(float(row["mean"]), []).append(method_name(row["method"]))
    return [
        f"not in the table: {number(mean)} score evaluations a pair for the start of"
        f" {'; '.join(methods)}"
        for mean, methods in cost.items()
    ]


def show_sweep(folder: Path) -> None:
    """Print a finished multirun's table: a line for each job and method that iterates, with the
    swept keys, a study's own or the headline measures over all pairs, and how the paths ended, or
    that the job failed. Warn of paths that did not converge.
    """
    from scoregeo.report.heatmap import shown_in_sweep
    from scoregeo.report.sweep import read_sweep, show
    from scoregeo.run.not_converged import ended, sweep_warnings

    keys, jobs = read_sweep(folder)
    rows = [row for job in jobs for row in job.rows]
    if not rows:
        return
    measures = _of_study(folder, rows) or shown_in_sweep(rows)[0]
    solved = {job.name: _lines(job.folder) for job in jobs if job.failure is None}
    for warning in sweep_warnings(solved):
        log.warning(warning)
    head = ["job", *keys, "method", *(_short(TITLES.get(name, name)) for name in measures), "ended"]
    lines = []
    for job in jobs:
        start = [job.name, *(show(job.values[key]) for key in keys)]
        own = {row.labels["method"]: row for row in job.rows if row.labels["group"] == ALL}
        methods = [one for one in own if getattr(own[one].cells.get("iterations"), "mean", 0)]
        methods = methods or [one for one in own if one != TRUTH][-1:]  # the one that `list` shows
        for name in methods:
            means = [getattr(own[name].cells.get(one), "mean", None) for one in measures]
            states = ended([line for line in solved.get(job.name, ()) if line["method"] == name])
            lines.append([*start, method_name(name), *map(number, means), states])
        if not methods:
            state = "" if job.failure is None else "failed"
            lines.append([*start, state, *[""] * (len(measures) + 1)])
    say(aligned(head, lines[:_MOST_LINES]))
    if len(lines) > _MOST_LINES:
        say(f"and {count(len(lines) - _MOST_LINES, 'line')} more")
    alone = [job.folder for job in jobs if len(jobs) == 1 and job.failure is None]  # as of shards
    for place in (folder, *alone):
        for name in ("table.md", "report.html"):
            if (place / name).exists():
                say(f"{place / name}")


def _of_study(folder: Path, rows: Sequence["Row"]) -> list[str]:
    """The first measures of a study's page that its rows hold; none where the multirun is none."""
    from scoregeo.report.gather import page_of

    jobs = [job for job in read_jobs(folder) if job.choice("study") is not None]
    known = {name for row in rows for name in row.cells}
    return [name for name in page_of(jobs).measures if name in known][:_MOST]


def ends_warnings(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each PSNR at which ends do not come back, with the methods of which it is so."""
    from scoregeo.evaluation.picture_path import POOR_END  # it loads torch

    poor: dict[str, list[str]] = {}
    for row in rows:
        found = None if row["method"] == TRUTH else row["mean"]
        if row["measure"] == "psnr_ends" and found is not None and found < POOR_END:
            poor.setdefault(f"{found:.1f}", []).append(method_name(row["method"]))
    return [
        f"{'; '.join(methods)}: the ends come back at {mean} dB PSNR: the autoencoder, or inversion"
        " and decoding, lose them. Where it is not the autoencoder, more inversion.decode_steps, or"
        " a smaller noise level, may help."
        for mean, methods in poor.items()
    ]


def link_latest(run: Path) -> None:
    """Let OUTPUT/NAME/latest point to the folder of a run or a multirun, where the file system has
    links.
    """
    link, fresh = run.parent / LATEST, run.parent / f".{LATEST}"
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(run.name)
        fresh.replace(link)
    except OSError as error:
        log.debug("no link to the latest run: %s", error)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Rows of a run's summary.json; none where they cannot be read."""
    from scoregeo.report.comparison import read_summary  # it loads torch

    try:
        return read_summary(folder / "summary.json").rows
    except DataError:
        return []


def _lines(folder: Path) -> Sequence[Mapping[str, Any]]:
    """Rows of a run's results.jsonl; none where they cannot be read."""
    from scoregeo.report.run import read_run

    try:
        return read_run(folder).lines
    except DataError:
        return ()


def number(value: float | None) -> str:
    """A mean as tables of the command line have it; "" for None."""
    return "" if value is None else f"{value:.4g}"


def _short(title: str) -> str:
    return title if len(title) <= _WIDTH else f"{title[: _WIDTH - 1]}…"

"""The page of a sweep: one table of all its jobs, a plot, and what failed by name."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import read_json
from scoregeo._utils.jobs import SWEEP
from scoregeo.evaluation.columns import TITLES
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.heatmap import shown_in_sweep
from scoregeo.report.model import FIGURES, Failure, Page, Picture, Table
from scoregeo.report.names import method_name
from scoregeo.report.picture import describe
from scoregeo.report.render import HTML, Card, page_view, write_html, write_page
from scoregeo.report.run import Run, notes_of, read_run
from scoregeo.report.run_page import intro, sheets_of
from scoregeo.report.sheet import Sheet
from scoregeo.report.sweep import Job, line_of, number_of, read_sweep, show
from scoregeo.report.table import Row

log = logging.getLogger(__name__)

MOST_PANELS = 12  # more could not be read
MOST_SHEETS = 16  # jobs whose frames are shown
_FIGURE = "sweep"


def write_sweep(
    folder: Path,
    keys: Sequence[str] | None = None,
    *,
    measures: Sequence[str] = (),
    out: Path | None = None,
) -> tuple[Page, list[Job]]:
    """Write the page of the jobs below `folder` into it: `summary.json`, `table.md`, `table.csv`,
    `report.html` and a plot in `figures/`; gives the page and the jobs.

    `keys`: as of `read_sweep`. `measures`: what is shown first and drawn against the first key, a
    line for each value of the others, a panel for each method and group; by default the headlines.
    `out`: the HTML file, where it is another.
    Raises DataError for a folder without jobs and for jobs that give no rows, ConfigError for a key
    that no job has and for a measure that none has.
    """
    names, jobs = read_sweep(folder, keys)
    rows = [row for job in jobs for row in job.rows]
    if not rows and all(job.failure is None for job in jobs):
        raise DataError(
            f"The jobs of {folder.name} have runners of their own, which give no rows for a table."
        )
    known = list(dict.fromkeys(measure for row in rows for measure in row.cells))
    for measure in measures if rows else ():
        if measure not in known:
            raise ConfigError(f"measures: no job has {measure!r}; known: {', '.join(known)}.")
    page = _page(folder, names, jobs, measures or shown_in_sweep(rows)[0])
    if rows and names and _plot(folder / FIGURES / _FIGURE, page):
        page = replace(page, figures=(Picture(f"{_FIGURE}.png", describe(_FIGURE)),))
    write_page(page, folder)
    card = _card(page, folder, jobs)
    write_html(out or folder / HTML, page.title, intro([card]), [card])
    return page, jobs


def _page(folder: Path, keys: Sequence[str], jobs: Sequence[Job], measures: Sequence[str]) -> Page:
    lost = [job for job in jobs if job.failure is not None]
    labels = [{key: show(value) for key, value in job.values.items()} for job in lost]
    settings: dict[str, Any] = {
        "jobs": len(jobs),
        "done": len(jobs) - len(lost),
        "failed or unfinished": len(lost),
    }
    table = Table(tuple(row for job in jobs for row in job.rows))
    return Page(
        name=folder.resolve().name,
        title=f"Sweep over {', '.join(keys)}" if keys else f"Sweep {folder.resolve().name}",
        command=_command(folder, jobs, keys),
        tables=(table,) if table.rows else (),
        settings=settings | ({"swept keys": ", ".join(keys)} if keys else {}),
        measures=tuple(measures),
        notes=tuple(notes_of(_runs(jobs))),
        failures=tuple(
            Failure(job.title, str(job.failure), found)
            for job, found in zip(lost, labels, strict=True)
        ),
        swept=tuple(keys),
    )


def _card(page: Page, folder: Path, jobs: Sequence[Job]) -> Card:
    sheets = [sheet for job in jobs if job.failure is None for sheet in _first_sheet(job)]
    view = page_view(page, folder, prefix="sweep", sheets=sheets[:MOST_SHEETS])
    return Card("sweep", page.title, "", "", [view], folded=False)


def _first_sheet(job: Job) -> list[Sheet]:
    """The frames of a job's first pair, named by the job; none where it kept none."""
    try:
        sheets = sheets_of(read_run(job.folder), most=1)
    except DataError:
        return []  # its rows stand in the table; only its frames are left out
    return [replace(one, pair=f"{one.pair}, {job.title}") for one in sheets]


def _plot(out: Path, page: Page) -> list[Path]:
    """Each measure against the first key, a line for each value of the others, a panel for each
    method that iterates and group.
    """
    rows, (first, *others) = page.tables[0].rows, page.swept
    methods = shown_in_sweep(rows)[1]
    kinds = dict.fromkeys((row.labels["method"], row.labels["group"]) for row in rows)
    panels: dict[str, dict[str, Line]] = {}
    ylabels: list[str] = []
    for measure in page.measures:
        for method, group in (kind for kind in kinds if kind[0] in methods):
            own = {"method": method, "group": group}
            of_kind = [row for row in rows if own.items() <= row.labels.items()]
            lines = _lines(of_kind, measure, page)
            if lines and len(panels) < MOST_PANELS:
                words = (method_name(method), "" if group == "all" else group)
                heading = ", ".join(filter(None, words))
                panels[f"{TITLES.get(measure, measure)}\n{heading}"] = lines
                ylabels.append(TITLES.get(measure, measure))
    if not panels:
        return []
    return sweep_lines(out, panels, xlabel=first, ylabels=ylabels, legend=", ".join(others))


def _lines(rows: Sequence[Row], measure: str, page: Page) -> dict[str, Line]:
    points: dict[str, list[tuple[Any, Estimate]]] = {}
    for row in rows:
        cell = row.cells.get(measure)
        if isinstance(cell, Estimate):
            label = ", ".join(row.labels[key] for key in page.swept[1:])
            points.setdefault(label, []).append((number_of(row.labels[page.swept[0]]), cell))
    return {label: line_of(found) for label, found in points.items()}


def _runs(jobs: Sequence[Job]) -> Iterator[tuple[str, Run]]:
    """The runs that rows of the table are of, by their jobs' titles."""
    for job in jobs:
        if job.rows:
            try:
                yield job.title, read_run(job.folder)
            except DataError as error:  # its rows stand in the table all the same
                log.warning("%s: %s The page has none of its notes.", job.title, error)


def _command(folder: Path, jobs: Sequence[Job], keys: Sequence[str]) -> str:
    """The multirun's recorded command; without one, put together from a job's own and the swept
    values.
    """
    recorded = _read(folder / SWEEP).get("command")
    if recorded:
        return str(recorded)
    found = (str(_manifest(job.folder).get("command") or "") for job in jobs)
    words = next(filter(None, found), "").split()
    if not words:
        return ""
    fixed = [word for word in words[1:] if word.partition("=")[0].lstrip("+~") not in keys]
    swept = [
        f"{key}={','.join(dict.fromkeys(show(job.values[key]) for job in jobs))}" for key in keys
    ]
    return " ".join([words[0], "-m", *fixed, *swept])


def _manifest(run: Path) -> Mapping[str, Any]:
    return _read(run / "manifest.json")


def _read(path: Path) -> Mapping[str, Any]:
    """An object of a JSON file; empty where there is none that can be read."""
    try:
        content = read_json(path)
    except DataError:
        return {}
    return content if isinstance(content, dict) else {}

"""The folder of a sweep as sections of the page: heat maps, lines, the table, failed jobs by name,
and each job's frames.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo.evaluation.columns import TITLES, headlines, iterated, present
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.heatmap import heat_map
from scoregeo.report.measure_table import measure_table
from scoregeo.report.page import Block, Failure, Figure, HeatMap, Section, Table, Text
from scoregeo.report.picture import describe, figure, relative
from scoregeo.report.run import read_run
from scoregeo.report.sheet import run_sheets
from scoregeo.report.sweep import Job, plot, read_sweep, show
from scoregeo.report.table import Row

MOST_MAPS = 24
MOST_SCRUBS = 16  # jobs whose frames are shown


def sweep_section(folder: Path, base: Path, *, title: str = "") -> Section:
    """One section for a multirun's folder. Jobs without results are named with their reason; links
    are relative to `base`.

    Raises DataError for a folder without jobs. A sweep of two keys or more gets a heat map for each
    method, measure and value of the further keys.
    """
    keys, jobs = read_sweep(folder)
    done = [job for job in jobs if job.failure is None]
    entries = [
        _entry(row, name, cell)
        for job in done
        for row in job.rows
        for name, cell in row.cells.items()
    ]
    measures, methods = (
        headlines(entries) or list(dict.fromkeys(e["measure"] for e in entries))[:3],
        iterated(entries),
    )
    methods = methods or list(dict.fromkeys(str(entry["method"]) for entry in entries))
    blocks: list[Block] = []
    if done:
        blocks += _heat_maps(jobs, keys, measures, methods)
        blocks += _lines(jobs, keys, measures, methods)
        shown = present(entries) or list(dict.fromkeys(str(entry["measure"]) for entry in entries))
        blocks.append(
            measure_table(
                "All jobs: means over pairs with 95 % intervals",
                [r for j in done for r in j.rows],
                shown,
                folded=True,
            )
        )
        blocks += _scrubs(done, keys)
    blocks.append(_job_table(base, jobs, keys))
    failures = tuple(
        Failure(named(job, keys), str(job.failure), relative(job.folder, base))
        for job in jobs
        if job.failure
    )
    facts = [
        ("jobs", str(len(jobs))),
        ("done", str(len(done))),
        ("failed or unfinished", str(len(failures))),
    ]
    facts += [("swept keys", ", ".join(keys))] if keys else []
    return Section(
        "sweep",
        title or folder.resolve().name,
        (),
        _command(jobs, keys),
        tuple(facts),
        tuple(blocks),
        (),
        failures,
    )


def named(job: Job, keys: Sequence[str]) -> str:
    """A job's number and settings in words."""
    settings = ", ".join(f"{key} = {show(job.values[key])}" for key in keys)
    return f"job {job.name}" + (f" ({settings})" if settings else "")


def _entry(row: Row, measure: str, cell: Any) -> dict[str, Any]:
    return {
        "method": row.labels["method"],
        "group": row.labels["group"],
        "measure": measure,
        "mean": getattr(cell, "mean", None),
    }


def _heat_maps(
    jobs: Sequence[Job], keys: Sequence[str], measures: Sequence[str], methods: Sequence[str]
) -> list[HeatMap]:
    """The first key across, the second down; one map a measure, method, group and value of the
    further keys.
    """
    if len(keys) < 2:
        return []
    across, down = ([*dict.fromkeys(show(job.values[key]) for job in jobs)] for key in keys[:2])
    down.sort(key=_size)
    across.sort(key=_size)
    further = list(dict.fromkeys(tuple(show(job.values[key]) for key in keys[2:]) for job in jobs))
    groups = list(dict.fromkeys(row.labels["group"] for job in jobs for row in job.rows))
    maps = []
    for measure in measures:
        for method, group, rest in ((m, g, r) for m in methods for g in groups for r in further):
            place: dict[tuple[str, str], Job] = {}
            for job in jobs:
                if tuple(show(job.values[key]) for key in keys[2:]) == rest:
                    place[show(job.values[keys[0]]), show(job.values[keys[1]])] = job
            cells = [
                [_cell(place.get((x, y)), method, group, measure) for x in across] for y in down
            ]
            if any(value is not None for line in cells for value, _ in line):
                words = [TITLES.get(measure, measure), method, "" if group == "all" else group]
                words += [f"{key} = {value}" for key, value in zip(keys[2:], rest, strict=True)]
                values, why = ([[cell[part] for cell in line] for line in cells] for part in (0, 1))
                maps.append(
                    heat_map(
                        ", ".join(filter(None, words)),
                        (keys[0], across),
                        (keys[1], down),
                        values,
                        why,
                    )
                )  # type: ignore[arg-type]
    return maps[:MOST_MAPS]


def _cell(job: Job | None, method: str, group: str, measure: str) -> tuple[float | None, str]:
    """A job's mean, or None and why there is none."""
    if job is None:
        return None, "no such job"
    if job.failure is not None:
        return None, f"job {job.name}: {job.failure}"
    for row in job.rows:
        if (row.labels["method"], row.labels["group"]) == (method, group):
            cell = row.cells.get(measure)
            return (
                (cell.mean, "")
                if isinstance(cell, Estimate)
                else (None, cell.reason if cell else "not measured")
            )
    return None, f"job {job.name} has no row of this method"


def _lines(
    jobs: Sequence[Job], keys: Sequence[str], measures: Sequence[str], methods: Sequence[str]
) -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        written = plot(
            Path(scratch) / "sweep", jobs, keys, measures, methods, formats=("svg", "png")
        )
        alt = (
            f"{', '.join(TITLES.get(m, m) for m in measures)} against {keys[0]}, with 95 %"
            " intervals."
            if keys
            else describe("sweep")
        )
        return [figure(path, alt) for path in written if path.suffix == ".png"]


def _scrubs(done: Sequence[Job], keys: Sequence[str]) -> list[Block]:
    """The first pair's frames of each job."""
    found: list[Block] = []
    for job in done[:MOST_SCRUBS]:
        try:
            run = read_run(job.folder)
        except DataError:
            continue  # its rows stand in the table; only its frames are left out
        methods = [str(name) for name in run.manifest.get("methods", ())]
        for sheet in run_sheets(run.folder, run.groups, methods, most=1):
            scrub = sheet.scrub(f"job-{job.name}", opened=not found)
            found.append(
                type(scrub)(
                    **{
                        **vars(scrub),
                        "group": ", ".join(filter(None, (scrub.group, named(job, keys)))),
                    }
                )
            )
    return found


def _job_table(base: Path, jobs: Sequence[Job], keys: Sequence[str]) -> Table:
    from markupsafe import Markup, escape

    rows = []
    for job in jobs:
        link = Markup('<a href="{}">{}</a>').format(relative(job.folder, base), job.name)
        texts = [Text(job.name, html=str(link)), *(Text(show(job.values[key])) for key in keys)]
        state = (
            Text("done")
            if job.failure is None
            else Text(html=f"<strong>no results</strong>: {escape(job.failure)}")
        )
        rows.append((*texts, state))
    return Table("Jobs and their folders", ("job", *keys, "state"), tuple(rows), len(keys) + 2)


def _command(jobs: Sequence[Job], keys: Sequence[str]) -> str:
    """The command of the sweep, put together from a job's own and the swept values."""
    command = ""
    for job in jobs:
        try:
            manifest = read_json(job.folder / "manifest.json")
        except DataError:
            continue
        command = (
            command or str(manifest.get("command") or "") if isinstance(manifest, dict) else command
        )
    words = command.split()
    if not words:
        return ""
    fixed = [word for word in words[1:] if word.partition("=")[0].lstrip("+~") not in keys]
    swept = [
        f"{key}={','.join(dict.fromkeys(show(job.values[key]) for job in jobs))}" for key in keys
    ]
    return " ".join([words[0], "-m", *fixed, *swept])


def _size(value: str) -> tuple[int, float, str]:
    """Numbers by size before words by letter."""
    try:
        return (0, float(value), "")
    except ValueError:
        return (1, 0.0, value)

"""The page of a study: a row for each of its cases and methods."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scoregeo.evaluation.columns import TITLES
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.dots import case_dots
from scoregeo.report.model import FIGURES, Failure, Page, Picture, Table
from scoregeo.report.page_settings import PageSettings
from scoregeo.report.picture import describe
from scoregeo.report.run import Run, notes_of, read_run
from scoregeo.report.run_page import duration
from scoregeo.report.sweep import line_of, number_of
from scoregeo.report.table import Row, rows_from_summary

_FIGURE = "measures"
_PANELS = 2  # of named cases; more would not stand side by side


@dataclass(frozen=True)
class Study:
    """A study's page: its settings, the column that names the rows, and each row's run; `failed`:
    the reasons of those without one.
    """

    name: str
    page: PageSettings
    key: str
    done: Mapping[str, Path]
    failed: Mapping[str, str]
    command: str

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The cases that are not in the tables."""
        return tuple(
            Failure(f"{self.key} = {value}", reason, {self.key: value})
            for value, reason in self.failed.items()
        )


def study_page(study: Study, folder: Path) -> Page | None:
    """A row for each case and method; where the settings say so, in a second table a row for each
    group of pairs too, with the page's measures and evaluations a point; the comparisons of these
    measures over all pairs of a case; and the measures drawn against the cases into
    `folder`/figures. None where no case is done.
    """
    rows: list[Row] = []
    grouped: list[Row] = []
    runs: list[tuple[str, Run]] = []
    compared: list[Mapping[str, Any]] = []
    measures = (*study.page.measures, "evaluations_per_point")
    seed, seconds, settings = None, 0.0, dict[str, Any]()
    for value, path in study.done.items():
        run = read_run(path)
        seconds += run.manifest["seconds"]
        seed = run.manifest["seed"]
        settings = {key: run.manifest[key] for key in ("pairs", "device")}
        settings["scoregeo"] = run.manifest["versions"]["scoregeo"]
        case = {study.key: value}
        entries = [entry for entry in run.entries if entry["group"] == "all"]
        found = rows_from_summary(entries, case, comparisons=run.comparisons)
        rows += [_without_group(row) for row in found]
        for group in dict.fromkeys(entry["group"] for entry in run.entries if study.page.groups):
            part = [
                entry
                for entry in run.entries
                if entry["group"] == group != "all" and entry["measure"] in measures
            ]
            grouped += rows_from_summary(part, case)  # compared over all pairs alone: none is bold
        compared += [
            {**entry, "group": f"{study.key} = {value}"}
            for entry in run.comparisons
            if entry["group"] == "all" and entry["measure"] in study.page.measures
        ]
        runs.append((f"{study.key} = {value}", run))
    if not rows:
        return None
    page = Page(
        name=study.name,
        title=study.page.title or study.name,
        command=study.command,
        tables=(
            Table(tuple(rows)),
            *([Table(tuple(grouped), "By group of pairs")] if grouped else []),
        ),
        question=study.page.question,
        seed=seed,
        settings=settings | {"all runs": duration(seconds)},
        measures=tuple(study.page.measures),
        comparisons=tuple(compared),
        notes=tuple(notes_of(runs, rule=True)),
        figures=(Picture(f"{_FIGURE}.png", describe(_FIGURE)),),
        failures=study.failures,
    )
    drawn = (draw_lines if study.page.figure else draw_cases)(page, study.key, folder)
    return page if drawn else replace(page, figures=())


def draw_lines(page: Page, key: str, folder: Path) -> list[Path]:
    """A panel for each of the page's measures against the label `key`, a line for each method but
    the start.
    """
    panels: dict[str, dict[str, Line]] = {}
    for measure in page.measures:
        points: dict[str, list[tuple[Any, Estimate]]] = {}
        for case, method, cell in _values(page, key, measure):
            points.setdefault(method, []).append((number_of(case), cell))
        if points:
            lines = {method: line_of(found) for method, found in points.items()}
            panels[TITLES.get(measure, measure)] = lines
    out = folder / FIGURES / _FIGURE
    return sweep_lines(out, panels, xlabel=key, ylabels=list(panels)) if panels else []


def draw_cases(page: Page, key: str, folder: Path) -> list[Path]:
    """A panel for each of the page's first measures, a row for each value of the label `key`."""
    panels: dict[str, dict[str, dict[str, Estimate]]] = {}
    for measure in page.measures:
        cases: dict[str, dict[str, Estimate]] = {}
        for case, method, cell in _values(page, key, measure):
            cases.setdefault(case, {})[method] = cell
        if cases and len(panels) < _PANELS:
            panels[TITLES.get(measure, measure)] = cases
    return case_dots(folder / FIGURES / _FIGURE, panels) if panels else []


def _values(page: Page, key: str, measure: str) -> Iterator[tuple[str, str, Estimate]]:
    """Case, method and value of every row but the start's."""
    for row in page.tables[0].rows:
        cell, method = row.cells.get(measure), row.labels["method"]
        if isinstance(cell, Estimate) and not method.startswith("start_"):
            yield row.labels[key], method, cell


def _without_group(row: Row) -> Row:
    return Row({k: v for k, v in row.labels.items() if k != "group"}, row.cells, row.marked)

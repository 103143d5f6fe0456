"""The study of the rules for the noise level as a page with its figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from experiments.noise_level.levels import RULE_OF, STRAIGHT, Cell, read_cells
from experiments.noise_level.verdict import Verdict, verdict
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.model import FIGURES, Failure, Page, Picture, Table, table_of
from scoregeo.report.study import Study
from scoregeo.report.table import Cell as TableCell
from scoregeo.report.table import Row

WITHIN = 1.2  # of the best error on the grid
FIGURE = "sigma_auto.png"
_FIRST = ("sigma", "greatest", "best_greatest", "ratio", "straight", "evaluations")
_TITLES = {
    "sigma": "sigma chosen",
    "greatest": "greatest distance to the truth / length",
    "reach": "sigma chosen / reach",
    "best_sigma": "best sigma of the grid",
    "best_greatest": "its distance / length",
    "straight": "straight line's",
    "ratio": "chosen / best",
    "length": "length error",
    "length_ratio": "length error, chosen / best",
    "evaluations": "evaluations a point",
}


@dataclass(frozen=True)
class Done:
    """A manifold whose cells are all there.

    `design` and `reach` as of `levels.run`; `count`: points of a sample.
    """

    title: str
    count: int
    design: bool
    reach: float | None
    cells: Sequence[Cell]

    @classmethod
    def read(cls, title: str, run: Path) -> "Done":
        """From the run's folder. Raises DataError where its results cannot be read."""
        config = _config(run)
        own, count = config["runner"], config["score"]["count"]
        return cls(title, count, own["design"], own["reach"], read_cells(run))


@dataclass(frozen=True)
class Size:
    """What all cases have in common: samples, levels and pairs; stein's lam and its solver."""

    seed: int
    samples: int
    levels: int
    pairs: int
    num_points: int
    iterations: int
    lam: float

    @classmethod
    def read(cls, run: Path) -> "Size":
        """From the run's folder."""
        config = _config(run)
        own, solver = config["runner"], config["solver"]
        return cls(
            config["seed"],
            own["samples"],
            own["levels"],
            config["dataset"]["num_pairs"],
            solver["num_points"],
            solver["max_iterations"],
            config["metric"]["lam"],
        )


def _config(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    return found


def write(study: Study, folder: Path) -> Page | None:
    """The study's page, its figure drawn into `folder`; None where no case is done."""
    done = [Done.read(title, run) for title, run in study.done.items()]
    if not done:
        return None
    size = Size.read(next(iter(study.done.values())))
    page = noise_level_page(study.page.title, done, size, study.command, study.failures)
    page = replace(page, name=study.name, question=study.page.question)
    return page if draw(folder, done) else replace(page, figures=())


def noise_level_page(
    title: str, done: Sequence[Done], size: Size, command: str, failures: Sequence[Failure] = ()
) -> Page:
    """A table for each metric, and for manifolds of design and others apart."""
    tables: list[Table] = []
    counts = []
    for metric in _metrics(done):
        found = [(case, verdict(case.cells, metric)) for case in done]
        for design in (False, True):
            kind = "made on these" if design else "not made on these"
            caption = f"{metric}, sigma={RULE_OF[metric]}, {kind}"
            rows = [_row(case, one, size.pairs) for case, one in found if case.design == design]
            tables += [table_of(caption, rows)] if rows else []
        tests = [one.ratio for case, one in found if not case.design]
        if tests:
            good = sum(ratio <= WITHIN for ratio in tests)
            counts.append(f"{metric} with {RULE_OF[metric]}: on {good} of {len(tests)}")
    finding = (
        "Within 20 % of the grid's best distance, on manifolds that the rules were not made on: "
        + "; ".join(counts)
        + "."
    )
    notes = (
        (
            f"Scores of finite samples. Mean over {size.samples} samples and {size.pairs} pairs"
            f" each; {size.num_points} points a path, from the straight line; Stein metric with lam"
            f" = {size.lam:g}, Gauss-Newton, two to four sub-nodes a segment; conformal and"
            f" pullback with their defaults, L-BFGS; at most {size.iterations} iterations."
        ),
        (
            f"The grid has {size.levels} levels, each the one before over sqrt(2), from the data's"
            " root mean square distance from their mean down. Below 1: the rule's level lies"
            " between two of the grid, or below it."
        ),
        (
            "The rules are for the greatest distance to the true geodesic. The length error is"
            " shown beside it: paths that are too short and too crooked cancel in it, so that its"
            " minimum over a grid means less."
        ),
        (
            "On the sphere the error of stein falls on for ever as sigma grows, since every level"
            " set of its log p is a sphere: a property of symmetry that no other surface here has"
            " to that degree."
        ),
    )
    return Page(
        name="sigma_auto",
        title=title,
        command=command,
        tables=tuple(tables),
        finding=finding,
        seed=size.seed,
        settings={"lam": size.lam, "samples": size.samples, "points": size.num_points},
        measures=_FIRST,
        titles=_TITLES,
        notes=notes,
        figures=(Picture(FIGURE, "Distance to the truth at each level of the grid."),),
        failures=tuple(failures),
    )


def _metrics(done: Sequence[Done]) -> list[str]:
    return list(dict.fromkeys(cell.metric for cell in done[0].cells if cell.metric != STRAIGHT))


def _row(case: Done, found: Verdict, pairs: int) -> Row:
    values = {
        "sigma": found.auto.sigma,
        "greatest": found.auto.greatest,
        "best_sigma": found.best.sigma,
        "best_greatest": found.best.greatest,
        "straight": found.straight.greatest,
        "ratio": found.ratio,
        "length": found.auto.length,
        "length_ratio": found.length_ratio,
        "evaluations": found.auto.evaluations,
    }
    cells: dict[str, TableCell] = {name: Estimate(value, n=pairs) for name, value in values.items()}
    if case.reach is not None:
        cells["reach"] = Estimate(found.auto.sigma / case.reach, n=pairs)
    return Row({"manifold": case.title, "sample": str(case.count)}, cells)


def draw(folder: Path, done: Sequence[Done]) -> list[Path]:
    """A panel a metric, a line a manifold that is no design: the grid's distances over the best."""
    panels: dict[str, dict[str, Line]] = {}
    for metric in _metrics(done):
        lines = {}
        for case in done:
            if case.design:
                continue
            levels = [cell for cell in case.cells if cell.metric == metric and not cell.rule]
            levels.sort(key=lambda cell: cell.sigma)
            least = min(cell.greatest for cell in levels)
            octaves = [round(math.log2(cell.sigma / levels[-1].sigma), 3) for cell in levels]
            lines[case.title] = Line(octaves, [cell.greatest / least for cell in levels])
        if lines:
            panels[metric] = lines
    label = "distance to the truth over the grid's best"
    return (
        sweep_lines(
            folder / FIGURES / Path(FIGURE).stem,
            panels,
            xlabel="log2 of sigma over the data's size",
            ylabels=[label] * len(panels),
            formats=("png",),
        )
        if panels
        else []
    )

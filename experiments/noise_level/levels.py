"""How good the noise levels are that `score.sigma=auto` picks: errors over a grid of levels, and at
the rule's own.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, bad_value, check_choice, check_number
from scoregeo._utils.files import read_json, write_json
from scoregeo._utils.results import FORMAT, check_format
from scoregeo.dataset.base import AbstractDataset
from scoregeo.evaluation.manifold import distance_to_path, relative_length_error
from scoregeo.path.interpolation import linear
from scoregeo.run.build import check_nodes
from scoregeo.run.instantiate import make
from scoregeo.run.own_runner import reads
from scoregeo.score.base import AUTO, AUTO_RIDGE, AbstractScore
from scoregeo.score.field import ScoreField
from scoregeo.score.noise_level import POINTS, choose_noise_level, data_scale
from scoregeo.solver.base import AbstractSolver

log = logging.getLogger(__name__)

STRAIGHT = "straight"  # the line between the ends, beside the metrics
RULE_OF = {"stein": AUTO, "conformal": AUTO_RIDGE, "pullback": AUTO}
CELLS = "methods"  # the cells' folder in a run's, which is cleared where a run is made anew
RESULT = "cells.json"
_FINE = 257  # points of a true geodesic


@dataclass(frozen=True)
class Method:
    """A metric, as the node it is made of, and the solver of its geodesics."""

    metric: Mapping[str, Any]
    solver: AbstractSolver


@dataclass(frozen=True)
class Case:
    """A manifold known by samples, and what is done on it.

    `dataset`: the manifold, with its pairs, which follow from `seed`. `samples`: the scores of as
    many samples of it, drawn with `seed`, `seed + 1`, ... `levels`: of the grid. `methods`: by the
    metric's name; the first solver's number of points is the straight line's too.
    """

    name: str
    dataset: AbstractDataset
    seed: int
    samples: Sequence[AbstractScore]
    levels: int
    methods: Mapping[str, Method]


@dataclass(frozen=True)
class Cell:
    """One case, metric and noise level: `rule` is the one that chose it, empty on the grid.

    `greatest`: greatest distance to the true geodesic over its length, `length`: absolute relative
    length error, both means over pairs and samples, as is `sigma` for a rule; `evaluations`: score
    evaluations a pair and point.
    """

    case: str
    metric: str
    rule: str
    sigma: float
    greatest: float
    length: float
    evaluations: float


@reads("dataset", "score", "metric", "solver", "seed", "device")
def run(
    path: Path,
    config: Mapping[str, Any],
    case: str | None,
    design: bool,
    reach: float | None = None,
    samples: int = 2,
    levels: int = 13,
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """The work of one job of `study=sigma_auto`: its cells, in the run's folder `path`.

    Args:
        config: the run's. Its score's sample is drawn `samples` times, with as many seeds from its
            own on; its metric and solver are the first method.
        case: the case's name.
        design: whether the rules were made on this manifold, so that it cannot test them.
        reach: largest distance up to which the nearest point of the manifold is unique (Federer
            1959), data units; None where it has no closed form. The page names both.
        levels: of the grid, a factor sqrt(2) apart.
        further: nodes `metric` and `solver` of more methods, by the metric's name.

    A cell that lies in the folder already is not computed again.
    Raises ConfigError for what the parts refuse, and for a metric without a rule.
    """
    if case is None:
        allowed = "a case's name, as the options of case/sigma_auto have it"
        raise bad_value("runner.case", case, allowed)
    found = case_of(config, case, samples, levels, further or {})
    cells = []
    for cell in run_case(found, path / CELLS):
        about = (case, cell.metric, cell.sigma, cell.rule, cell.greatest)
        log.info("%s, %s, sigma %.4g %s: %.4f", *about)
        cells.append(asdict(cell))
    write_json(path / RESULT, {"format": FORMAT, "cells": cells})


def read_cells(path: Path) -> list[Cell]:
    """The cells of a run's folder, in order. Raises DataError where they cannot be read."""
    return [Cell(**one) for one in check_format(read_json(path / RESULT), RESULT)["cells"]]


def case_of(
    config: Mapping[str, Any],
    name: str,
    samples: int,
    levels: int,
    further: Mapping[str, Mapping[str, Any]],
) -> Case:
    """The case of a run's configuration; settings and errors as of `run`."""
    check_nodes(config)
    check_choice("device", config["device"], ("cpu",))
    check_number("runner.samples", samples, at_least=1, integer=True)
    check_number("runner.levels", levels, at_least=1, integer=True)
    dataset, seed = make("dataset", config["dataset"]), config["seed"]
    pairs = dataset.pairs(seed)
    if dataset.true_path(pairs, 2) is None or dataset.true_length(pairs) is None:
        raise bad_value("dataset", type(dataset).__name__, "one whose true geodesics are known")
    methods = {}
    nodes = {"": config} | {f"runner.further.{key}.": node for key, node in further.items()}
    for where, node in nodes.items():
        metric = make("metric", node["metric"], f"{where}metric", field=None)
        if metric.name not in RULE_OF:
            raise bad_value(f"{where}metric", metric.name, f"one of {', '.join(RULE_OF)}")
        solver = make("solver", node["solver"], f"{where}solver")
        solver.check(metric)
        methods[metric.name] = Method(node["metric"], solver)
    # Any noise level will do: only the score is kept.
    node = {**config["score"], "sigma": 1.0}
    fields = [make("score", node, dataset=dataset, seed=seed + i) for i in range(samples)]
    return Case(name, dataset, seed, [field.score for field in fields], levels, methods)


def grid(dataset: AbstractDataset, levels: int, seed: int = 0) -> list[float]:
    """Levels a factor sqrt(2) apart, downwards from the data's root mean square distance from their
    mean.
    """
    scale = data_scale(dataset.held_out(POINTS, seed))
    return [scale * 2 ** (-k / 2) for k in range(levels)]


def run_case(case: Case, folder: Path) -> Iterator[Cell]:
    """The straight line, then all metrics at their rules' levels and on the grid.

    Cells are taken from `folder` if they are there.
    """
    wanted: list[tuple[str, float | None]] = [(STRAIGHT, 0.0)]
    levels = grid(case.dataset, case.levels, case.seed)
    wanted += [(metric, sigma) for metric in case.methods for sigma in (None, *levels)]
    problem: _Problem | None = None
    for metric, sigma in wanted:
        shown = RULE_OF[metric] if sigma is None else f"{sigma:.4g}"
        path = folder / f"{metric}-{shown}.json"
        cell = load_cell(path)
        if cell is None:
            problem = problem or _Problem(case)
            cell = problem.cell(metric, sigma)
            write_json(path, {"format": FORMAT, **asdict(cell)})
        yield cell


def load_cell(path: Path) -> Cell | None:
    """A cell written before, or None where there is none or it is damaged."""
    try:
        found: dict[str, Any] = read_json(path)
        return Cell(**found) if found.pop("format") == FORMAT else None
    except (DataError, TypeError, KeyError, AttributeError):
        return None


class _Problem:
    """What the cells of one case share: true geodesics, samples' scores, held-out points."""

    def __init__(self, case: Case) -> None:
        data = case.dataset
        self.case, self.pairs = case, data.pairs(case.seed)
        truth, length = data.true_path(self.pairs, _FINE), data.true_length(self.pairs)
        assert truth is not None and length is not None
        self.truth, self.length = truth, length
        self.points = [data.held_out(POINTS, case.seed + i) for i in range(len(case.samples))]

    def cell(self, metric: str, sigma: float | None) -> Cell:
        """At `sigma`, or at the level of the metric's rule."""
        if metric == STRAIGHT:
            method = next(iter(self.case.methods.values()))
            errors = self._against_truth(linear(self.pairs.ends, method.solver.num_points))
            return Cell(self.case.name, metric, "", 0.0, *errors, 0.0)
        rule, rows = RULE_OF[metric] if sigma is None else "", []
        for score, points in zip(self.case.samples, self.points, strict=True):
            level = choose_noise_level(score, points, rule).sigma if sigma is None else sigma
            rows.append([level, *self._errors(ScoreField(score, level), metric)])
        level, greatest, length, evaluations = (
            torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
        )
        return Cell(self.case.name, metric, rule, level, greatest, length, evaluations)

    def _errors(self, field: ScoreField, name: str) -> tuple[float, float, float]:
        """Errors of the geodesics from the straight lines, and score evaluations a
        pair and point.
        """
        method = self.case.methods[name]
        start = linear(self.pairs.ends, method.solver.num_points)
        solution = method.solver.solve(make("metric", method.metric, field=field), start)
        evaluations = float(solution.score_evaluations.double().mean()) / method.solver.num_points
        return *self._against_truth(solution.path), evaluations

    def _against_truth(self, path: torch.Tensor) -> tuple[float, float]:
        """Greatest distance over the true length, and absolute relative length error: means over
        pairs.
        """
        gap = (distance_to_path(path, self.truth).greatest / self.length).mean()
        return float(gap), float(relative_length_error(path, self.length).abs().mean())

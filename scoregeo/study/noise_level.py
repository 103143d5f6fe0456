"""How good the noise levels are that `score.sigma=auto` picks: errors over a grid of levels, and at the rule's own."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from scoregeo.core.errors import DataError
from scoregeo.core.files import read_json, write_json
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.ellipsoid import Ellipsoid
from scoregeo.dataset.flat_torus import FlatTorus
from scoregeo.dataset.rotation_group import RotationGroup
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.dataset.wiggly_sphere import WigglySphere
from scoregeo.evaluation.manifold import distance_to_path, relative_length_error
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.base import AUTO, AUTO_RIDGE
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.field import ScoreField
from scoregeo.score.noise_level import POINTS, choose_noise_level, data_scale
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.lbfgs import LBFGS

LAM = 1000.0
STRAIGHT = "straight"  # the line between the ends, beside the metrics
RULE_OF = {"stein": AUTO, "conformal": AUTO_RIDGE, "pullback": AUTO}
_FORMAT = 1
_FINE = 257  # points of a true geodesic


@dataclass(frozen=True)
class SampledCase:
    """A manifold known by a sample of `count` points.

    `design`: the rules were made on it, so it cannot test them. `reach`: largest distance up to which the nearest point of the
    manifold is unique (Federer 1959), data units, None where it has no closed form.
    """

    name: str
    title: str
    dataset: AbstractDataset
    count: int
    design: bool
    reach: float | None = None


@dataclass(frozen=True)
class Size:
    """How much: samples of each manifold, points of a path, levels of the grid (a factor sqrt(2) apart), metrics."""

    samples: int = 2
    num_points: int = 33
    levels: int = 13
    iterations: int = 40
    metrics: tuple[str, ...] = ("stein", "conformal")
    names: tuple[str, ...] | None = None


FULL = Size()
QUICK = Size(samples=1, num_points=5, levels=2, iterations=2, names=("sphere", "closed_curve_5"))  # proves that everything runs


def sampled_cases() -> dict[str, SampledCase]:
    """Those of design, and others of other dimension, codimension, curvature and size."""
    made = [
        SampledCase("sphere", "sphere in R^3", Sphere(), 1000, True, 1.0),
        SampledCase("closed_curve", "closed curve in R^3, 3 waves", ClosedCurve(), 1000, True),
        SampledCase("ellipsoid", "ellipsoid 1.5, 1, 0.6", Ellipsoid(), 1000, True, 0.24),
        SampledCase("torus", "torus 1, 0.4", Torus(), 1000, True, 0.4),
        SampledCase("flat_torus", "Clifford torus in R^4", FlatTorus(), 1000, True, 2**-0.5),
        SampledCase("wiggly_sphere", "wiggly sphere, 8 waves", WigglySphere(), 1000, False),
        SampledCase("wiggly_sphere_5", "wiggly sphere, 5 waves", WigglySphere(wiggle=0.06, waves=5.0), 1000, False),
        SampledCase("ellipsoid_flat", "ellipsoid 1, 0.8, 0.5", Ellipsoid((1.0, 0.8, 0.5)), 1000, False, 0.25),
        SampledCase("ellipsoid_long", "ellipsoid 2, 1.2, 1", Ellipsoid((2.0, 1.2, 1.0)), 1000, False, 0.5),
        SampledCase("torus_fat", "torus 1, 0.6", Torus(1.0, 0.6), 1000, False, 0.4),
        SampledCase("closed_curve_5", "closed curve in R^3, 5 waves", ClosedCurve(height=0.2, waves=5), 500, False),
        SampledCase("flat_torus_3", "flat torus T^3 in R^6", FlatTorus(3, 3**-0.5), 2000, False, 3**-0.5),
        SampledCase("rotation_group", "SO(3) in R^9", RotationGroup(), 2000, False, 2**0.5),
    ]
    return {case.name: case for case in made}


@dataclass(frozen=True)
class Cell:
    """One case, metric and noise level: `rule` is the one that chose it, empty on the grid.

    `greatest`: greatest distance to the true geodesic over its length, `length`: absolute relative length error, both means over
    pairs and samples, as is `sigma` for a rule; `evaluations`: score evaluations a pair and point.
    """

    case: str
    metric: str
    rule: str
    sigma: float
    greatest: float
    length: float
    evaluations: float


def grid(case: SampledCase, size: Size) -> list[float]:
    """Levels a factor sqrt(2) apart, downwards from the data's root mean square distance from their mean."""
    scale = data_scale(case.dataset.held_out(POINTS, 0))
    return [scale * 2 ** (-k / 2) for k in range(size.levels)]


def run_case(case: SampledCase, size: Size, folder: Path, on_cell: Callable[[Cell], None]) -> list[Cell]:
    """The straight line, then all metrics on the grid and at their rules' levels; cells are taken from `folder` if there."""
    wanted: list[tuple[str, float | None]] = [(STRAIGHT, 0.0)]
    wanted += [(metric, sigma) for metric in size.metrics for sigma in (None, *grid(case, size))]
    cells: list[Cell] = []
    problem: _Problem | None = None
    for metric, sigma in wanted:
        shown = RULE_OF[metric] if sigma is None else f"{sigma:.4g}"
        facts = [_FORMAT, case.title, case.count, metric, shown, size.samples, size.num_points, size.iterations]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]
        path = folder / f"{case.name}-{metric}-{shown}-{key}.json"
        try:
            cell = Cell(**read_json(path))
        except (DataError, TypeError):
            problem = problem or _Problem(case, size.samples)
            cell = problem.cell(metric, sigma, size)
            write_json(path, asdict(cell))
        cells.append(cell)
        on_cell(cell)
    return cells


class _Problem:
    """What the cells of one case share: true geodesics, samples' scores, held-out points."""

    def __init__(self, case: SampledCase, samples: int) -> None:
        data = case.dataset
        self.name, self.pairs = case.name, data.pairs(0)
        truth, length = data.true_path(self.pairs, _FINE), data.true_length(self.pairs)
        assert truth is not None and length is not None
        self.truth, self.length = truth, length
        self.scores = [EmpiricalScore(data.sample(case.count, seed)) for seed in range(samples)]
        self.points = [data.held_out(POINTS, seed) for seed in range(samples)]

    def cell(self, metric: str, sigma: float | None, size: Size) -> Cell:
        """At `sigma`, or at the level of the metric's rule."""
        if metric == STRAIGHT:
            return Cell(self.name, metric, "", 0.0, *self._against_truth(linear(self.pairs.ends, size.num_points)), 0.0)
        rule, rows = RULE_OF[metric] if sigma is None else "", []
        for score, points in zip(self.scores, self.points, strict=True):
            level = choose_noise_level(score, points, rule).sigma if sigma is None else sigma
            rows.append([level, *self._errors(ScoreField(score, level), metric, size)])
        level, greatest, length, evaluations = torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
        return Cell(self.name, metric, rule, level, greatest, length, evaluations)

    def _errors(self, field: ScoreField, metric: str, size: Size) -> tuple[float, float, float]:
        """Errors of the geodesics from the straight lines, and score evaluations a pair and point."""
        start = linear(self.pairs.ends, size.num_points)
        if metric == "stein":
            solver = GaussNewton(size.num_points, subnodes=2, max_subnodes=4, max_iterations=size.iterations)
            solution = solver.solve(SteinMetric(field, LAM), start)
        else:
            other = PullbackMetric(field) if metric == "pullback" else ConformalMetric(field)
            solution = LBFGS(size.num_points, max_iterations=size.iterations, tolerance=1e-4).solve(other, start)
        return *self._against_truth(solution.path), float(solution.score_evaluations.double().mean()) / size.num_points

    def _against_truth(self, path: torch.Tensor) -> tuple[float, float]:
        """Greatest distance over the true length, and absolute relative length error: means over pairs."""
        gap = (distance_to_path(path, self.truth).greatest / self.length).mean()
        return float(gap), float(relative_length_error(path, self.length).abs().mean())


@dataclass(frozen=True)
class Verdict:
    """One case and metric: the rule's cell, the grid's of least distance and of least length error, and the straight line's."""

    auto: Cell
    best: Cell
    best_length: Cell
    straight: Cell

    @property
    def ratio(self) -> float:
        """The rule's greatest distance to the truth over the best of the grid; below 1 where it lies between levels."""
        return self.auto.greatest / self.best.greatest

    @property
    def length_ratio(self) -> float:
        """The same of the length error."""
        return self.auto.length / self.best_length.length


def verdict(cells: Sequence[Cell], metric: str) -> Verdict:
    """Of one case's cells."""
    mine = [cell for cell in cells if cell.metric == metric]
    levels = [cell for cell in mine if not cell.rule]
    (auto,) = (cell for cell in mine if cell.rule)
    (straight,) = (cell for cell in cells if cell.metric == STRAIGHT)
    return Verdict(auto, min(levels, key=lambda cell: cell.greatest), min(levels, key=lambda cell: cell.length), straight)

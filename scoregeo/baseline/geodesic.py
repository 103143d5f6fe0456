"""A geodesic of another metric, as a row beside the run's own."""

import dataclasses
from collections.abc import Callable

import torch

from scoregeo.baseline.base import (
    NOISE,
    AbstractBaseline,
    BaselinePath,
    Ends,
    check_ends,
    check_solver,
)
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import AbstractSolver


@dataclasses.dataclass(frozen=True)
class MetricGeodesic(AbstractBaseline):
    """The geodesic of `metric` that `solver` finds from the straight line, between ends at the
    run's noise level.

    Same score, same ends, another geometry: with `pullback` (Saito & Matsubara 2025) or `conformal`
    (probability-density geodesics, Yu et al. 2025) beside `stein`. Costs what the solver counts.

    Attributes:
        metric: makes the metric of a score field, called as metric(field=field).
        solver: one that serves it; its number of points is the run's.
    """

    metric: Callable[..., AbstractMetric]
    solver: AbstractSolver
    space = NOISE
    needs_noise = False

    def __post_init__(self) -> None:
        check_solver(self.metric, self.solver, lambda: self.metric(field=None))

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Raises ConfigError for fewer than 3 points, DataError for ends that are equal or not
        finite.
        """
        check_ends("geodesic", ends.lifted, num_points)
        solution = self._solver(num_points).solve(
            self._metric(ends.field), linear(ends.lifted, num_points)
        )
        return BaselinePath(
            solution.path.detach(), solution.status, solution.iterations, solution.score_evaluations
        )

    def _metric(self, field: ScoreField) -> AbstractMetric:
        return self.metric(field=field)

    def _solver(self, num_points: int) -> AbstractSolver:
        assert dataclasses.is_dataclass(self.solver) and not isinstance(self.solver, type)
        return dataclasses.replace(self.solver, num_points=num_points)

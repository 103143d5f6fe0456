"""A geodesic of a metric made of data points alone, as a row: no score."""

import dataclasses
from collections.abc import Callable

import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.baseline.base import (
    DATA,
    AbstractBaseline,
    BaselinePath,
    Ends,
    check_ends,
    check_solver,
)
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.solver.base import AbstractSolver


@dataclasses.dataclass(frozen=True)
class DataGeodesic(AbstractBaseline):
    """The geodesic that `solver` finds from the straight line between the clean ends, in a `metric`
    made of the run's reference points: `land` or `rbf`.

    It has the data that `initializer=graph` and `baseline=graph_euclidean` have, and neither
    network nor score: no score evaluation.

    Attributes:
        metric: makes the metric of points, called as metric(points=points).
        solver: one that serves it; its number of points is the run's.
        num_references: data points, at least 2.
    """

    metric: Callable[..., AbstractMetric]
    solver: AbstractSolver
    num_references: int = 1000
    space = DATA
    needs_noise = False

    def __post_init__(self) -> None:
        key = "baseline.data_geodesic.num_references"
        check_number(key, self.num_references, at_least=2, integer=True)
        # Two points of the plane: whether its settings are good, and the solver serves it
        plane = torch.eye(2, dtype=torch.float64)
        check_solver(self.metric, self.solver, lambda: self.metric(points=plane))

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Raises ConfigError for fewer than 3 points or a run without data points, DataError for
        ends that are equal or not finite.
        """
        check_ends("data_geodesic", ends.clean, num_points)
        if ends.references is None:
            raise ConfigError("a metric of data points needs data points, and has none here.")
        assert dataclasses.is_dataclass(self.solver) and not isinstance(self.solver, type)
        solver = dataclasses.replace(self.solver, num_points=num_points)
        metric = self.metric(points=ends.references(self.num_references))
        found = solver.solve(metric, linear(ends.clean, num_points))
        return BaselinePath(
            found.path.detach(), found.status, found.iterations, found.score_evaluations
        )

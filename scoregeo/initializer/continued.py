"""Starts from coarser geometry: geodesics of a more blurred density, followed as the noise level
falls.
"""

import logging
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, bad_value, check_length, check_number
from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import MOST_SUBNODES
from scoregeo.score.field import ScoreField
from scoregeo.solver.gauss_newton import GaussNewton

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContinuedInitializer(AbstractInitializer):
    """Sigma continued from large to small: a blurred density has fewer valleys for a path to be
    caught in.

    With sigma the metric's own noise level, the boundary-value problem between the same ends is
    solved by Gauss-Newton at

        sigma_k = sigma_start (sigma / sigma_start)^(k / levels),   k = 0 .. levels - 1,

    the first from the straight line, each other from the last path, in the metric `I + lam s s^T`
    of the score at sigma_k. The run's own solver does the last level, sigma itself.

    Costs at most `levels * (max_iterations + 1)` evaluations of a path of `subnodes` parts a
    segment, that is `subnodes * (points - 1) + 1` score evaluations each, and the solver's
    certificate at every level.

    Attributes:
        sigma_start: the largest noise level, above the metric's own and within the score's range.
        levels: noise levels solved at. subnodes, max_iterations: of the solver at each.
    """

    sigma_start: float = 8.0
    levels: int = 6
    subnodes: int = 4
    max_iterations: int = 10

    def __post_init__(self) -> None:
        check_length("initializer.sigma_start", self.sigma_start)
        check_number("initializer.levels", self.levels, at_least=1, integer=True)
        check_number(
            "initializer.subnodes", self.subnodes, at_least=1, at_most=MOST_SUBNODES, integer=True
        )
        check_number("initializer.max_iterations", self.max_iterations, at_least=1, integer=True)

    def check(self, metric: AbstractMetric) -> None:
        if metric.least_squares is None:
            raise ConfigError(
                "initializer = 'continued' needs a metric whose energy is a sum of squares, such as"
                f" metric = 'stein', not {metric.name!r}."
            )
        field = metric.least_squares.field
        if self.sigma_start <= field.sigma:
            raise bad_value(
                "initializer.sigma_start", self.sigma_start, f"above score.sigma = {field.sigma:g}"
            )
        field.score.check_sigma(self.sigma_start, "initializer.sigma_start")

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        self.check(metric)
        assert metric.least_squares is not None
        field, lam = metric.least_squares.field, metric.least_squares.lam

        def paths(ends: torch.Tensor, num_points: int) -> torch.Tensor:
            path = linear(ends, num_points)
            for level in range(self.levels):
                sigma = self.sigma_start * (field.sigma / self.sigma_start) ** (level / self.levels)
                # Only the first start is far from its geodesic.
                solver = GaussNewton(
                    num_points,
                    subnodes=self.subnodes,
                    max_iterations=self.max_iterations,
                    continuation=level == 0,
                )
                solution = solver.solve(SteinMetric(ScoreField(field.score, sigma), lam), path)
                log.debug(
                    "continued start: sigma %.4g, median energy %.4g",
                    sigma,
                    float(solution.energy.median()),
                )
                path = solution.path
            return path.to(ends)

        return paths

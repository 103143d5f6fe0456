"""The metric's own way past the end of a geodesic: the exponential map of its last velocity."""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_number
from scoregeo.extrapolation.base import COMPLETE, AbstractExtrapolation, Continuation
from scoregeo.geometry.extrapolation import extrapolate
from scoregeo.geometry.support import require_closed_form
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import CONVERGED


@dataclass(frozen=True)
class Exponential(AbstractExtrapolation):
    """`exp_b(reach v)`, v the velocity over unit time with which the geodesic arrives at b
    (`scoregeo.geometry.extrapolation`).

    Every evaluation of the geodesic equation costs one score evaluation and one JVP, 3 in all; the
    integrator chooses how many.

    Attributes:
        rtol: relative tolerance of the integrator, within (0, 1). atol: absolute, in data units,
            above 0.
        max_evaluations: score evaluations a pair may take; where they are spent the path so far is
            returned.
    """

    rtol: float = 1e-6
    atol: float = 1e-8
    max_evaluations: int = 200_000
    of_metric = True

    def __post_init__(self) -> None:
        check_number("extrapolation.exponential.rtol", self.rtol, above=0.0, below=1.0)
        check_number("extrapolation.exponential.atol", self.atol, above=0.0)
        check_number(
            "extrapolation.exponential.max_evaluations",
            self.max_evaluations,
            at_least=1,
            integer=True,
        )

    def check(self, metric: AbstractMetric) -> None:
        require_closed_form(metric, "extrapolation.exponential")

    def extend(
        self,
        metric: AbstractMetric,
        path: torch.Tensor,
        reach: torch.Tensor,
        num_points: int,
        rule: Quadrature,
    ) -> Continuation:
        """Raises ConfigError where the metric has no Christoffel action."""
        flow = extrapolate(
            metric,
            path,
            reach,
            num_points,
            quadrature=rule,
            rtol=self.rtol,
            atol=self.atol,
            max_evaluations=self.max_evaluations,
        )
        return Continuation(
            path=_held(flow.path),
            status=tuple(COMPLETE if status == CONVERGED else status for status in flow.status),
            reached=flow.reached,
            score_evaluations=flow.score_evaluations,
            seconds=flow.seconds,
            energy_drift=flow.energy_drift,
        )


def _held(path: torch.Tensor) -> torch.Tensor:
    """A flow that broke off stays at its last point: its points beyond are not numbers."""
    known = path.flatten(2).isfinite().all(2)
    # The points that are known come first, and the starting point is one of them.
    last = known.sum(1) - 1
    index = torch.arange(path.shape[1], device=path.device).minimum(last[:, None])
    return path[torch.arange(len(path), device=path.device)[:, None], index]

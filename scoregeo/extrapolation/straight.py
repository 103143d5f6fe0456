"""Straight on: what extrapolation is without a metric."""

import time
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_choice
from scoregeo.extrapolation.base import COMPLETE, AbstractExtrapolation, Continuation
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import arc_length

TANGENT = "tangent"
CHORD = "chord"


@dataclass(frozen=True)
class Straight(AbstractExtrapolation):
    """A straight line from the second end b; no score evaluation.

    Attributes:
        direction: "tangent" continues along the path's last segment, `reach` times the path's
            Euclidean length; "chord" is LERP past u = 1, `b + reach u (b - a)`, and sees nothing of
            the path but its ends.
    """

    direction: str = TANGENT
    of_metric = False

    def __post_init__(self) -> None:
        check_choice("extrapolation.straight.direction", self.direction, (TANGENT, CHORD))

    def check(self, metric: AbstractMetric) -> None:
        """Every metric will do: it is not asked."""

    def extend(
        self,
        metric: AbstractMetric,
        path: torch.Tensor,
        reach: torch.Tensor,
        num_points: int,
        rule: Quadrature,
    ) -> Continuation:
        began = time.perf_counter()
        end = path[:, -1].double().flatten(1)
        if self.direction == CHORD:
            whole = end - path[:, 0].double().flatten(1)
        else:
            last = end - path[:, -2].double().flatten(1)
            whole = (
                last / last.norm(dim=1, keepdim=True).clamp_min(1e-300) * arc_length(path)[:, None]
            )
        u = reach.to(end)[:, None] * torch.linspace(
            0, 1, num_points, dtype=torch.float64, device=path.device
        )
        line = end[:, None] + u[..., None] * whole[:, None]
        pairs = len(path)
        return Continuation(
            path=line.to(path.dtype).view(pairs, num_points, *path.shape[2:]),
            status=(COMPLETE,) * pairs,
            reached=torch.ones(pairs, dtype=torch.float64),
            score_evaluations=torch.zeros(pairs, dtype=torch.int64),
            seconds=time.perf_counter() - began,
        )

"""The extrapolation interface: a path, and a way past its second end."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature

COMPLETE = "complete"  # the whole length asked for was gone
# The score gave values that are not finite along the path; the part covered until then is returned
FAILED = "failed"


@dataclass(frozen=True)
class Continuation:
    """What follows each path past its second end, and what it cost. Tensors: CPU [pairs], but for
    `path`.

    `path` [pairs, num_points, *shape] begins at that end, its points at equal steps. `status`: one
    a pair. `reached`: the share of the length asked for that was gone, within [0, 1]; where it is
    below 1 the path ends there. `score_evaluations` counts per pair (a VJP or JVP as two more).
    `energy_drift`: relative change of the squared speed in the metric, where the method should keep
    it. `seconds`: of the whole batch.
    """

    path: torch.Tensor
    status: tuple[str, ...]
    reached: torch.Tensor
    score_evaluations: torch.Tensor
    seconds: float
    energy_drift: torch.Tensor | None = None


class AbstractExtrapolation(ABC):
    """Continues paths past their second end. Holds configuration only."""

    of_metric: bool  # whether it is an operation of the metric, and its row is named after both

    @abstractmethod
    def check(self, metric: AbstractMetric) -> None:
        """Raise ConfigError, naming what works, where this method cannot continue geodesics of the
        metric.
        """

    @abstractmethod
    def extend(
        self,
        metric: AbstractMetric,
        path: torch.Tensor,
        reach: torch.Tensor,
        num_points: int,
        rule: Quadrature,
    ) -> Continuation:
        """Continue `path` [pairs, points, *shape] by `reach` [pairs] times its length, at
        `num_points` points from its end on.

        `rule` is the quadrature the path was solved on, for methods that ask the metric for its
        last velocity.
        """

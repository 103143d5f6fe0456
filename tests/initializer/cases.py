"""Rings of Gaussians in the plane, whole and with a gap, on which the ways to go are known."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import MixtureScore

GAP = range(23, 37)  # of the sixty points of a ring, those that a ring with a gap lacks


def ring(count: int, offset: float = 0.0) -> torch.Tensor:
    """Points of the unit circle, [count, 2], `offset` steps on."""
    angle = (torch.arange(count, dtype=torch.float64) + offset) * 2 * math.pi / count
    return torch.stack([angle.cos(), angle.sin()], 1)


def open_ring() -> torch.Tensor:
    """The ring of sixty without the gap, [46, 2]."""
    return ring(60)[[i for i in range(60) if i not in GAP]]


def metric_of(score: AbstractScore, lam: float = 100.0, sigma: float = 0.1) -> SteinMetric:
    return SteinMetric(ScoreField(score, sigma), lam)


def ring_metric(dtype: torch.dtype = torch.float64) -> SteinMetric:
    return metric_of(MixtureScore(ring(60).to(dtype), 0.05))


def counted_gap_metric() -> tuple[SteinMetric, CountingScore]:
    """The ring with a gap, lam 100, sigma 0.1, and what counts its evaluations."""
    score = CountingScore(MixtureScore(open_ring(), 0.05))
    return metric_of(score), score


def along_ends() -> torch.Tensor:
    """Twelve steps of the ring apart, data all the way: the geodesic's energy is near (12 * 2 pi /
    60)^2 / 2.
    """
    return torch.stack([ring(60)[2], ring(60)[14]])[None]


def across_ends() -> torch.Tensor:
    """On both sides of the gap: the short way crosses it, the long one goes round by 43 steps."""
    return torch.stack([ring(60)[21], ring(60)[38]])[None]


@dataclass(frozen=True)
class RoundInitializer(AbstractInitializer):
    """The arc of the circle that runs through angle 0, whichever way is shorter: known to be right
    across the gap.
    """

    def check(self, metric: AbstractMetric) -> None:
        pass

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        return _round


def _round(ends: torch.Tensor, num_points: int) -> torch.Tensor:
    angle = torch.atan2(ends[..., 1], ends[..., 0])
    u = torch.linspace(0, 1, num_points, dtype=ends.dtype)
    turned = (1 - u) * angle[:, :1] + u * angle[:, 1:]  # atan2's cut lies at pi, in the gap
    path = torch.stack([turned.cos(), turned.sin()], 2)
    path[:, 0], path[:, -1] = ends[:, 0], ends[:, 1]
    return path


def given(points: torch.Tensor) -> Callable[[int], torch.Tensor]:
    """References that are always these points."""
    return lambda count: points

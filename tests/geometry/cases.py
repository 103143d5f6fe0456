"""Metrics, points and scores that the tests of this folder share."""

import torch

from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField
from tests.fields import MixtureScore, mixture

LAM, SIGMA = 3.0, 0.5


def stein(dimension: int = 3) -> SteinMetric:
    """A smooth, curved metric: a mixture of Gaussians, gently blurred."""
    return SteinMetric(ScoreField(mixture(dimension, 4), SIGMA), LAM)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normal numbers, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class WalledScore(AbstractScore):
    """A mixture's score, but NaN where the first coordinate is above `wall`."""

    def __init__(self, wall: float) -> None:
        self.wall, self.inner = wall, MixtureScore(draw(4, 3, seed=3))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inner.shape

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.where(x[:, :1] > self.wall, torch.nan, self.inner._score(x, sigma))


class Unconnected(AbstractMetric):
    """The flat metric without any of its closed forms."""

    name = "unconnected"

    @property
    def field(self) -> ScoreField | None:
        return None

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (u * v).flatten(1).sum(1)

    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return v

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        raise NotImplementedError

    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        raise NotImplementedError

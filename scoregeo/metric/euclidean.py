"""The flat metric: the control against which every other is read."""

import torch

from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


class EuclideanMetric(AbstractMetric):
    """`g = I`. Its geodesics are straight lines. The field is kept only so that noise levels are known; it is never evaluated."""

    name = "euclidean"

    def __init__(self, field: ScoreField | None = None) -> None:
        self._field = field

    @property
    def field(self) -> ScoreField | None:
        return self._field

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (u * v).flatten(1).sum(1)

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """`(n/2) sum |d_i|^2`, `sum |d_i|` and `|x_n - x_0|^2 / 2`; no score evaluation, whatever the quadrature."""
        flat = path.flatten(2).double()
        squares = (flat[:, 1:] - flat[:, :-1]).square().sum(2)
        chord = (flat[:, -1] - flat[:, 0]).square().sum(1)
        return PathMeasure(energy=0.5 * squares.shape[1] * squares.sum(1), length=squares.sqrt().sum(1), lower_bound=0.5 * chord)

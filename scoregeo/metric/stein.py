"""The paper's metric, from the score of a diffusion model."""

import torch

from scoregeo.core.errors import check_number
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.graph import log_density_differences, node_scores
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


class SteinMetric(AbstractMetric):
    """`g(x) = I + lam s(x) s(x)^T`, lam > 0 (Azeglio & Di Bernardo 2025, arXiv 2505.11128).

    It is the metric of the graph `x -> (x, sqrt(lam) log p_sigma(x))` in one more dimension: moving along the score, off the
    data manifold, costs `1 + lam |s|^2` times as much as moving across it.
    """

    name = "stein"

    def __init__(self, field: ScoreField, lam: float) -> None:
        check_number("metric.lam", lam, above=0.0)
        self.lam = float(lam)
        self._field = field

    @property
    def field(self) -> ScoreField:
        return self._field

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`u.v + lam (s.u)(s.v)`; one score evaluation a point."""
        s, u, v = self._field(x).flatten(1), u.flatten(1), v.flatten(1)
        return (u * v).sum(1) + self.lam * (s * u).sum(1) * (s * v).sum(1)

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """Energy, length and bound of the chords of the graph.

        The bound is `(|x_n - x_0|^2 + lam (log p(x_n) - log p(x_0))^2) / 2`, its log-density difference summed along the path, so
        that by Cauchy-Schwarz the excess is never negative. Differentiable in the path where the score is.
        """
        flat = path.flatten(2)
        segments = flat[:, 1:] - flat[:, :-1]
        delta = log_density_differences(node_scores(self._field, path, quadrature), segments, quadrature).double()
        n, parts = delta.shape[1:]
        squares = segments.double().square().sum(2)
        energy = 0.5 * n * (squares.sum(1) + self.lam * parts * delta.square().sum((1, 2)))
        length = (squares[:, :, None] / parts**2 + self.lam * delta.square()).clamp_min(0).sqrt().sum((1, 2))
        chord = (flat[:, -1] - flat[:, 0]).double().square().sum(1)
        bound = 0.5 * (chord + self.lam * delta.sum((1, 2)).square())
        return PathMeasure(energy=energy, length=length, lower_bound=bound)

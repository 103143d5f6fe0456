"""The metric interface: everything derives from the inner product; a metric knows a score and no solver."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


@dataclass(frozen=True)
class PathMeasure:
    """What one pass over a batch of paths gives; float64 [pairs] each.

    `energy` tends to `1/2 integral |x'|_x^2 du`, u in [0, 1], as points are added; `length` to `integral |x'|_x du`.
    `lower_bound` lies below the energy of every path between the same ends, as far as the metric knows one (0 where it does not).
    """

    energy: torch.Tensor
    length: torch.Tensor
    lower_bound: torch.Tensor

    @property
    def excess(self) -> torch.Tensor:
        """Energy above the lower bound, [pairs], never negative."""
        return self.energy - self.lower_bound


class AbstractMetric(ABC):
    """A Riemannian metric on the ambient space. Paths are [pairs, points, *shape]; vectors and points [batch, *shape]."""

    name: str

    @property
    @abstractmethod
    def field(self) -> ScoreField | None:
        """The score field the metric is made of, or None for metrics that need none."""

    @abstractmethod
    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`<u, v>_x`, [batch]."""

    def norm(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`|v|_x = sqrt(<v, v>_x)`, [batch]."""
        return self.inner(x, v, v).clamp_min(0).sqrt()

    @abstractmethod
    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """Energy, length and lower bound of each path; `quadrature.evaluations(points)` score evaluations a path."""

    def energy(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """Discrete energy of each path, [pairs]."""
        return self.measure(path, quadrature).energy

    def length(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """Length of each path in the metric, [pairs]."""
        return self.measure(path, quadrature).length

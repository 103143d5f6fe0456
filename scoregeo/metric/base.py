"""The metric interface: everything derives from the inner product; a metric knows a score and no
solver.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField

LARGEST_MATRIX = 512  # dimension up to which `matrix` may be asked for


@dataclass(frozen=True)
class PathMeasure:
    """What one pass over a batch of paths gives; float64 [pairs] each.

    `energy` tends to `1/2 integral |x'|_x^2 du`, u in [0, 1], as points are added; `length` to
    `integral |x'|_x du`. `lower_bound` lies below the energy of every path between the same ends,
    as far as the metric knows one (0 where it does not)."""

    energy: torch.Tensor
    length: torch.Tensor
    lower_bound: torch.Tensor

    @property
    def excess(self) -> torch.Tensor:
        """Energy above the lower bound, [pairs], never negative."""
        return self.energy - self.lower_bound


class AbstractMetric(ABC):
    """A Riemannian metric on the ambient space. Paths are [pairs, points, *shape]; vectors and
    points [batch, *shape].
    """

    name: str

    @property
    @abstractmethod
    def field(self) -> ScoreField | None:
        """The score field the metric is made of, or None for metrics that need none."""

    @abstractmethod
    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`<u, v>_x`, [batch]; differentiable in all three where the score is."""

    @abstractmethod
    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`g(x) v`, the momentum of velocity v, [batch, *shape]."""

    @abstractmethod
    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """Energy, length and lower bound of each path; `quadrature.evaluations(points)` score
        evaluations a path.
        """

    @abstractmethod
    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """dE/dx_j of `measure(path, quadrature).energy` in the inner points, float64 [pairs, points
        - 2, *shape].
        """

    def norm(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`|v|_x = sqrt(<v, v>_x)`, [batch]."""
        return self.inner(x, v, v).clamp_min(0).sqrt()

    def energy(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """Discrete energy of each path, [pairs]."""
        return self.measure(path, quadrature).energy

    def length(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """Length of each path in the metric, [pairs]."""
        return self.measure(path, quadrature).length

    def matrix(self, x: torch.Tensor) -> torch.Tensor:
        """g(x) in full, [batch, D, D], for D up to 512: D products `g v` a point. Nothing else
        makes a D x D matrix.
        """
        batch, size = len(x), x[0].numel()
        if size > LARGEST_MATRIX:
            raise ConfigError(
                f"a metric's matrix at points of {size} numbers is not made: at most"
                f" {LARGEST_MATRIX} are allowed."
            )
        basis = (
            torch.eye(size, dtype=x.dtype, device=x.device)
            .repeat(batch, 1)
            .view(batch * size, *x.shape[1:])
        )
        columns = self.apply(x.repeat_interleave(size, 0), basis)
        return columns.reshape(batch, size, size).mT


class AbstractClosedFormMetric(AbstractMetric):
    """A metric whose inverse, volume, connection and curvature are closed forms in the score and
    its Jacobian-vector products.
    """

    @abstractmethod
    def inverse(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`g(x)^-1 v`, the velocity of momentum v, [batch, *shape]."""

    @abstractmethod
    def log_volume(self, x: torch.Tensor) -> torch.Tensor:
        """`log sqrt(det g(x))`, the logarithm of the Riemannian volume density, [batch] float64."""

    @abstractmethod
    def christoffel(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The Christoffel action `Gamma_x(u, v)`, symmetric in u and v, [batch, *shape].

        The geodesic equation is `x'' = -Gamma(x', x')`, parallel transport of V along x
        `V' = -Gamma(x', V)`.
        """

    @abstractmethod
    def sectional_curvature(
        self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """K of the plane of u and v at x, [batch] float64, in 1 / data units^2 of the metric; NaN
        where they are parallel.
        """


def autograd_gradient(
    metric: AbstractMetric, path: torch.Tensor, quadrature: Quadrature
) -> torch.Tensor:
    """`AbstractMetric.gradient` by a backward pass through the energy: three times the evaluations
    of `measure`.
    """
    with torch.enable_grad():
        inner = path[:, 1:-1].detach().requires_grad_(True)
        joined = torch.cat([path[:, :1].detach(), inner, path[:, -1:].detach()], 1)
        (gradient,) = torch.autograd.grad(metric.energy(joined, quadrature).sum(), inner)
    return gradient.double()

"""The flat metric: the control against which every other is read."""

import torch

from scoregeo.metric.base import AbstractClosedFormMetric, PathMeasure
from scoregeo.metric.cost import FREE, Cost
from scoregeo.metric.inverse_sum import AbstractNodeInverse, ScalarInverse
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField, check_field


class EuclideanMetric(AbstractClosedFormMetric):
    """`g = I`. Its geodesics are straight lines. The field is kept only so that noise levels are
    known; it is never evaluated.

    Example:
        >>> import torch, scoregeo
        >>> path = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]])
        >>> metric = scoregeo.EuclideanMetric()
        >>> metric.length(path, scoregeo.path.Quadrature())
        tensor([5.], dtype=torch.float64)
    """

    name = "euclidean"
    is_flat = True
    has_node_inverse = True

    def __init__(self, field: ScoreField | None = None) -> None:
        check_field(field, unknown=True)
        self._field = field

    @property
    def field(self) -> ScoreField | None:
        return self._field

    @property
    def cost(self) -> Cost:
        return FREE

    def evaluations(self, num_points: int, quadrature: Quadrature) -> int:
        return 0

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (u * v).flatten(1).sum(1)

    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return v

    def inverse(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return v

    def log_volume(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(len(x), dtype=torch.float64)

    def christoffel(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(v)

    def sectional_curvature(
        self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        u, v = u.flatten(1).double(), v.flatten(1).double()
        uu, vv, uv = (u * u).sum(1), (v * v).sum(1), (u * v).sum(1)
        return torch.zeros_like(uu).where(uu * vv - uv**2 > 1e-14 * uu * vv, torch.nan)

    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """`n (2 x_j - x_{j-1} - x_{j+1})`."""
        wide = path.double()
        return (path.shape[1] - 1) * (2 * wide[:, 1:-1] - wide[:, :-2] - wide[:, 2:])

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """`(n/2) sum |d_i|^2`, `sum |d_i|` and `|x_n - x_0|^2 / 2`; no score evaluation, whatever
        the quadrature.
        """
        flat = path.flatten(2).double()
        squares = (flat[:, 1:] - flat[:, :-1]).square().sum(2)
        chord = (flat[:, -1] - flat[:, 0]).square().sum(1)
        return PathMeasure(
            energy=0.5 * squares.shape[1] * squares.sum(1),
            length=squares.sqrt().sum(1),
            lower_bound=0.5 * chord,
        )

    def linearise(
        self, x: torch.Tensor, u: torch.Tensor
    ) -> tuple[torch.Tensor, AbstractNodeInverse]:
        velocity = u.detach().double().flatten(2)
        return torch.zeros_like(velocity), ScalarInverse(velocity.new_ones(velocity.shape[:2]))

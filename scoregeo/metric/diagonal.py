"""Diagonal metrics made of data points, without a score: cheap where data are, dear where not."""

from abc import abstractmethod
from typing import ClassVar

import torch

from scoregeo._utils.errors import DataError, bad_value, check_length
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.cost import FREE, Cost
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.graph import by_segment, quadrature_nodes
from scoregeo.metric.inverse_sum import AbstractNodeInverse, DiagonalInverse
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


class AbstractDiagonalMetric(AbstractMetric):
    """`g(x) = diag( 1 / (h_a(x) + rho) )`, h_a at least 0: a measure of the data around x in
    coordinate a, and `1 / rho` what a squared step costs where there are none.

    No score evaluations: the metric is made of `points` [count, *shape], and everything is float64.
    A geodesic's energy is the trapezoid (or other) rule on `d . g d` along each segment; its
    gradient is by autograd.
    """

    has_node_inverse: ClassVar[bool] = True

    def __init__(self, points: torch.Tensor, rho: float) -> None:
        """Raises ConfigError for rho not above 0, DataError for fewer than two points or points
        that are not finite.
        """
        check_length("metric.rho", rho)
        if not isinstance(points, torch.Tensor) or points.ndim < 2 or len(points) < 2:
            raise DataError(f"{self.name} is made of two data points or more, [count, *shape].")
        if not points.is_floating_point() or not points[0].numel():
            raise DataError(
                f"{self.name}: data points are of {points.dtype}, {points[0].numel()} numbers each:"
                " floating-point numbers, at least one, are expected."
            )
        if not bool(points.isfinite().all()):
            raise DataError(f"{self.name}: a data point is not finite.")
        self.points = points.detach().double().flatten(1)
        self.rho = float(rho)

    @property
    def field(self) -> ScoreField | None:
        return None

    @property
    def cost(self) -> Cost:
        return FREE

    @abstractmethod
    def density(self, x: torch.Tensor) -> torch.Tensor:
        """h at `x` [batch, D] float64, [batch, D] or [batch, 1]; differentiable."""

    def weight(self, x: torch.Tensor) -> torch.Tensor:
        """The diagonal at `x` [batch, *shape], [batch, D] float64."""
        flat = x.double().flatten(1)
        if flat.shape[1] != self.points.shape[1]:
            raise DataError(
                f"points have {flat.shape[1]} numbers, those of metric {self.name}"
                f" {self.points.shape[1]}."
            )
        return (self.density(flat) + self.rho).reciprocal().expand_as(flat)

    def scale(self, path: torch.Tensor) -> torch.Tensor:
        """The mean weight of a coordinate at the path's ends."""
        ends = path.detach()[:, [0, -1]]
        return self.weight(ends.flatten(0, 1)).reshape(len(path), -1).mean(1)

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (self.weight(x) * (u * v).double().flatten(1)).sum(1)

    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return self.weight(x).view(x.shape) * v.double()

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """`(n/2) sum_i sum_q W_q d_i . g(x_iq) d_i` and `sum_i sum_q W_q |d_i|_g`, W the weights of
        the quadrature's nodes; no bound is known: 0. Differentiable in the path.
        """
        nodes = quadrature_nodes(path, quadrature)
        weight = self.weight(nodes.flatten(0, 1)).view(nodes.flatten(2).shape)
        square = path.double().flatten(2).diff(dim=1).square()
        speed = (by_segment(weight, quadrature) * square[:, :, None]).sum(3)
        share = quadrature.weights.sum(0).to(speed)
        energy = 0.5 * square.shape[1] * (speed * share).sum((1, 2))
        # A root has no derivative at 0; lengths are not differentiated where they are 0
        length = (speed.clamp_min(0).sqrt() * share).sum((1, 2))
        return PathMeasure(energy, length, torch.zeros_like(energy))

    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        return autograd_gradient(self, path, quadrature)

    def linearise(
        self, x: torch.Tensor, u: torch.Tensor
    ) -> tuple[torch.Tensor, AbstractNodeInverse]:
        """No score evaluation."""
        velocity = u.detach().double().flatten(2)
        with torch.enable_grad():
            points = x.detach().flatten(0, 1).double().requires_grad_(True)
            weight = self.weight(points).reshape(velocity.shape)
            (slope,) = torch.autograd.grad((weight * velocity.square()).sum(), points)
        return slope.reshape(velocity.shape), DiagonalInverse(weight.detach())


def square_distances(x: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """`|x_i - y_j|^2`, [batch, count], differentiable; clamped at 0."""
    cross = x @ points.T
    own, other = x.square().sum(1, keepdim=True), points.square().sum(1)
    return (own + other - 2 * cross).clamp_min(0)


def nearest_distance(points: torch.Tensor) -> float:
    """Median distance of a point [count, D] to its nearest other. Raises DataError where it is 0:
    more than half of the points have a copy.
    """
    square = square_distances(points, points)
    square.fill_diagonal_(torch.inf)
    found = float(square.amin(1).sqrt().median())
    if not found > 0:
        raise DataError("more than half of the data points of the metric are copies of others.")
    return found


def check_width(key: str, width: float | None) -> None:
    """Raise ConfigError unless it is None or a number above 0."""
    if isinstance(width, str):
        raise bad_value(key, width, "null or a number above 0")
    if width is not None:
        check_length(key, width)

"""What every operation checks before it starts: which metrics serve it, and the tensors it is
given.
"""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import AbstractSolver

CLOSED_FORM = ("stein", "conformal", "euclidean")


@dataclass(frozen=True)
class Cost:
    """Score evaluations a point, a JVP or VJP counted as two.

    `quadratic`: Christoffel action on one vector, `Gamma(v, v)`. `bilinear`: on two. `product`:
    inner product, `g v`, `g^-1 v`."""

    quadratic: int
    bilinear: int
    product: int


def cost_of(metric: AbstractMetric) -> Cost:
    """What one call of the metric's closed forms costs; that of `stein` where the metric is not one
    of the package's.
    """
    if isinstance(metric, ConformalMetric):
        return Cost(1, 1, metric.nodes)
    return Cost(0, 0, 0) if metric.name == "euclidean" else Cost(3, 6, 1)


def rule_cost(metric: AbstractMetric, rule: Quadrature, num_points: int) -> int:
    """Score evaluations of the energy of one path of `num_points` points."""
    return 0 if metric.name == "euclidean" else rule.evaluations(num_points)


def require_closed_form(metric: AbstractMetric, operation: str) -> AbstractClosedFormMetric:
    """The metric, if it has a Christoffel action; else ConfigError naming the operation, the metric
    and those that have one.
    """
    if isinstance(metric, AbstractClosedFormMetric):
        return metric
    raise ConfigError(
        f"{operation} needs the Christoffel action of a metric, and metric = {metric.name!r} has"
        f" none; metrics that have it: {', '.join(CLOSED_FORM)}."
    )


def check_points(metric: AbstractMetric, name: str, x: torch.Tensor) -> None:
    """Raise DataError unless `x` is a batch [batch >= 1, *shape] of finite floating-point points of
    the score's shape.
    """
    if x.ndim < 2:
        raise DataError(
            f"{name} has shape {list(x.shape)}; a batch of points [batch, *shape] is needed."
        )
    if len(x) == 0:
        raise DataError(
            f"{name} is an empty batch (shape {list(x.shape)}); at least one point is needed."
        )
    if not x.is_floating_point():
        raise DataError(f"{name} has dtype {x.dtype}; a floating-point dtype is needed.")
    if metric.field is not None and tuple(x.shape[1:]) != metric.field.shape:
        raise DataError(
            f"{name} has points of shape {tuple(x.shape[1:])}, the metric's score takes"
            f" {metric.field.shape}."
        )
    _check_finite(name, x)


def check_like(name: str, v: torch.Tensor, like_name: str, like: torch.Tensor) -> None:
    """Raise DataError unless `v` is finite and has the shape, dtype and device of `like`."""
    for what, here, there in (
        ("shape", list(v.shape), list(like.shape)),
        ("dtype", v.dtype, like.dtype),
        ("device", v.device, like.device),
    ):
        if here != there:
            raise DataError(f"{name} has {what} {here}, {like_name} has {there}: they must agree.")
    _check_finite(name, v)


def check_path(metric: AbstractMetric, name: str, path: torch.Tensor) -> None:
    """Raise DataError unless `path` is [pairs >= 1, points >= 2, *shape] of finite points that the
    metric's score takes.
    """
    if path.ndim < 3 or path.shape[1] < 2:
        raise DataError(
            f"{name} has shape {list(path.shape)}; paths [pairs, points >= 2, *shape] are needed."
        )
    if len(path) == 0:
        raise DataError(
            f"{name} is an empty batch (shape {list(path.shape)}); at least one path is needed."
        )
    check_points(metric, name, path.flatten(0, 1))


def rule_of(solver: AbstractSolver) -> Quadrature:
    """The quadrature a solver minimises on, by its `quadrature` and `subnodes`; the trapezoid rule
    where it names none.
    """
    return Quadrature(getattr(solver, "quadrature", "trapezoid"), getattr(solver, "subnodes", 1))


def path_unit(metric: AbstractMetric, x: torch.Tensor) -> torch.Tensor:
    """Unit of length, at a point, of paths that start at `x` [batch, *shape], [batch] float64.

    `conformal` measures a path in units of its own first point; times this its length is in units
    of the metric's anchor, and lengths of different paths compare. 1 for every other metric. Costs
    one product of `conformal`, else nothing.
    """
    if not isinstance(metric, ConformalMetric):
        return torch.ones(len(x), dtype=torch.float64, device=x.device)
    one = torch.ones_like(x)
    return metric.norm(x, one).double() / x[0].numel() ** 0.5


def expand(weight: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[batch] to [batch, 1, ...] in dtype and device of `like`, so that it multiplies points."""
    return weight.to(like).view(-1, *[1] * (like.dim() - 1))


def _check_finite(name: str, x: torch.Tensor) -> None:
    finite = x.isfinite().flatten(1).all(1)
    if not finite.all():
        raise DataError(
            f"{name} is not finite at element {int((~finite).nonzero()[0])} of {len(x)}."
        )

"""What every operation checks before it starts: which metrics serve it, and the tensors it is
given.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.tensors import as_tensor, check_tensor
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric, check_metric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import AbstractSolver, check_solver
from scoregeo.solver.parts import check_memory

Operation = TypeVar("Operation", bound=Callable[..., Any])
CLOSED_FORM = ("stein", "conformal", "euclidean")


def of_arrays(operation: Operation) -> Operation:
    """The operation, given lists of numbers and arrays as tensors: of float64 where they are of
    Python's numbers.
    """

    @wraps(operation)
    def converted(*given: Any, **named: Any) -> Any:
        return operation(
            *(as_tensor(value) for value in given),
            **{name: as_tensor(value) for name, value in named.items()},
        )

    return cast(Operation, converted)


def require_closed_form(metric: AbstractMetric, operation: str) -> AbstractClosedFormMetric:
    """The metric, if it has a Christoffel action; else ConfigError naming the operation, the metric
    and those that have one.
    """
    check_metric(metric)
    if isinstance(metric, AbstractClosedFormMetric):
        return metric
    raise ConfigError(
        f"{operation} needs the Christoffel action of a metric, and metric = {metric.name!r} has"
        f" none; metrics that have it: {', '.join(CLOSED_FORM)}."
    )


def check_points(metric: AbstractMetric, name: str, x: torch.Tensor) -> None:
    """Raise DataError unless `x` is a batch [batch, *shape] of finite floating-point points of the
    score's shape; of no points, it has no results.
    """
    check_tensor(name, x)
    if x.ndim < 2:
        raise DataError(
            f"{name} has shape {list(x.shape)}; a batch of points [batch, *shape] is needed."
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
    check_tensor(name, v)
    for what, here, there in (
        ("shape", list(v.shape), list(like.shape)),
        ("dtype", v.dtype, like.dtype),
        ("device", v.device, like.device),
    ):
        if here != there:
            raise DataError(f"{name} has {what} {here}, {like_name} has {there}: they must agree.")
    _check_finite(name, v)


def check_path(metric: AbstractMetric, name: str, path: torch.Tensor) -> None:
    """Raise DataError unless `path` is [pairs, points >= 2, *shape] of finite points that the
    metric's score takes.
    """
    check_tensor(name, path)
    if path.ndim < 3 or path.shape[1] < 2:
        raise DataError(
            f"{name} has shape {list(path.shape)}; paths [pairs, points >= 2, *shape] are needed."
        )
    check_points(metric, name, path.flatten(0, 1))


def check_serves(solver: AbstractSolver, metric: AbstractMetric, x: torch.Tensor) -> None:
    """Raise ConfigError unless `solver` is one that serves the metric, and the memory limit holds a
    path of its points between points like `x` [batch, *shape].
    """
    check_solver(solver)
    solver.check(metric)
    check_memory(solver, x.shape[1:].numel())


def rule_of(solver: AbstractSolver) -> Quadrature:
    """The quadrature a solver minimises on, by its `quadrature` and `subnodes`; the trapezoid rule
    where it names none.
    """
    return Quadrature(getattr(solver, "quadrature", "trapezoid"), getattr(solver, "subnodes", 1))


def expand(weight: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[batch] to [batch, 1, ...] in dtype and device of `like`, so that it multiplies points."""
    return weight.to(like).view(-1, *[1] * (like.dim() - 1))


def _check_finite(name: str, x: torch.Tensor) -> None:
    finite = x.isfinite().flatten(1).all(1)
    if not finite.all():
        raise DataError(
            f"{name} is not finite at element {int((~finite).nonzero()[0])} of {len(x)}."
        )

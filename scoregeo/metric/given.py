"""What a metric's operations take, checked once for every metric, a user's own too."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.tensors import check_tensor
from scoregeo.path.quadrature import Quadrature, check_rule

# The vectors that each operation at points `x` takes beside them
VECTORS = {
    "inner": ("u", "v"),
    "apply": ("v",),
    "inverse": ("v",),
    "initial_velocity": ("momentum",),
    "log_volume": (),
    "christoffel": ("u", "v"),
    "sectional_curvature": ("u", "v"),
}
OF_PATHS = ("measure", "gradient")


def check_operations(metric: type) -> None:
    """Let the operations that the class `metric` defines check their arguments."""
    for name, own in list(vars(metric).items()):
        if getattr(own, "__isabstractmethod__", False):
            continue
        if name in VECTORS:
            setattr(metric, name, _of_vectors(own, VECTORS[name]))
        elif name in OF_PATHS:
            setattr(metric, name, _of_paths(own))


def _of_vectors(operation: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    @wraps(operation)
    def checked(self: Any, x: torch.Tensor, *vectors: torch.Tensor, **named: torch.Tensor) -> Any:
        _check_numbers("x", x)
        if x.ndim < 2:
            raise DataError(f"x has shape {list(x.shape)}; points [batch, *shape] are needed.")
        for name, v in [*zip(names, vectors, strict=False), *named.items()]:
            _check_numbers(name, v)
            if v.shape != x.shape:
                raise DataError(
                    f"{name} has shape {list(v.shape)}, the points x {list(x.shape)}: one vector a"
                    " point is needed."
                )
        return operation(self, x, *vectors, **named)

    return checked


def _of_paths(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def checked(self: Any, path: torch.Tensor, quadrature: Quadrature) -> Any:
        check_rule(quadrature)
        _check_numbers("path", path)
        if path.ndim < 3 or path.shape[1] < 2:
            raise DataError(
                f"path has shape {list(path.shape)}; paths [pairs, points >= 2, *shape] are needed."
            )
        return operation(self, path, quadrature)

    return checked


def _check_numbers(name: str, value: torch.Tensor) -> None:
    check_tensor(name, value)
    if not value.is_floating_point():
        raise DataError(f"{name} is of {value.dtype}: it must be of floating point.")

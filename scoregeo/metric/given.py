"""What a metric's operations take, checked once for every metric, a user's own too."""

from collections.abc import Callable
from functools import wraps
from inspect import getattr_static, isfunction
from typing import Any
from weakref import WeakSet

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.tensors import check_floating
from scoregeo.path.quadrature import check_rule

# The vectors that each operation at points `x` takes beside them
VECTORS = {
    "inner": ("u", "v"),
    "norm": ("v",),
    "apply": ("v",),
    "inverse": ("v",),
    "initial_velocity": ("momentum",),
    "accelerations": ("v", "carried"),
    "christoffel": ("u", "v"),
    "sectional_curvature": ("u", "v"),
    "log_volume": (),
    "log_density_ratio": (),
    "unit": (),
    "matrix": (),
}
OF_PATHS = ("measure", "gradient", "energy", "length")
_checking: WeakSet[Callable[..., Any]] = WeakSet()  # operations that check their arguments


def check_operations(metric: type) -> None:
    """Let the operations that the class `metric` defines, or has of a base that is no metric, check
    their arguments.
    """
    for name in (*VECTORS, *OF_PATHS):
        own = getattr_static(metric, name, None)
        abstract = getattr(own, "__isabstractmethod__", False)
        if not isfunction(own) or abstract or own in _checking:
            continue
        checked = _of_vectors(own, VECTORS[name]) if name in VECTORS else _of_paths(own)
        _checking.add(checked)
        setattr(metric, name, checked)


def _of_vectors(operation: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    known = ("x", *names)

    @wraps(operation)
    def checked(self: Any, *arguments: torch.Tensor, **named: torch.Tensor) -> Any:
        given = dict(zip(known, arguments, strict=False)) | {
            name: value for name, value in named.items() if name in known
        }
        if "x" in given:
            _check_vectors(given.pop("x"), given)
        return operation(self, *arguments, **named)

    return checked


def _check_vectors(x: torch.Tensor, vectors: dict[str, torch.Tensor]) -> None:
    check_floating("x", x)
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise DataError(f"x has shape {list(x.shape)}; points [batch, *shape] are needed.")
    for name, v in vectors.items():
        if v is None and name == "carried":
            continue
        check_floating(name, v)
        if v.shape != x.shape:
            raise DataError(
                f"{name} has shape {list(v.shape)}, the points x {list(x.shape)}: one vector a"
                " point is needed."
            )


def _of_paths(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def checked(self: Any, path: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        if arguments or "quadrature" in named:
            check_rule(arguments[0] if arguments else named["quadrature"])
        check_floating("path", path)
        if path.ndim < 3 or path.shape[1] < 2 or 0 in path.shape[2:]:
            raise DataError(
                f"path has shape {list(path.shape)}; paths [pairs, points >= 2, *shape] are needed."
            )
        return operation(self, path, *arguments, **named)

    return checked

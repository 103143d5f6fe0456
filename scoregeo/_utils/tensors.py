"""Tensors that come from outside: what is taken as one, and what is refused."""

from typing import Any

import numpy as np
import torch

from scoregeo._utils.errors import DataError


def as_tensor(value: Any) -> Any:
    """A list of numbers or an array as a tensor, of float64 where it is of Python's numbers; any
    other value as it is.
    """
    if not isinstance(value, (list, tuple, np.ndarray)):
        return value
    try:
        array = np.array(value)
        return torch.from_numpy(array) if array.size and array.dtype.kind in "if" else value
    except (ValueError, TypeError, RuntimeError):  # rows of unequal length, other objects in it
        return value


def check_tensor(name: str, value: object) -> None:
    """Raise DataError for what is no tensor, and for one that is sparse or has no values."""
    if not isinstance(value, torch.Tensor):
        raise DataError(f"{name} is a {type(value).__name__}: it must be a torch.Tensor.")
    if value.layout != torch.strided:
        raise DataError(f"{name} has layout {value.layout}: it must be a dense tensor.")
    if value.is_meta:
        raise DataError(f"{name} is on device meta: it must be a tensor that has values.")


def check_floating(name: str, value: torch.Tensor) -> None:
    """Raise DataError as `check_tensor`, and for a tensor that is not of floating point."""
    check_tensor(name, value)
    if not value.is_floating_point():
        raise DataError(f"{name} is of {value.dtype}: it must be of floating point.")

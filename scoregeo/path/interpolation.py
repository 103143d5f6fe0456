"""Closed-form paths between two points: straight and spherical."""

import torch

from scoregeo._utils.errors import DataError, check_number
from scoregeo._utils.tensors import check_tensor

# Above this |cos| the spherical formula divides by almost zero and the straight line is the same
_PARALLEL = 0.9995


def parameter(num_points: int, like: torch.Tensor) -> torch.Tensor:
    """u = 0 .. 1 at `num_points` equal steps, float64, on the device of `like`."""
    return torch.linspace(0, 1, num_points, dtype=torch.float64, device=like.device)


def linear(ends: torch.Tensor, num_points: int) -> torch.Tensor:
    """`(1 - u) a + u b`: ends [pairs, 2, *shape] to paths [pairs, num_points, *shape]. The ends are
    kept to the last bit.

    Example:
        >>> import torch, scoregeo
        >>> scoregeo.linear(torch.tensor([[[0.0], [1.0]]]), 3).flatten()
        tensor([0.0000, 0.5000, 1.0000])
    """
    a, b = _flat(ends)
    check_number("num_points", num_points, at_least=2, integer=True)
    u = parameter(num_points, ends)[None, :, None]
    return _finish((1 - u) * a[:, None] + u * b[:, None], ends)


def spherical(ends: torch.Tensor, num_points: int) -> torch.Tensor:
    """`sin((1-u) w) / sin w * a + sin(u w) / sin w * b`, w the angle between a and b as flat
    vectors, their norms left as they are.

    The straight line where |cos w| > 0.9995 or an end is 0. In float64 inside. Source: Shoemake
    1985, with norms not forced to one.

    Example:
        >>> import torch, scoregeo
        >>> ends = torch.eye(2).double()[None]
        >>> scoregeo.spherical(ends, 3).norm(dim=2)
        tensor([[1.0000, 1.0000, 1.0000]], dtype=torch.float64)
    """
    a, b = _flat(ends)
    check_number("num_points", num_points, at_least=2, integer=True)
    u = parameter(num_points, ends)[None, :, None]
    norms = a.norm(dim=1) * b.norm(dim=1)
    cos = (a * b).sum(1) / norms.clamp_min(torch.finfo(torch.float64).tiny)
    straight = (cos.abs() > _PARALLEL) | (norms == 0)
    angle = torch.where(straight, torch.ones_like(cos), cos.clamp(-1, 1).acos())[:, None, None]
    round_path = (
        ((1 - u) * angle).sin() * a[:, None] + (u * angle).sin() * b[:, None]
    ) / angle.sin()
    straight_path = (1 - u) * a[:, None] + u * b[:, None]
    return _finish(torch.where(straight[:, None, None], straight_path, round_path), ends)


def _flat(ends: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both ends, float64 [pairs, D]. Raises DataError for what is no floating-point tensor [pairs,
    2, *shape]: between integers a path would be rounded to integers.
    """
    check_tensor("ends", ends)
    if not ends.is_floating_point():
        raise DataError(f"ends are of {ends.dtype}: they must be of floating point.")
    if ends.ndim < 3 or ends.shape[1] != 2:
        raise DataError(f"ends have shape {list(ends.shape)}, not [pairs, 2, *shape].")
    a, b = ends.double().flatten(2).unbind(1)
    return a, b


def _finish(path: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    shaped = path.to(ends.dtype).reshape(*path.shape[:2], *ends.shape[2:])
    shaped[:, 0], shaped[:, -1] = ends[:, 0], ends[:, 1]
    return shaped

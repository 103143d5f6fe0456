"""Curves through given points: natural cubic splines, and piecewise great circles
about the origin.
"""

from functools import lru_cache

import numpy as np
import torch


def cubic(nodes: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The natural cubic spline through `nodes` [pairs, count, D] at `u` [points]: [pairs, points,
    D].
    """
    return cubic_matrix(nodes.shape[1], u) @ nodes


def cubic_matrix(count: int, u: torch.Tensor, order: int = 0) -> torch.Tensor:
    """The linear map from a natural cubic spline's values at `count` equal steps to its derivative
    of an order at `u` [points].

    [points, count], of dtype and device of `u`; order 0 is the spline itself.
    """
    return torch.as_tensor(_cubic_matrix(count, tuple(u.tolist()), order)).to(u)


@lru_cache(maxsize=32)
def _cubic_matrix(count: int, u: tuple[float, ...], order: int) -> np.ndarray:
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.linspace(0, 1, count), np.eye(count), bc_type="natural")(
        np.array(u), order
    )


def round_spline(nodes: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Piecewise great circles through `nodes` [pairs, count, D] of equal norms, at the fractions
    `u` [points] of their length.

    [pairs, points, D]. No two neighbours may be equal or opposite.
    """
    travelled = torch.nn.functional.pad(
        _angle(nodes[:, :-1], nodes[:, 1:])[..., 0].cumsum(1), (1, 0)
    )
    share = travelled / travelled[:, -1:]
    left = (torch.searchsorted(share, u.expand(len(nodes), -1).contiguous(), right=True) - 1).clamp(
        0, nodes.shape[1] - 2
    )
    low, high = share.gather(1, left), share.gather(1, left + 1)
    part = ((u - low) / (high - low)).clamp(0, 1)[..., None]
    rows = torch.arange(len(nodes), device=nodes.device)[:, None]
    a, b = nodes[rows, left], nodes[rows, left + 1]
    angle = _angle(a, b) / torch.pi
    # sin(p angle) / sin(angle), which is p where the angle is 0
    of_a, of_b = ((p * angle).sinc() / angle.sinc() * p for p in (1 - part, part))
    return of_a * a + of_b * b


def round_velocity(nodes: torch.Tensor) -> torch.Tensor:
    """Where each great circle takes one step of [0, 1]: the mean of the velocities that come to and
    leave an inner node.

    [pairs, count - 2, D].
    """
    a, b = nodes[:, :-1], nodes[:, 1:]
    angle = _angle(a, b)
    speed = (nodes.shape[1] - 1) / torch.sinc(
        angle / torch.pi
    )  # angle / (step sin(angle)), 1 / step at angle 0
    leaving, arriving = speed * (b - angle.cos() * a), speed * (angle.cos() * b - a)
    return (arriving[:, :-1] + leaving[:, 1:]) / 2


def _angle(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The angle between a and b of equal norms, [..., 1], accurate where it is small."""
    return 2 * torch.atan2((a - b).norm(dim=-1, keepdim=True), (a + b).norm(dim=-1, keepdim=True))

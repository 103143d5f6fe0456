"""The second-difference matrix T of a path with fixed ends: its inverse, the norm dual to the
path's Euclidean energy, and coordinates in which that energy has the Hessian I.
"""

from functools import lru_cache

import torch


@lru_cache(maxsize=32)
def inverse_laplacian(segments: int, device: torch.device | None = None) -> torch.Tensor:
    """Inverse of `T = tridiag(-1, 2, -1)`, `min(i, j) (n - max(i, j)) / n`.

    [n + 1, n + 1] float64, bordered by zeros for the fixed ends. On `device`, copied there once;
    None: the CPU.
    """
    if device is not None:
        return inverse_laplacian(segments).to(device)
    index = torch.arange(segments + 1, dtype=torch.float64)
    low = torch.minimum(index[:, None], index[None])
    high = torch.maximum(index[:, None], index[None])
    return low * (segments - high) / segments


def smooth(gradient: torch.Tensor) -> torch.Tensor:
    """`T^-1 g` for inner-point vectors [pairs, n - 1, D] (float64): the gradient in the path's own
    (H1) inner product.
    """
    inner = inverse_laplacian(gradient.shape[1] + 1, gradient.device)[1:-1, 1:-1]
    # One product a pair, so that no pair's last digits depend on the others
    return inner @ gradient


def stationarity(
    gradient: torch.Tensor, energy: torch.Tensor, scale: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """`sqrt(g^T (n T)^-1 g / (2 w E))`, [pairs], for the gradient g [pairs, n - 1, D] and w, the
    metric's `scale` [pairs].

    Its relative size in the norm dual to w times the path's Euclidean energy; without unit.
    """
    n = gradient.shape[1] + 1
    square = (gradient * smooth(gradient)).sum((1, 2)) / (n * scale)
    return (square.clamp_min(0) / (2 * energy).clamp_min(torch.finfo(torch.float64).tiny)).sqrt()


def to_path(y: torch.Tensor) -> torch.Tensor:
    """`L^-T y / sqrt(n)`, the move of the inner points, for y [n - 1, D].

    `T = L L^T` has the closed form `(L^-1)_ij = j / sqrt(i (i + 1))`, j <= i, so a sum from the
    right does it.
    """
    i, root = _weights(y)
    return i * (y / root).flip(0).cumsum(0).flip(0)


def from_path(gradient: torch.Tensor) -> torch.Tensor:
    """`L^-1 g / sqrt(n)`: a gradient in the inner points [n - 1, D] as one in y."""
    i, root = _weights(gradient)
    return (i * gradient).cumsum(0) / root


def _weights(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """i and `sqrt(n i (i + 1))` for i = 1 .. n - 1, [n - 1, 1]."""
    i = torch.arange(1, len(like) + 1, dtype=torch.float64, device=like.device)[:, None]
    return i, ((len(like) + 1) * i * (i + 1)).sqrt()

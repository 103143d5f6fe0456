"""The second-difference matrix of a path with fixed ends, and the Gauss-Newton step it makes cheap."""

from functools import lru_cache

import torch

from scoregeo.metric.graph import Residuals


@lru_cache(maxsize=32)
def inverse_laplacian(segments: int) -> torch.Tensor:
    """Inverse of `T = tridiag(-1, 2, -1)`, `min(i, j) (n - max(i, j)) / n`.

    [n + 1, n + 1] float64, bordered by zeros for the fixed ends.
    """
    index = torch.arange(segments + 1, dtype=torch.float64)
    low = torch.minimum(index[:, None], index[None])
    high = torch.maximum(index[:, None], index[None])
    return low * (segments - high) / segments


def smooth(gradient: torch.Tensor) -> torch.Tensor:
    """`T^-1 g` for inner-point vectors [pairs, n - 1, D] (float64): the gradient in the path's own (H1) inner product."""
    inner = inverse_laplacian(gradient.shape[1] + 1)[1:-1, 1:-1].to(gradient.device)
    return torch.einsum("jk,pkd->pjd", inner, gradient)


def stationarity(gradient: torch.Tensor, energy: torch.Tensor) -> torch.Tensor:
    """`sqrt(g^T (n T)^-1 g / (2 E))`, [pairs], for the gradient g [pairs, n - 1, D].

    Its relative size in the norm dual to the path's Euclidean energy.
    """
    n = gradient.shape[1] + 1
    square = (gradient * smooth(gradient)).sum((1, 2)) / n
    return (square.clamp_min(0) / (2 * energy).clamp_min(torch.finfo(torch.float64).tiny)).sqrt()


def gauss_newton_step(residuals: Residuals, lam: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
    """Solve `n [ tau T (x) I + lam m A^T A ] step = -gradient`, tau = 1 + damping, for every pair.

    A holds the derivatives of the log-density differences. By Woodbury only the (n m) x (n m) system
    `tau I + lam m A (T^-1 (x) I) A^T` is solved, from the Gram matrix of the derivatives times T^-1, elementwise: O((n m)^2 D)
    arithmetic, in float64 whatever the score's type.

    Args: `lam`, `damping` [pairs]. Returns the step of the inner points, [pairs, n - 1, D] float64.
    """
    pairs, n, parts = residuals.delta.shape
    right = residuals.right.double().flatten(1, 2)
    left = residuals.left.double().flatten(1, 2)
    tau = (1 + damping.double())[:, None, None]
    weight = lam.double()[:, None, None] * parts
    green = inverse_laplacian(n).to(right.device)
    segment = torch.arange(n * parts, device=right.device) // parts
    cross = right @ left.mT
    coupling = (right @ right.mT) * green[segment + 1][:, segment + 1]
    coupling += cross * green[segment + 1][:, segment]
    coupling += cross.mT * green[segment][:, segment + 1]
    coupling += (left @ left.mT) * green[segment][:, segment]

    smoothed = smooth(residuals.gradient(lam) / n) / tau
    padded = torch.nn.functional.pad(smoothed, (0, 0, 1, 1))
    along = (right * padded[:, segment + 1]).sum(2) + (left * padded[:, segment]).sum(2)
    system = torch.eye(n * parts, dtype=torch.float64, device=right.device) + weight * coupling / tau
    factor, _ = torch.linalg.cholesky_ex(system)
    multiplier = weight * torch.cholesky_solve(along[:, :, None], factor)
    to_right = (multiplier * right).reshape(pairs, n, parts, -1).sum(2)
    to_left = (multiplier * left).reshape(pairs, n, parts, -1).sum(2)
    return -(smoothed - smooth(to_right[:, :-1] + to_left[:, 1:]) / tau)


def predicted_energy(residuals: Residuals, lam: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Energy of the linearised residuals after `step` [pairs, n - 1, D], [pairs] float64."""
    moved = torch.nn.functional.pad(step, (0, 0, 1, 1))
    segments = residuals.segments.double() + moved[:, 1:] - moved[:, :-1]
    change = torch.einsum("pird,pid->pir", residuals.right.double(), moved[:, 1:])
    change += torch.einsum("pird,pid->pir", residuals.left.double(), moved[:, :-1])
    delta = residuals.delta.double() + change
    n, parts = delta.shape[1:]
    return 0.5 * n * (segments.square().sum((1, 2)) + lam.double() * parts * delta.square().sum((1, 2)))

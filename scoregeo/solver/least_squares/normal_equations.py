"""The normal equations of Gauss-Newton, reduced by Woodbury's identity."""

from functools import lru_cache

import torch

from scoregeo.metric.graph import Residuals, Rows, interpolation_matrix
from scoregeo.solver.laplacian import inverse_laplacian, smooth


def gauss_newton_step(
    residuals: Residuals,
    lam: torch.Tensor,
    damping: torch.Tensor,
    stiffness: torch.Tensor | None = None,
) -> torch.Tensor:
    """Solve `n [ tau T (x) I + N M N^T ] step = -gradient`, tau = 1 + damping, for every pair.

    N has a column for each inner end y_p of a part: how its log density changes with the path's
    points, `W_pj s_p` at point j. `M = lam m B^T B + diag(stiffness)`, B the differences of
    neighbours, so that `lam m N B^T B N^T` is Gauss-Newton's `lam m A^T A`; `stiffness` [pairs, n m
    + 1], not negative, adds second derivatives of the log density along the score. With
    `M = L L^T`, by Woodbury, only `tau I + L^T N^T (T^-1 (x) I) N L` of size n m - 1 is factored:
    the Gram matrix of the scores times W T^-1 W^T, elementwise. O((n m)^2 D) arithmetic, in float64
    whatever the score's type: in float32 the Gram matrix alone would be wrong by 1e-7. Residuals
    that bring their own derivatives are handed to `rows_step`. A pair's step is the same, to the
    last digit, beside whichever other pairs.

    Args: `lam`, `damping` [pairs]. Returns the step of the inner points, [pairs, n - 1, D] float64.
    """
    if residuals.rows is not None:
        return rows_step(residuals, residuals.rows, lam, damping)
    n, parts = residuals.segments.shape[1], residuals.parts
    scores = residuals.scores.double()[:, 1:-1]
    device = scores.device
    weights = interpolation_matrix(n, parts, device)[1:-1]
    tau = (1 + damping.double())[:, None, None]
    smoothed = smooth(residuals.gradient(lam) / n) / tau
    if scores.shape[1] == 0:
        return -smoothed
    scores, inner = _aligned(scores, 1), _aligned(weights[:, 1:-1], 0)
    along = (scores * (inner @ smoothed)).sum(2)
    coupling = (scores @ scores.mT) * _green_at(n, parts, device) / tau
    weight = (lam.double() * parts).sqrt()[:, None, None]
    root = _root_of_second_difference(n * parts - 1, device) * weight
    system = (
        torch.eye(scores.shape[1], dtype=torch.float64, device=device) + root.mT @ coupling @ root
    )
    factor, _ = torch.linalg.cholesky_ex(system)
    solved = torch.cholesky_solve(root.mT @ along[:, :, None], factor)
    multiplier = root @ solved
    return -(smoothed - smooth(inner.mT @ (multiplier * scores)) / tau)


def rows_step(
    residuals: Residuals, rows: Rows, lam: torch.Tensor, damping: torch.Tensor
) -> torch.Tensor:
    """`gauss_newton_step` with the derivatives of delta in `rows`, B: solve
    `n [ tau T (x) I + lam m B^T B ] step = -gradient`.

    With `K = (tau T)^-1 (x) I` and `a_j = d_{j-1} - d_j`, the multipliers
    `mu = lam m (delta + B step)` solve `(I / (lam m) + B K B^T) mu = delta - B K a`, of size n m,
    and `step = -K (a + B^T mu)`: no difference of large numbers where lam is large. O((n m)^2 D)
    arithmetic, in float64.
    """
    n, parts = residuals.segments.shape[1], residuals.parts
    d, tau = residuals.segments.double(), (1 + damping.double())[:, None, None]
    pull = d[:, :-1] - d[:, 1:]
    green = inverse_laplacian(n, d.device)
    at = torch.arange(n, device=d.device).repeat_interleave(parts)
    first, last = _aligned(rows.first, 1), _aligned(rows.last, 1)
    firsts, both, lasts = (
        _aligned(_aligned(g, 0), 1)
        for g in (green[at][:, at], green[at][:, at + 1], green[at + 1][:, at + 1])
    )
    cross = (first @ last.mT) * both
    coupling = (first @ first.mT) * firsts + (last @ last.mT) * lasts
    weight = (lam.double() * parts)[:, None, None]
    eye = torch.eye(first.shape[1], dtype=torch.float64, device=d.device)
    system = eye + weight * (coupling + cross + cross.mT) / tau
    left = _aligned(residuals.delta.double() - rows.along(smooth(pull) / tau), 1)
    factor, _ = torch.linalg.cholesky_ex(system)
    multiplier = torch.cholesky_solve(weight * left[:, :, None], factor)[:, : n * parts, 0]
    return -smooth(pull + rows.transposed(multiplier)) / tau


def predicted_energy(residuals: Residuals, lam: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Energy of the linearised residuals after `step` [pairs, n - 1, D], [pairs] float64."""
    n, parts = residuals.segments.shape[1], residuals.parts
    segments = residuals.segments.double() + torch.nn.functional.pad(step, (0, 0, 1, 1)).diff(dim=1)
    delta = residuals.delta.double() + residuals.change(step)
    return 0.5 * n * (segments.square().sum((1, 2)) + lam.double() * parts * delta.square().sum(1))


@lru_cache(maxsize=32)
def _green_at(segments: int, parts: int, device: torch.device | None = None) -> torch.Tensor:
    """`W T^-1 W^T` at the parts' inner ends, [n m - 1, n m - 1], its size `_aligned`. On `device`,
    copied there once; None: the CPU.
    """
    if device is not None:
        return _green_at(segments, parts).to(device)
    weights = _aligned(interpolation_matrix(segments, parts)[1:-1], 0)
    return weights @ inverse_laplacian(segments) @ weights.T


@lru_cache(maxsize=32)
def _root_of_second_difference(size: int, device: torch.device | None = None) -> torch.Tensor:
    """Cholesky factor of `tridiag(-1, 2, -1)`, [size, size]: row j holds `-sqrt((j - 1) / j)`,
    `sqrt((j + 1) / j)`.

    Its size `_aligned`. On `device`, copied there once; None: the CPU.
    """
    if device is not None:
        return _root_of_second_difference(size).to(device)
    j = torch.arange(1, size + 1, dtype=torch.float64)
    root = torch.diag(((j + 1) / j).sqrt()) - torch.diag(((j[1:] - 1) / j[1:]).sqrt(), -1)
    return _aligned(_aligned(root, 0), 1)


def _aligned(values: torch.Tensor, dim: int) -> torch.Tensor:
    """Zeros after the last along `dim`, up to a multiple of 8.

    A batch of float64 matrices then has each at an address that is a multiple of 64 bytes. A
    library of linear algebra may add up in another order where addresses are aligned otherwise: a
    pair's last digits would depend on its place in the batch."""
    missing = -values.shape[dim] % 8
    return (
        torch.nn.functional.pad(values, [0, 0] * (values.ndim - 1 - dim) + [0, missing])
        if missing
        else values
    )

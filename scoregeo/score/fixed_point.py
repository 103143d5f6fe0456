"""Fixed points of a map, for a batch of points at once."""

from collections.abc import Callable

import torch


def fixed_point(
    f: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    iterations: int,
    memory: int = 5,
) -> torch.Tensor:
    """The points of `fixed_point_and_residual`."""
    return fixed_point_and_residual(f, start, iterations, memory)[0]


def fixed_point_and_residual(
    f: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    iterations: int,
    memory: int = 5,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Points x [batch, *shape] with `f(x) = x`, from `start`, by `iterations` evaluations of f on
    the whole batch; and the smallest `|f(x) - x| / |f(x)|` met, [batch] float64.

    Anderson's acceleration (Walker & Ni 2011, algorithm AA): of the last `memory + 1` iterates the
    combination, with weights that sum to one, whose residual `f(x) - x` is smallest, each point its
    own. Unlike the plain iteration (memory 0) it converges for many maps that do not contract; for
    an affine map it is GMRES, as long as all iterates are kept. Returned is f at the iterate of
    smallest residual: with one iteration, `f(start)`.
    """
    x = start
    values: list[torch.Tensor] = []  # f(x_k), [batch, size], newest last
    residuals: list[torch.Tensor] = []  # f(x_k) - x_k, float64
    best, smallest = (
        start,
        torch.full((len(start),), torch.inf, dtype=torch.float64, device=start.device),
    )
    for _ in range(iterations):
        value = f(x)
        residual = (value - x).flatten(1).double()
        norm = residual.norm(dim=1)
        better = norm < smallest
        best = torch.where(better.reshape(-1, *[1] * (x.ndim - 1)), value, best)
        smallest = torch.where(better, norm, smallest)
        values = [*values, value.flatten(1).double()][-memory - 1 :]
        residuals = [*residuals, residual][-memory - 1 :]
        x = _mixed(values, residuals).to(start).reshape(start.shape)
    size = best.flatten(1).double().norm(dim=1)
    return best, smallest / size.clamp_min(torch.finfo(torch.float64).tiny)


def _mixed(values: list[torch.Tensor], residuals: list[torch.Tensor]) -> torch.Tensor:
    """The combination of `values` whose combined residual is smallest, [batch, size]."""
    if len(values) == 1:
        return values[0]
    steps = torch.stack([b - a for a, b in zip(residuals[:-1], residuals[1:], strict=True)], 2)
    gram = steps.mT @ steps
    # Steps of a converged point are nearly parallel or 0: a little of the trace keeps the system
    # solvable.
    ridge = 1e-10 * gram.diagonal(dim1=1, dim2=2).sum(1) + torch.finfo(torch.float64).tiny
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    weights = torch.linalg.solve(
        gram + ridge[:, None, None] * eye, steps.mT @ residuals[-1][:, :, None]
    )
    moves = torch.stack([b - a for a, b in zip(values[:-1], values[1:], strict=True)], 2)
    return values[-1] - (moves @ weights)[:, :, 0]

"""The probability-flow ODE by deterministic DDIM, in variance-exploding coordinates.

There `dx / dsigma = -sigma s(x, sigma) = eps(x, sigma)`, and a DDIM step (Song et al. 2021, eq. 13
with eta = 0) is the Euler step `x' = x + (sigma' - sigma) eps(x, sigma)`.
"""

import torch

from scoregeo._utils.steps import check_steps
from scoregeo.score.base import AbstractScore

# Where a score is defined down to 0, the ODE is followed to here and ended by one denoising step
LOWEST_SIGMA = 0.02
_RHO = 7.0  # Karras et al. 2022, eq. 5


def noise_levels(score: AbstractScore, sigma: float, steps: int) -> torch.Tensor:
    """`steps` noise levels rising from the lowest to `sigma`, evenly spaced in `sigma^(1/7)`;
    float64 [steps]. All are `sigma` where the score is defined for no lower level.
    """
    check_steps("steps", steps)
    least = score.sigma_range[0]
    low = min(max(least, LOWEST_SIGMA if sigma > LOWEST_SIGMA else sigma / 2), sigma)
    grid = (
        torch.linspace(low ** (1 / _RHO), sigma ** (1 / _RHO), steps, dtype=torch.float64) ** _RHO
    )
    return torch.cat([grid[:-1].clamp_max(sigma), grid.new_tensor([sigma])])


@torch.no_grad()
def ddim_decode(score: AbstractScore, x: torch.Tensor, sigma: float, steps: int) -> torch.Tensor:
    """Follow the ODE from `sigma` to 0: points [batch, *shape] to clean points. `steps` score
    evaluations a point.
    """
    levels = noise_levels(score, sigma, steps).tolist()
    for high, low in zip(levels[::-1], [*levels[-2::-1], 0.0], strict=True):
        x = x - (low - high) * high * score.score(x, high)
    return x


@torch.no_grad()
def ddim_invert(score: AbstractScore, x: torch.Tensor, sigma: float, steps: int) -> torch.Tensor:
    """Follow the ODE from clean points [batch, *shape] up to `sigma`. `steps` score evaluations a
    point.

    The clean points are taken as points at the lowest level. Each step uses the score where it
    starts, decoding the score where it ends, so that the two undo each other to first order in the
    step.
    """
    levels = noise_levels(score, sigma, steps + 1).tolist()
    for low, high in zip(levels[:-1], levels[1:], strict=True):
        x = x - (high - low) * low * score.score(x, low)
    return x


@torch.no_grad()
def ddim_sample(
    score: AbstractScore,
    count: int,
    steps: int,
    generator: torch.Generator,
    like: torch.Tensor | None = None,
) -> torch.Tensor:
    """`count` samples of the model, from noise at its largest level (80 where it has none); `steps`
    evaluations a sample.
    """
    high = min(score.sigma_range[1], 80.0)
    noise = (
        torch.randn(count, *score.shape, generator=generator, dtype=torch.float64)
        * (1 + high**2) ** 0.5
    )
    noise = noise.float() if like is None else noise.to(like)
    return ddim_decode(score, noise, high, steps)

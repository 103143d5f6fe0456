"""DDIM on a sampler's own timesteps, in variance-exploding coordinates: decoding, and inversion
that undoes it exactly.

A DDIM step with eta = 0 (Song et al. 2021, eq. 13) is the Euler step
`x' = x + (low - high) eps(x, high)` from noise level `high` to `low` (see `sampling`). A scheduler
says which levels: here they are kept as it would use them.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.score.base import AbstractScore
from scoregeo.score.fixed_point import fixed_point_and_residual

log = logging.getLogger(__name__)

# Levels that differ by less, relatively, are one: timesteps are whole, their levels computed in
# float32
_SAME = 1e-6
UNSOLVED = 0.05  # relative residual of a step up that is said to be unsolved


@dataclass(frozen=True)
class SamplingGrid:
    """Steps of a deterministic sampler: the k-th goes from noise level `high[k]` down to `low[k]`,
    both falling, in data units.

    Most have `low[k] = high[k + 1]` and end at 0. Where a scheduler takes the end of one step for
    another level at the start of the next, or for clean though `low[-1] > 0`, it hands on `x_vp`,
    so that x is multiplied by `sqrt((1 + next^2) / (1 + low^2))`; diffusers does so where steps do
    not divide the timesteps, and at the end of Stable Diffusion's schedule
    (`set_alpha_to_one = False`: low[-1] = 0.03).

    `clip`: the denoised point of each step is clamped to [-clip, clip], as pixel-space schedulers
    do (`clip_sample`). What is clamped cannot be inverted exactly.
    """

    high: tuple[float, ...]
    low: tuple[float, ...]
    clip: float | None = None

    def __post_init__(self) -> None:
        if not self.high or len(self.high) != len(self.low):
            raise ConfigError(
                f"a sampling grid needs as many ends of steps as starts, at least one: {self.high},"
                f" {self.low}."
            )
        falling = all(a > b for a, b in zip(self.high[:-1], self.high[1:], strict=True))
        if not falling or any(
            not 0 <= low <= high for high, low in zip(self.high, self.low, strict=True)
        ):
            raise ConfigError(
                f"the steps of a sampling grid must go down: from {self.high} to {self.low}."
            )

    def steps_from(self, sigma: float) -> tuple[tuple[float, float], ...]:
        """Steps (from, to) that decoding from noise level `sigma` takes: one score evaluation a
        point each.

        From between two levels, or above the highest, the first step goes to the next level below.
        At or below `low[-1]` there is no step left.
        """
        check_number("sigma", sigma, at_least=0.0)
        below = [
            (high, low)
            for high, low in zip(self.high, self.low, strict=True)
            if high <= sigma * (1 + _SAME)
        ]
        if below and below[0][0] >= sigma * (1 - _SAME):
            return tuple(below)
        target = below[0][0] if below else self.low[-1]
        return ((sigma, target), *below) if sigma > target else tuple(below)

    def from_noise(self, noise: torch.Tensor) -> torch.Tensor:
        """Standard normal `noise` (a pipeline's `latents`) as points at `high[0]`:
        `x = sqrt(1 + high[0]^2) x_vp`.
        """
        return noise * (1 + self.high[0] ** 2) ** 0.5

    @torch.no_grad()
    def decode(self, score: AbstractScore, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Points [batch, *shape] at `sigma` to clean points. `len(steps_from(sigma))` score
        evaluations a point.
        """
        steps = self.steps_from(sigma)
        for (high, low), start in zip(steps, _starts_after(steps), strict=True):
            x = self._step(score, x, high, low) * _relabel(low, start)
        return x if steps else x * _relabel(sigma, 0.0)

    def _step(self, score: AbstractScore, x: torch.Tensor, high: float, low: float) -> torch.Tensor:
        value = score.score(x, high)
        if self.clip is None:
            return x - (low - high) * high * value
        return (x + high**2 * value).clamp(-self.clip, self.clip) - low * high * value

    @torch.no_grad()
    def invert(
        self, score: AbstractScore, x: torch.Tensor, sigma: float, iterations: int = 1
    ) -> torch.Tensor:
        """Clean points [batch, *shape] up to `sigma`: the points that `decode` brings back to them.

        A step up solves `x_high = x_low + (high - low) eps(x_high, high)` by `iterations` rounds of
        an accelerated fixed point, from `x_vp` kept. One round is the usual DDIM inversion, more
        make it exact (AIDI, Pan et al. 2023; ReNoise, Garibi et al. 2024). For the score of a
        density `d eps / dx` has no eigenvalue above `1 / high`, so that a step down is one-to-one
        whatever its size. Guidance may raise them above `1 / (high - low)`: then several points
        may lead to one. How fast rounds converge hangs on `(high - low) |d eps / dx|`, which more
        steps lower. A step that several rounds leave with a residual above 0.05 is named in a
        warning. Costs `iterations * len(steps_from(sigma))` score evaluations a point.
        """
        check_number("inversion.iterations", iterations, at_least=1, integer=True)
        steps = self.steps_from(sigma)
        worst = (0.0, 0.0, 0.0)
        for (high, low), start in zip(steps[::-1], _starts_after(steps)[::-1], strict=True):
            end = x * _relabel(start, low)
            above = partial(_above, score, end, high, low)
            x, left = fixed_point_and_residual(above, end * _relabel(low, high), iterations)
            worst = max(worst, (float(left.max()) if len(left) else 0.0, low, high))
        if iterations > 1 and worst[0] > UNSOLVED:
            log.warning(
                "inversion: the step from noise level %.3g to %.3g has a relative residual of %.2g"
                " after %d rounds, so that decoding may not bring the picture back; less guidance,"
                " more rounds or more steps lower it.",
                *worst[1:],
                worst[0],
                iterations,
            )
        return x if steps else x * _relabel(0.0, sigma)


def _above(
    score: AbstractScore, end: torch.Tensor, high: float, low: float, x: torch.Tensor
) -> torch.Tensor:
    """The point at `high` from which a step along `eps(x, high)` leads to `end` at `low`."""
    return end - (high - low) * high * score.score(x, high)


def _starts_after(steps: Sequence[tuple[float, float]]) -> list[float]:
    """For each step the level at which what it gives is taken on: the next one's start, 0 after the
    last.
    """
    return [*(high for high, _ in steps[1:]), 0.0][: len(steps)]


def _relabel(level: float, other: float) -> float:
    """Factor of x where x_vp is kept and its noise level taken for another."""
    return 1.0 if level == other else float(((1 + other**2) / (1 + level**2)) ** 0.5)

"""Starts that need no data: the model itself makes the frames, from an interpolation where its
density is simple.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch

from scoregeo._utils.errors import ConfigError, bad_value, check_length
from scoregeo._utils.steps import check_steps
from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import spherical
from scoregeo.path.resampling import resample
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sampling import ddim_decode, ddim_invert


@dataclass(frozen=True)
class HighNoiseInitializer(AbstractInitializer):
    """Both ends carried to `sigma_high` along the probability-flow ODE, SLERP there, and every
    point carried back.

    At a high noise level the density is close to one Gaussian, where SLERP keeps to typical points
    (Song et al. 2021, "Denoising diffusion implicit models", section 5.3); what is decoded lies on
    the model's own manifold. Carried back to where the ends live: to clean points, or to the
    metric's noise level. Points are then spread to equal Euclidean steps and the ends put back to
    the last bit.

    Costs `steps * (points + 2)` score evaluations a pair, of which `2 * steps` carry the ends up.

    Attributes:
        sigma_high: the noise level of the SLERP, above the metric's own and within the score's
            range.
        steps: Euler (DDIM) steps each way.
    """

    sigma_high: float = 10.0
    steps: int = 50

    def __post_init__(self) -> None:
        check_length("initializer.sigma_high", self.sigma_high)
        check_steps("initializer.steps", self.steps)

    def check(self, metric: AbstractMetric) -> None:
        _field(metric)
        field = metric.field
        assert field is not None
        if self.sigma_high <= field.sigma:
            raise bad_value(
                "initializer.sigma_high", self.sigma_high, f"above score.sigma = {field.sigma:g}"
            )
        field.score.check_sigma(self.sigma_high, "initializer.sigma_high")

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        self.check(metric)
        field = _field(metric)

        def paths(ends: torch.Tensor, num_points: int) -> torch.Tensor:
            high = self._carry_up(field, ends.flatten(0, 1), noisy).reshape(ends.shape)
            frames = self._carry_down(field, spherical(high, num_points).flatten(0, 1), noisy)
            path = frames.to(ends).reshape(len(ends), num_points, *ends.shape[2:])
            path[:, 0], path[:, -1] = ends[:, 0], ends[:, 1]
            return resample(path, num_points)

        return paths

    def _carry_up(self, field: ScoreField, points: torch.Tensor, noisy: bool) -> torch.Tensor:
        if not noisy:
            return ddim_invert(field.score, points, self.sigma_high, self.steps)
        return _follow(field.score, points, _levels(field.sigma, self.sigma_high, self.steps))

    def _carry_down(self, field: ScoreField, points: torch.Tensor, noisy: bool) -> torch.Tensor:
        if not noisy:
            return ddim_decode(field.score, points, self.sigma_high, self.steps)
        return _follow(field.score, points, _levels(field.sigma, self.sigma_high, self.steps)[::-1])


def _field(metric: AbstractMetric) -> ScoreField:
    if metric.field is None:
        raise ConfigError(
            "initializer = 'high_noise' needs a metric with a score, such as metric=stein."
        )
    return metric.field


def _levels(low: float, high: float, steps: int) -> list[float]:
    """`steps + 1` noise levels from `low` to `high`, evenly spaced in `sigma^(1/7)` (Karras et al.
    2022, eq. 5).
    """
    grid = torch.linspace(low ** (1 / 7), high ** (1 / 7), steps + 1, dtype=torch.float64) ** 7
    grid[0], grid[-1] = low, high
    return grid.tolist()


@torch.no_grad()
def _follow(score: AbstractScore, x: torch.Tensor, levels: list[float]) -> torch.Tensor:
    """Euler steps of `dx / dsigma = -sigma s(x, sigma)` from level to level, up or down."""
    for here, there in pairwise(levels):
        x = x - (there - here) * here * score.score(x, here)
    return x

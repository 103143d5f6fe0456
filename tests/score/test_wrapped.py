"""Scores made of other scores, against closed forms."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.sphere import Sphere
from scoregeo.run.sweep_work import SweepWork
from scoregeo.score.base import AbstractScore, CountingScore, DetachedScore
from scoregeo.score.diffusers_unet import unet_score
from scoregeo.score.field import ScoreField
from scoregeo.score.function import FunctionScore
from scoregeo.score.memo import MemoizedScore, ScoreMemory
from scoregeo.score.sphere import SphereScore
from scoregeo.score.torus import TorusScore
from scoregeo.score.wrapped import (
    CombinedScore,
    SmoothedScore,
    combined_unet_score,
    smoothed_unet_score,
)
from tests.score.mixture_unet import mixture


def shared(score: AbstractScore) -> AbstractScore:
    """`score` as the jobs of a sweep share it."""
    field = SweepWork(Path("unused")).field(ScoreField(CountingScore(score), 1.0))
    assert isinstance(field.score, CountingScore)
    return field.score.inner


def cubic() -> FunctionScore:
    return FunctionScore(lambda x, sigma: -(x**3), (1,))


def test_the_mean_over_noise_has_its_closed_form() -> None:
    smoothed, sigma = SmoothedScore(cubic(), noise=0.5, draws=6), 2.0
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    moved = smoothed.draws[:, 0] * 0.5 * sigma
    assert float(moved.sum()) == pytest.approx(0, abs=1e-12)
    # E (x + h)^3 = x^3 + 3 x E h^2 where h and -h come in pairs
    exact = -(x**3) - 3 * x * moved.square().mean()
    assert torch.allclose(smoothed.score(x, sigma), exact, atol=1e-12)
    slope = smoothed.jvp(x, torch.ones_like(x), sigma)[1]
    assert torch.allclose(slope, -3 * x**2 - 3 * moved.square().mean(), atol=1e-12)


def test_less_noise_is_nearer_to_the_score_by_second_order() -> None:
    sphere = SphereScore(dimension=2, ambient=3)
    x = torch.tensor([[0.9, 0.5, -0.2], [0.1, 0.2, 1.1]], dtype=torch.float64)
    error = [
        float((SmoothedScore(sphere, noise).score(x, 0.2) - sphere.score(x, 0.2)).norm())
        for noise in (0.04, 0.02)
    ]
    assert math.log2(error[0] / error[1]) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_combination_is_linear_and_so_is_its_jacobian(share: float) -> None:
    first, second = SphereScore(dimension=2, ambient=3), TorusScore(2.0, 0.5)
    both = CombinedScore(first, second, share)
    x = torch.tensor([[1.9, 0.3, 0.4]], dtype=torch.float64)
    v = torch.tensor([[0.2, -1.0, 0.5]], dtype=torch.float64)
    found, ours = both.jvp(x, v, 0.3)
    parts = [one.jvp(x, v, 0.3) for one in (first, second)]
    for value, (a, b) in zip((found, ours), zip(*parts, strict=True), strict=True):
        assert torch.allclose(value, (1 - share) * a + share * b, atol=1e-12)


def test_what_cannot_be_combined_or_smoothed_is_refused() -> None:
    sphere = SphereScore(dimension=2, ambient=3)
    with pytest.raises(ConfigError, match=r"score\.share = 1\.5"):
        CombinedScore(sphere, sphere, 1.5)
    with pytest.raises(ConfigError, match="cannot be combined"):
        CombinedScore(sphere, cubic(), 0.5)
    with pytest.raises(ConfigError, match=r"score\.draws = 3 .* even"):
        SmoothedScore(sphere, draws=3)
    with pytest.raises(ConfigError, match=r"score\.noise = 0"):
        SmoothedScore(sphere, noise=0.0)
    with pytest.raises(ConfigError, match="no finite sample"):
        combined_unet_score(Sphere(), 0, 0.1)


def test_a_field_says_what_an_evaluation_costs() -> None:
    digits = RotatedMNIST(source="embedded", identities=1)
    field = smoothed_unet_score(digits, 0, sigma=1.0, model="digits_unet_ten", draws=2)
    assert "one evaluation is 2 of the network" in field.note
    x = torch.full((1, 1, 28, 28), -1.0)
    plain, inner = field.score.score(x, 1.0), unet_score(digits, 0, 1.0, model="digits_unet_ten")
    moved = x + 0.1 * field.score.draws.to(x)  # type: ignore[attr-defined]
    assert torch.allclose(plain[0], inner(moved).mean(0), atol=1e-5)


@pytest.mark.parametrize(
    "wrapped",
    [
        CountingScore,
        DetachedScore,
        SmoothedScore,
        lambda score: MemoizedScore(score, ScoreMemory()),
        shared,
    ],
    ids=["counting", "detached", "smoothed", "memoized", "shared"],
)
def test_a_wrapped_score_has_the_range_and_timesteps_of_its_own(
    wrapped: Callable[[AbstractScore], AbstractScore],
) -> None:
    score = mixture()
    around = wrapped(score)
    assert around is not score
    assert (around.shape, around.sigma_range) == (score.shape, score.sigma_range)
    assert around.learned and score.learned
    assert around.sigma_of_timestep(200) == score.sigma_of_timestep(200)

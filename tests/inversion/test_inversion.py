"""Lifting and decoding against the closed form of the probability-flow ODE for Gaussian data."""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.inversion.ddim import DDIMInversion
from scoregeo.inversion.none import NoInversion
from scoregeo.inversion.shared_noise import SharedNoise
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sampling import LOWEST_SIGMA, ddim_decode, ddim_invert, ddim_sample

SCALE = 0.7  # standard deviation of the data


class GaussianScore(AbstractScore):
    """Score of N(0, SCALE^2 I) blurred by sigma. The ODE's flow scales a point by sqrt(SCALE^2 +
    sigma^2).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        return (5,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -x / (SCALE**2 + sigma**2)


def points(count: int = 6) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def growth(sigma: float, low: float = 0.0) -> float:
    return math.sqrt((SCALE**2 + sigma**2) / (SCALE**2 + low**2))


def test_decoding_and_inversion_converge_to_the_flow_at_first_order() -> None:
    x = points()
    decode = [
        (ddim_decode(GaussianScore(), x, 2.0, n) - x / growth(2.0)).norm() for n in (50, 100, 200)
    ]
    invert = [
        (ddim_invert(GaussianScore(), x, 2.0, n) - x * growth(2.0, LOWEST_SIGMA)).norm()
        for n in (50, 100, 200)
    ]
    for errors in (decode, invert):
        orders = [math.log2(float(a / b)) for a, b in zip(errors[:-1], errors[1:], strict=True)]
        assert all(abs(order - 1) < 0.15 for order in orders), orders


def test_inversion_and_back_returns_the_points() -> None:
    x, score = points(), GaussianScore()
    for steps, bound in (
        (25, 0.15),
        (200, 0.02),
    ):  # first order: eight times the steps, about an eighth of the error
        back = ddim_decode(score, ddim_invert(score, x, 2.0, steps), 2.0, steps)
        assert (back - x).norm() / x.norm() < bound


def test_shared_noise_shares_one_draw_a_pair() -> None:
    ends = torch.randn(4, 2, 3000, generator=torch.Generator().manual_seed(0))
    field = ScoreField(GaussianScore(), 0.8)
    lifted = SharedNoise().lift(ends, field, torch.Generator().manual_seed(1))
    noise = (lifted - ends) / 0.8
    torch.testing.assert_close(noise[:, 0], noise[:, 1], rtol=0, atol=1e-5)
    # 12,000 draws: mean and standard deviation are known to about 1 in 100.
    assert abs(float(noise[:, 0].mean())) < 0.04 and abs(float(noise[:, 0].std()) - 1) < 0.03
    assert not torch.allclose(noise[0], noise[1])
    again = SharedNoise().lift(ends, field, torch.Generator().manual_seed(1))
    assert torch.equal(again, lifted)


def test_none_leaves_everything_unless_asked_to_decode() -> None:
    ends = points().reshape(3, 2, 5)
    field = ScoreField(GaussianScore(), 0.5)
    assert torch.equal(NoInversion().lift(ends, field, torch.Generator()), ends)
    assert torch.equal(NoInversion().decode(ends[:, 0], field), ends[:, 0])
    decoded = NoInversion(decode_steps=100).decode(ends[:, 0], field)
    torch.testing.assert_close(decoded, ends[:, 0] / growth(0.5), rtol=0.02, atol=0)


@pytest.mark.parametrize(
    "inversion",
    [NoInversion(), NoInversion(7), SharedNoise(9), DDIMInversion(11), DDIMInversion(11, 5)],
)
def test_evaluations_are_as_promised(inversion: NoInversion | SharedNoise | DDIMInversion) -> None:
    counted = CountingScore(GaussianScore())
    field = ScoreField(counted, 0.5)
    inversion.lift(points().reshape(3, 2, 5), field, torch.Generator())
    assert counted.count == 6 * inversion.lift_evaluations
    counted.count = 0
    inversion.decode(points(), field)
    assert counted.count == 6 * inversion.decode_evaluations


def test_samples_have_the_models_spread() -> None:
    samples = ddim_sample(GaussianScore(), 4000, 200, torch.Generator().manual_seed(0))
    # 20,000 numbers give the deviation to half a percent; 200 first-order steps over four decades
    # of sigma cost a few percent.
    assert float(samples.std()) == pytest.approx(SCALE, rel=0.06)


def test_bad_settings_name_the_key() -> None:
    for make, key in (
        (lambda: NoInversion(-1), "decode_steps"),
        (lambda: SharedNoise(0), "decode_steps"),
        (lambda: DDIMInversion(0), "steps"),
    ):
        with pytest.raises(ConfigError, match=rf"inversion\.{key} = "):
            make()

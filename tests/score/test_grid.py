"""DDIM on a scheduler's levels, on a Gaussian: there its steps and the ODE it follows have closed
forms.
"""

import re
from dataclasses import dataclass

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.seed import generator
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.grid import SamplingGrid

MEAN, SPREAD = 0.3, 0.7
EVEN = SamplingGrid(high=(8.0, 2.0, 0.5), low=(2.0, 0.5, 0.0))
# Ends above 0, and a step that ends at another level than the next one starts at.
ODD = SamplingGrid(high=(8.0, 2.1, 0.5), low=(2.0, 0.5, 0.03))


@dataclass(frozen=True)
class GaussianScore(AbstractScore):
    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -(x - MEAN) / (SPREAD**2 + sigma**2)


def draw() -> torch.Tensor:
    return torch.randn(4, 3, generator=generator(0, "x"), dtype=torch.float64)


def step(x: torch.Tensor, high: float, low: float) -> torch.Tensor:
    """DDIM by its textbook formula in variance-preserving coordinates (Song et al. 2021, eq. 12,
    eta = 0).
    """
    abar, before = 1 / (1 + high**2), 1 / (1 + low**2)
    noise = high * (x - MEAN) / (SPREAD**2 + high**2)
    x_vp = x * abar**0.5
    clean = (x_vp - (1 - abar) ** 0.5 * noise) / abar**0.5
    return (before**0.5 * clean + (1 - before) ** 0.5 * noise) / before**0.5


def test_decoding_is_the_textbook_s() -> None:
    x = draw()
    expected = step(step(step(x, 8.0, 2.0), 2.0, 0.5), 0.5, 0.0)
    torch.testing.assert_close(
        EVEN.decode(GaussianScore(), x, 8.0), expected, rtol=1e-12, atol=1e-12
    )
    # x_vp = x / sqrt(1 + sigma^2) is what is handed on where levels do not meet.
    after = step(x, 8.0, 2.0) / 5**0.5 * (1 + 2.1**2) ** 0.5
    last = step(step(after, 2.1, 0.5), 0.5, 0.03) / (1 + 0.03**2) ** 0.5
    torch.testing.assert_close(ODD.decode(GaussianScore(), x, 8.0), last, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("sigma", "steps"),
    [
        (20.0, ((20.0, 8.0), (8.0, 2.0), (2.0, 0.5), (0.5, 0.0))),
        (8.0, ((8.0, 2.0), (2.0, 0.5), (0.5, 0.0))),
        (2.0 * (1 + 1e-9), ((2.0, 0.5), (0.5, 0.0))),  # the same level, rounded
        (1.0, ((1.0, 0.5), (0.5, 0.0))),
        (0.1, ((0.1, 0.0),)),
        (0.0, ()),
    ],
)
def test_steps_from_any_level(sigma: float, steps: tuple[tuple[float, float], ...]) -> None:
    assert EVEN.steps_from(sigma) == steps
    score, x = CountingScore(GaussianScore()), draw()
    expected = x
    for high, low in steps:
        expected = step(expected, high, low)
    torch.testing.assert_close(EVEN.decode(score, x, sigma), expected, rtol=1e-12, atol=1e-12)
    assert score.count == 4 * len(steps)


def test_below_the_last_level_nothing_is_left_to_do() -> None:
    score, x = CountingScore(GaussianScore()), draw()
    torch.testing.assert_close(
        ODD.decode(score, x, 0.02), x / (1 + 0.02**2) ** 0.5, rtol=1e-12, atol=0
    )
    torch.testing.assert_close(
        ODD.invert(score, x, 0.02), x * (1 + 0.02**2) ** 0.5, rtol=1e-12, atol=0
    )
    assert score.count == 0


def test_decoding_follows_the_ode_to_first_order() -> None:
    x, errors = 5 * draw(), []
    exact = MEAN + (x - MEAN) * SPREAD / (SPREAD**2 + 5.0**2) ** 0.5
    for steps in (50, 100, 200):
        levels = torch.linspace(5.0, 0.0, steps + 1, dtype=torch.float64).tolist()
        grid = SamplingGrid(tuple(levels[:-1]), tuple(levels[1:]))
        errors.append(float((grid.decode(GaussianScore(), x, 5.0) - exact).norm()))
    # Euler's method: half the step, half the error, to a few per cent.
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1) and errors[1] / errors[
        2
    ] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("grid", [EVEN, ODD])
@pytest.mark.parametrize("sigma", [20.0, 8.0, 1.0, 0.1])
def test_inversion_undoes_decoding(grid: SamplingGrid, sigma: float) -> None:
    score, x = CountingScore(GaussianScore()), draw()
    up = grid.invert(score, x, sigma, iterations=6)
    assert score.count == 4 * 6 * len(grid.steps_from(sigma))
    # A fixed point of one number's affine map: acceleration finds it in three rounds.
    torch.testing.assert_close(grid.decode(score, up, sigma), x, rtol=1e-7, atol=1e-7)


def test_one_round_is_the_usual_inversion() -> None:
    x = draw()
    x_vp = x  # clean
    expected = x
    for low, high in ((0.0, 0.5), (0.5, 2.0), (2.0, 8.0)):
        # eps of x_vp as it is, at the level it goes to; then the step in variance-preserving
        # coordinates.
        noise = high * (x_vp * (1 + high**2) ** 0.5 - MEAN) / (SPREAD**2 + high**2)
        expected = x_vp * (1 + low**2) ** 0.5 + (high - low) * noise
        x_vp = expected / (1 + high**2) ** 0.5
    torch.testing.assert_close(
        EVEN.invert(GaussianScore(), x, 8.0), expected, rtol=1e-12, atol=1e-12
    )


def test_noise_is_scaled_to_the_first_level() -> None:
    torch.testing.assert_close(EVEN.from_noise(draw()), draw() * 65**0.5)


def test_bad_input() -> None:
    for high, low in (
        ((), ()),
        ((1.0,), (0.5, 0.0)),
        ((1.0, 2.0), (0.5, 0.0)),
        ((1.0,), (2.0,)),
        ((1.0,), (-0.1,)),
    ):
        with pytest.raises(ConfigError, match="sampling grid"):
            SamplingGrid(high, low)
    for sigma in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="sigma"):
            EVEN.steps_from(sigma)
    for iterations in (0, 1.5):
        with pytest.raises(ConfigError, match=r"inversion\.iterations"):
            EVEN.invert(GaussianScore(), draw(), 1.0, iterations)  # type: ignore[arg-type]


@dataclass(frozen=True)
class WavyScore(GaussianScore):
    """As guidance may make it: `d eps / dx` far above `1 / (high - low)`, its sign changing."""

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -(20 * x).sin() / sigma


def test_a_step_that_is_not_solved_is_named_with_its_residual(
    caplog: pytest.LogCaptureFixture,
) -> None:
    grid = SamplingGrid(high=(1.0,), low=(0.0,))
    up = grid.invert(WavyScore(), draw(), 1.0, 5)
    (said,) = caplog.messages
    found = re.search(r"from noise level 0 to 1 has a relative residual of (\S+) after 5", said)
    assert found is not None and float(found[1]) > 0.05
    # What was returned is f at the best iterate, so its own residual is another; of that order.
    back = grid.decode(WavyScore(), up, 1.0)
    assert (back - draw()).norm() > 0.05 * up.norm()
    caplog.clear()
    for rounds, score in ((5, GaussianScore()), (1, WavyScore())):  # solved; not to be solved
        grid.invert(score, draw(), 1.0, rounds)
    assert not caplog.messages

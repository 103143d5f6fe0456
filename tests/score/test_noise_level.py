"""The rules for the noise level: closed forms, equivariance, and what they refuse."""

import math
from collections.abc import Callable

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.flat_torus import FlatTorus
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.score.base import AUTO, AUTO_RIDGE, AbstractScore
from scoregeo.score.empirical import EmpiricalScore, empirical_score
from scoregeo.score.manifold import manifold_score
from scoregeo.score.mlp import mlp_score
from scoregeo.score.noise_level import choose_noise_level, data_scale, noise_profile
from scoregeo.score.sphere import SphereScore, sphere_score


class Isotropic(AbstractScore):
    """`s = -x / (scale^2 + sigma^2)`: data normal about the origin,
    `D(x) - x = -sigma^2 x / (scale^2 + sigma^2)`.
    """

    def __init__(self, size: int, scale: float, low: float = 0.0, high: float = math.inf) -> None:
        self.size, self.scale, self.range = size, scale, (low, high)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size,)

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self.range

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -x / (self.scale**2 + sigma**2)


def moved(
    data: torch.Tensor, factor: float = 1.0, turn: torch.Tensor | None = None, extra: int = 0
) -> torch.Tensor:
    """Scaled, padded with zeros to `extra` more numbers, turned."""
    wide = torch.nn.functional.pad(factor * data, (0, extra))
    return wide if turn is None else wide @ turn.T


def test_profile_of_a_normal_distribution() -> None:
    x = torch.randn(101, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    profile = noise_profile(Isotropic(4, 0.5), x)
    radius = x.norm(
        dim=1
    ).median()  # the shift grows with the radius, so that the median goes through
    torch.testing.assert_close(profile.shift, profile.sigma**2 * radius / (0.25 + profile.sigma**2))
    torch.testing.assert_close(profile.share * profile.sigma, profile.shift)
    assert float(profile.sigma[-1]) == pytest.approx(data_scale(x)) and len(profile.sigma) == 37


def test_the_exact_sphere_reaches_the_level_where_its_shift_is_known() -> None:
    """On S^2 of radius R, `|D - x| = R (1 - coth k + 1 / k)`, `k = R^2 / sigma^2`; solved for 0.55
    sigma.
    """
    low, high = 0.1, 0.7
    for _ in range(60):
        middle = (low + high) / 2
        k = middle**-2
        low, high = (
            (middle, high) if (1 - 1 / math.tanh(k) + 1 / k) < 0.55 * middle else (low, middle)
        )
    x = 3 * Sphere(2, 3).sample(64, 0)
    found = choose_noise_level(SphereScore(2, 3, 3.0), x)
    # Log-linear between levels a quarter of an octave apart: of second order in it.
    assert found.sigma == pytest.approx(3 * low, rel=0.01)
    assert "dimension 2.00 of 3" in found.reason


@pytest.mark.parametrize("rule", [AUTO, AUTO_RIDGE])
@pytest.mark.parametrize("make", [Torus, ClosedCurve, FlatTorus])
def test_scale_rotation_and_flat_directions(rule: str, make: Callable[[], Torus]) -> None:
    sample, x = make().sample(300, 0), make().sample(64, 1)
    size = sample.shape[1] + 2
    turn = torch.linalg.qr(
        torch.randn(size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    )[0]
    plain = choose_noise_level(EmpiricalScore(sample), x, rule).sigma
    scaled = choose_noise_level(EmpiricalScore(moved(sample, 7.0)), moved(x, 7.0), rule).sigma
    turned = choose_noise_level(
        EmpiricalScore(moved(sample, 1.0, turn, 2)), moved(x, 1.0, turn, 2), rule
    ).sigma
    assert scaled == pytest.approx(7 * plain, rel=1e-6) and turned == pytest.approx(plain, rel=1e-6)


def test_which_branch() -> None:
    """A surface in R^3 is taken far outside; a curve, or two normal directions, at
    the least shift.
    """
    for make, outside in ((Torus, True), (Sphere, True), (ClosedCurve, False), (FlatTorus, False)):
        score, x = EmpiricalScore(make().sample(1000, 0)), make().sample(128, 1)
        found, profile = choose_noise_level(score, x), noise_profile(score, x)
        share = float((found.sigma * score.score(x, found.sigma).norm(dim=1)).median())
        if outside:
            assert share == pytest.approx(0.55, abs=0.01)  # interpolated between levels
        else:
            assert found.sigma == float(profile.sigma[profile.shift.argmin()])


def test_the_least_shift_follows_the_spacing_of_a_sample() -> None:
    """On a curve the sample's points come N times closer, curvature stays: the level falls with the
    spacing.
    """
    curve = ClosedCurve()
    levels = [
        choose_noise_level(EmpiricalScore(curve.sample(n, 0)), curve.sample(256, 1)).sigma
        for n in (100, 400, 1600)
    ]
    assert levels[0] > levels[1] > levels[2] and levels[2] > curve.length / 1600 / 10


def test_a_level_at_the_end_is_said() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # An exact score without noise of a sample: the shift falls to the smallest level the score has.
    found = choose_noise_level(Isotropic(3, 1.0, 0.05, 2.0), x)
    assert 0.05 <= found.sigma < 0.05 * 2**0.25 and "end of the levels" in found.reason


def test_refused() -> None:
    x = torch.randn(50, 3, dtype=torch.float64)
    with pytest.raises(ConfigError, match="best.*'auto', 'auto_ridge'"):
        choose_noise_level(Isotropic(3, 1.0), x, "best")
    with pytest.raises(ConfigError, match="noise levels 40 to 50; give a number"):
        choose_noise_level(Isotropic(3, 1.0, 40.0, 50.0), x)
    with pytest.raises(DataError, match="points that differ"):
        choose_noise_level(Isotropic(3, 1.0), torch.ones(5, 3))


def test_scores_that_take_a_rule_and_those_that_do_not() -> None:
    field = empirical_score(Torus(), 0, sigma=AUTO, count=300)
    assert field.sigma == choose_noise_level(field.score, Torus().held_out(256, 0)).sigma
    assert field.note.startswith(
        f"Noise level: score.sigma=auto chose {field.sigma:.4g} (dimension"
    )
    assert empirical_score(Torus(), 0, sigma=0.1, count=300).note == ""
    with pytest.raises(ConfigError, match="score.sigma = 'auto'.*score=empirical and mlp"):
        sphere_score(Sphere(), 0, AUTO)  # type: ignore[arg-type]  # as from the command line
    with pytest.raises(ConfigError, match="score.sigma = 'auto'.*score=empirical and mlp"):
        manifold_score(ClosedCurve(), 0, AUTO)  # type: ignore[arg-type]
    for build in (empirical_score, mlp_score):
        with pytest.raises(ConfigError, match="'automatic'.*'auto', 'auto_ridge'"):
            build(Sphere(), 0, "automatic")
        with pytest.raises(ConfigError, match="exactly one"):
            build(Sphere(), 0, AUTO, 400)

"""Spacetime geodesics against Gaussian posteriors: their means, their KL divergences, and the
hyperbolic geodesics that the isotropic ones have.
"""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from scoregeo._utils.errors import ConfigError
from scoregeo.baseline.base import Ends
from scoregeo.baseline.posterior import (
    axes,
    energy_gradient,
    expectation,
    natural,
    natural_inverse,
    natural_pullback,
    path_energy,
    start_path,
)
from scoregeo.baseline.spacetime import Spacetime
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.baseline.cases import draws

DOUBLE = torch.float64


class GaussianData(AbstractScore):
    """Data of N(mean, diag(variance)), blurred; the posterior is Gaussian and known."""

    def __init__(self, mean: list[float], variance: list[float]) -> None:
        self.mean = torch.tensor(mean, dtype=DOUBLE)
        self.variance = torch.tensor(variance, dtype=DOUBLE)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.mean.shape)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return ((self.mean - x.double()) / (self.variance + sigma**2)).to(x)

    def posterior(self, point: torch.Tensor) -> MultivariateNormal:
        """By Bayes' rule, at one spacetime point."""
        precision = 1 / self.variance + point[-1].exp()
        mean = (self.mean / self.variance + point[-1].exp() * point[:-1]) / precision
        return MultivariateNormal(mean, torch.diag(1 / precision))


DATA = GaussianData([0.5, -1.0, 0.2], [2.0, 0.5, 0.1])


def some_path(points: int = 6) -> torch.Tensor:
    """Spacetime points [points, 4] at noise levels 0.2 to 1.6."""
    x = torch.randn(points, 3, generator=draws(2), dtype=DOUBLE)
    level = 3 * torch.rand(points, 1, generator=draws(3), dtype=DOUBLE) - 1
    return torch.cat([x, level], 1)


def test_expectations_are_the_posterior_s_moments() -> None:
    path = some_path()
    found = expectation(DATA, path, axes(3), DOUBLE)
    for one, mu in zip(path, found, strict=True):
        law = DATA.posterior(one)
        torch.testing.assert_close(mu[:-1], law.mean)
        torch.testing.assert_close(mu[-1], law.mean.square().sum() + law.variance.sum())
    # Random signs are exact too where the Jacobian is diagonal: v . J v = trace
    signs = 2 * (torch.rand(1, 3, generator=draws(4)) < 0.5).double() - 1
    torch.testing.assert_close(expectation(DATA, path, signs, DOUBLE), found)


def test_a_step_s_energy_is_both_kl_divergences() -> None:
    path = some_path()
    eta, mu = natural(path), expectation(DATA, path, axes(3), DOUBLE)
    laws = [DATA.posterior(one) for one in path]
    both = [
        kl_divergence(p, q) + kl_divergence(q, p) for p, q in zip(laws[:-1], laws[1:], strict=True)
    ]
    torch.testing.assert_close((eta.diff(dim=0) * mu.diff(dim=0)).sum(1), torch.stack(both))
    energy = path_energy(eta[None], mu[None])[0]
    torch.testing.assert_close(energy, 0.5 * 5 * torch.stack(both).sum())


def test_the_gradient_is_that_of_the_energy() -> None:
    path = some_path()
    energy, slope = energy_gradient(DATA, path, axes(3), DOUBLE)

    def at(moved: torch.Tensor) -> float:
        mu = expectation(DATA, moved, axes(3), DOUBLE)
        return float(path_energy(natural(moved)[None], mu[None]))

    assert energy == pytest.approx(at(path), rel=1e-12)
    for row, column in [(1, 0), (2, 3), (3, 1), (4, 3)]:
        step = torch.zeros_like(path)
        step[row, column] = 1e-5
        difference = (at(path + step) - at(path - step)) / 2e-5
        # the central difference within has a step of 1e-3
        assert float(slope[row - 1, column]) == pytest.approx(difference, rel=1e-4, abs=1e-4)


def test_clipping_leaves_negative_products_out() -> None:
    path = some_path()
    eta, mu = natural(path), expectation(DATA, path, axes(3), DOUBLE)
    products = eta.diff(dim=0) * mu.diff(dim=0)
    assert (products < 0).any()
    energy, slope = energy_gradient(DATA, path, axes(3), DOUBLE, clip=True)
    assert energy == pytest.approx(2.5 * float(products.clamp_min(0).sum()))
    step = torch.zeros_like(path)
    step[2, 0] = 1e-5
    up, down = (energy_gradient(DATA, path + s * step, axes(3), DOUBLE, True)[0] for s in (1, -1))
    assert float(slope[1, 0]) == pytest.approx((up - down) / 2e-5, rel=1e-4)


def test_velocities_and_gradients_change_coordinates_by_the_jacobian() -> None:
    point, v = some_path(2)
    jacobian = torch.autograd.functional.jacobian(natural, point)
    torch.testing.assert_close(jacobian @ natural_inverse(point, v), v)
    torch.testing.assert_close(natural_pullback(point, v), jacobian.T @ v)


SPREAD, SIGMA, SPAN = 1.0, 0.25, 1.2  # of isotropic data; of the ends; between the ends' means


def hyperbolic(points: int) -> tuple[torch.Tensor, float]:
    """The Fisher-Rao geodesic of posteriors N(m, v I) in the plane, [points, 3], and its length.

    With w = m_1 / 2 and y = sqrt(v) the metric is 4 (dw^2 + dy^2) / y^2: a half circle about a
    point of the axis y = 0, at equal hyperbolic steps (Costa et al. 2015).
    """
    y0 = math.sqrt(SPREAD**2 * SIGMA**2 / (SPREAD**2 + SIGMA**2))
    radius, turn = math.hypot(y0, SPAN / 4), math.asinh(SPAN / 4 / y0)
    t = torch.linspace(-turn, turn, points, dtype=DOUBLE)
    mean, variance = 2 * radius * t.tanh(), (radius / t.cosh()).square()
    square = SPREAD**2 * variance / (SPREAD**2 - variance)  # sigma^2
    x = mean * (SPREAD**2 + square) / SPREAD**2
    return torch.stack([x, torch.zeros_like(x), -square.log()], 1), 4 * turn


def test_the_geodesic_of_isotropic_data_has_the_energy_of_its_length_and_no_gradient() -> None:
    data = GaussianData([0.0, 0.0], [SPREAD**2] * 2)
    errors, slopes = [], []
    for n in (8, 16, 32):
        path, length = hyperbolic(n + 1)
        energy, slope = energy_gradient(data, path, axes(2), DOUBLE)
        errors.append(energy - length**2 / 2)
        slopes.append(float(slope.abs().max()))
    assert errors[-1] == pytest.approx(0, abs=0.01)
    for coarse, fine in zip(errors[:-1], errors[1:], strict=True):
        assert 1.8 < math.log2(coarse / fine) < 2.2
    # A path that is no geodesic has a gradient of order 1/n; here it is that of the quadrature
    for coarse, fine in zip(slopes[:-1], slopes[1:], strict=True):
        assert math.log2(coarse / fine) > 2.5


def test_the_start_is_the_geodesic_of_a_flat_prior() -> None:
    wide = GaussianData([0.0] * 3, [1e8] * 3)
    ends = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.5, 0.0]]], dtype=DOUBLE)
    u = torch.linspace(0, 1, 33, dtype=DOUBLE)
    path = start_path(ends, 0.2, u)[0]
    torch.testing.assert_close(path[[0, -1], :-1], ends[0])
    torch.testing.assert_close(path[[0, -1], -1], torch.full((2,), -2 * math.log(0.2)).double())
    energy, _ = energy_gradient(wide, path, axes(3), DOUBLE)
    length = 2 * math.sqrt(6) * math.asinh(math.sqrt(1.25 / 6) / 0.4)
    assert energy == pytest.approx(length**2 / 2, rel=5e-3)


def isotropic() -> Ends:
    path, _ = hyperbolic(2)
    both = path[None, :, :-1]
    data = CountingScore(GaussianData([0.0, 0.0], [SPREAD**2] * 2))
    return Ends(both, both, ScoreField(data, SIGMA))


def test_a_run_finds_the_geodesic_from_the_straight_line() -> None:
    given = isotropic()
    method = Spacetime(
        stages=[[9, 60]], nodes=5, probes=None, clip=False, start="line", tolerance=0.0
    )
    found = method.path(given, 9, draws())
    truth = GaussianData([0.0, 0.0], [1.0] * 2).posterior
    means = torch.stack([truth(one).mean for one in hyperbolic(9)[0]])
    torch.testing.assert_close(found.path[0, 1:-1], means[1:-1], atol=0.02 * SPAN, rtol=0)
    # in 60 iterations, 23 values of mu each, two axes; then the frames
    assert int(found.score_evaluations) == given.field.score.count == 60 * 23 * 4 + 7  # type: ignore[attr-defined]
    assert found.status == ("out_of_budget",) and int(found.iterations) == 60


def test_ends_taken_up_the_ode_and_points_taken_down_cost_what_they_say() -> None:
    given = isotropic()
    method = Spacetime(
        stages=[[6, 2], [8, 1]], sigma_min=0.2, encode_steps=4, decode="flow", decode_steps=3
    )
    found = method.path(given, 5, draws())
    cost = 2 * 4 + (2 * 14 + 20) * 2 + 3 * 3
    assert int(found.score_evaluations) == given.field.score.count == cost  # type: ignore[attr-defined]
    assert torch.equal(found.path[:, [0, -1]], given.clean)
    with pytest.raises(ConfigError, match=r"sigma_min = -1.*above 0"):
        Spacetime(sigma_min=-1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stages": []}, r"stages = \[\].*list of pairs"),
        ({"stages": [[16]]}, r"stages\[0\] = \[16\]"),
        ({"stages": [[2, 5]]}, r"stages\[0\]\[0\] = 2.*at least 3"),
        ({"nodes": 2}, r"nodes = 2.*at least 3"),
        ({"probes": 0}, r"probes = 0.*at least 1"),
        ({"decode": "sharp"}, r"decode = 'sharp'.*'mean', 'flow'"),
        ({"start": "far"}, r"start = 'far'.*'arc', 'line'"),
    ],
)
def test_bad_settings_name_the_key_and_value(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=rf"baseline\.spacetime\.{words}"):
        Spacetime(**settings)  # type: ignore[arg-type]

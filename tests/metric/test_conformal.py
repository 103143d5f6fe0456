"""The conformal metric against spaces of constant curvature, geomstats, exact log densities and
finite differences.
"""

import math

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.density_factor import LARGEST_EXPONENT
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture, wavy
from tests.metric.outside import geomstats_metric

SIGMA, ALPHA = 0.4, 0.3
RULES = [
    Quadrature("trapezoid"),
    Quadrature("trapezoid", 3),
    Quadrature("simpson"),
    Quadrature("simpson", 2),
    Quadrature("midpoint", 2),
]


class HalfSpaceScore(AbstractScore):
    """`log p = log x_D`: with alpha = 1 the metric is `I / x_D^2`, hyperbolic space in the
    half-space model.
    """

    shape = (3,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.cat([torch.zeros_like(x[:, :-1]), 1 / x[:, -1:]], 1)


class StereographicScore(AbstractScore):
    """`log p = log(1 + |x|^2)`: with alpha = 1 the metric is `I / (1 + |x|^2)^2`, a sphere of
    radius 1/2.
    """

    shape = (3,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return 2 * x / (1 + x.square().sum(1, keepdim=True))


class GaussianScore(AbstractScore):
    """`log p = -a |x|^2 / 2`: a linear score, which the trapezoid rule integrates exactly."""

    def __init__(self, a: float) -> None:
        self.a = a

    shape = (4,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -self.a * x


def metric(dimension: int = 4) -> ConformalMetric:
    return ConformalMetric(ScoreField(mixture(dimension), SIGMA), ALPHA)


def hyperbolic(nodes: int = 32) -> ConformalMetric:
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    return ConformalMetric(ScoreField(HalfSpaceScore(), SIGMA), 1.0, up, nodes)


def draw(count: int, dimension: int = 4, batch: int = 6) -> torch.Tensor:
    return torch.randn(
        count, batch, dimension, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


def test_closed_forms_are_those_of_the_matrix() -> None:
    x, u, v = draw(3)
    score = mixture()
    log_ratio = score.log_density(x, SIGMA) - score.log_density(torch.zeros_like(x), SIGMA)
    # The mixture is smooth over a length of 0.5 and x a few of these away, so 32 Gauss nodes are
    # nearly exact.
    torch.testing.assert_close(metric().log_density_ratio(x), log_ratio, rtol=1e-8, atol=1e-8)
    full = (
        (-2 * ALPHA * log_ratio).exp()[:, None, None] * torch.eye(4, dtype=torch.float64)
    ).numpy()
    close = {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(metric().matrix(x).numpy(), full, **close)
    np.testing.assert_allclose(
        metric().inner(x, u, v).numpy(), np.einsum("bi,bij,bj->b", u, full, v), **close
    )
    np.testing.assert_allclose(
        metric().inverse(x, v).numpy(), np.linalg.solve(full, v.numpy()[..., None])[..., 0], **close
    )
    np.testing.assert_allclose(
        metric().log_volume(x).numpy(), 0.5 * np.linalg.slogdet(full)[1], **close
    )


def test_connection_and_curvature_are_those_of_geomstats(monkeypatch: pytest.MonkeyPatch) -> None:
    g = metric(3)
    outside = geomstats_metric(g, 3, monkeypatch)
    points, u, v = draw(3, 3, 3)
    actions, curvatures = g.christoffel(points, u, v), g.sectional_curvature(points, u, v)
    for i, point in enumerate(points.numpy()):
        action = np.einsum(
            "kij,i,j->k", np.asarray(outside.christoffels(point)), u[i].numpy(), v[i].numpy()
        )
        np.testing.assert_allclose(actions[i].numpy(), action, rtol=1e-5, atol=1e-7)
        curvature = float(outside.sectional_curvature(u[i].numpy(), v[i].numpy(), point))
        assert float(curvatures[i]) == pytest.approx(curvature, rel=1e-5, abs=1e-7)


def test_spaces_of_constant_curvature() -> None:
    x, u, v = draw(3, 3)
    above = torch.cat([x[:, :2], x[:, 2:].abs() + 0.3], 1)
    minus, four = -torch.ones(6, dtype=torch.float64), 4 * torch.ones(6, dtype=torch.float64)
    # 32 Gauss nodes integrate 1 / t over a ratio of at most 10 to about 1e-10.
    torch.testing.assert_close(
        hyperbolic().sectional_curvature(above, u, v), minus, rtol=1e-8, atol=0
    )
    sphere = ConformalMetric(ScoreField(StereographicScore(), SIGMA), 1.0)
    torch.testing.assert_close(sphere.sectional_curvature(x, u, v), four, rtol=1e-8, atol=0)
    assert sphere.sectional_curvature(x, u, 3 * u).isnan().all()
    assert sphere.sectional_curvature(x, 0 * u, v).isnan().all()


def test_connection_is_symmetric_and_preserves_the_inner_product() -> None:
    x, u, v, w = draw(4)
    step, g = 1e-5, metric()
    torch.testing.assert_close(
        g.christoffel(x, u, v), g.christoffel(x, v, u), rtol=1e-12, atol=1e-13
    )
    difference = (g.inner(x + step * u, v, w) - g.inner(x - step * u, v, w)) / (2 * step)
    expected = g.inner(x, g.christoffel(x, u, v), w) + g.inner(x, v, g.christoffel(x, u, w))
    torch.testing.assert_close(
        difference, expected, rtol=1e-6, atol=1e-6
    )  # step^2 times third derivatives, of order 100


def test_semicircles_are_hyperbolic_geodesics() -> None:
    # x = (tanh t, 0, sech t) has unit speed and x'' = -Gamma(x', x').
    t = torch.linspace(-1.5, 1.5, 6, dtype=torch.float64)
    sech, tanh, zero = 1 / t.cosh(), t.tanh(), torch.zeros_like(t)
    x = torch.stack([tanh, zero, sech], 1)
    velocity = torch.stack([sech**2, zero, -sech * tanh], 1)
    acceleration = torch.stack([-2 * sech**2 * tanh, zero, sech * (tanh**2 - sech**2)], 1)
    torch.testing.assert_close(
        hyperbolic().christoffel(x, velocity, velocity), -acceleration, rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(
        hyperbolic().norm(x, velocity), torch.ones_like(t), rtol=1e-8, atol=0
    )


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_energy_and_length_converge_at_second_order(rule: Quadrature) -> None:
    # A semicircle of hyperbolic length 3, at constant speed: E = 9 / 2, in units of its first
    # point, where x_D = sech 1.5.
    unit = math.cosh(1.5)

    def errors(n: int) -> tuple[float, float]:
        t = torch.linspace(-1.5, 1.5, n + 1, dtype=torch.float64)
        path = torch.stack([t.tanh(), torch.zeros_like(t), 1 / t.cosh()], 1)[None]
        measured = hyperbolic().measure(path, rule)
        return abs(float(measured.energy) * unit**2 - 4.5), abs(float(measured.length) * unit - 3)

    for coarse, middle, fine in zip(*(errors(n) for n in (64, 128, 256)), strict=True):
        assert 1.9 < math.log2(coarse / middle) < 2.1 and 1.9 < math.log2(middle / fine) < 2.1
        assert fine < 1e-3


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_bounds_and_invariances(rule: Quadrature) -> None:
    g, path = metric(), wavy(12)
    measured = g.measure(path, rule)
    assert float(measured.lower_bound) == 0 < float(measured.energy)
    assert float(measured.length) ** 2 <= 2 * float(measured.energy) * (1 + 1e-12)  # Cauchy-Schwarz
    # Backwards the unit is the other end's, the same for energies and squared lengths.
    back = g.measure(path.flip(1), rule)
    torch.testing.assert_close(
        back.energy / back.length**2, measured.energy / measured.length**2, rtol=1e-12, atol=0
    )
    straight = float(path.diff(dim=1).square().sum()) * 11 / 2
    flat = ConformalMetric(ScoreField(mixture(), SIGMA), 1e-14).measure(path, rule)
    assert float(flat.energy) == pytest.approx(straight, rel=1e-10)


def exact_energy(path: torch.Tensor, parts: int) -> torch.Tensor:
    """The discrete energy with exact log densities, differentiable; path [1, points, 4]."""
    score, flat = mixture(), path[0]
    d = flat.diff(dim=0)
    u = torch.linspace(0, 1, parts + 1, dtype=torch.float64)[None, :, None]
    nodes = flat[:-1, None] + u * d[:, None]
    log_p = score.log_density(nodes.reshape(-1, 4), SIGMA).reshape(
        nodes.shape[:2]
    ) - score.log_density(flat[:1], SIGMA)
    factor = (-2 * ALPHA * log_p).exp()
    return 0.5 * len(d) * (d.square().sum(1) * (factor[:, 1:] + factor[:, :-1]).mean(1) / 2).sum()


def test_gradient_is_that_of_the_exact_energy() -> None:
    # 32 Simpson parts a segment leave an error in log p far under 1e-6.
    path = wavy(9).requires_grad_(True)
    (expected,) = torch.autograd.grad(exact_energy(path, 32), path)
    rule = Quadrature("simpson", 32)
    torch.testing.assert_close(
        metric().energy(path.detach(), rule),
        exact_energy(path, 32)[None].detach(),
        rtol=1e-7,
        atol=0,
    )
    torch.testing.assert_close(
        metric().gradient(path.detach(), rule), expected[:, 1:-1], rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("a", [1.0, 500.0], ids=["exponential", "beyond the largest exponent"])
def test_gradient_is_that_of_the_discrete_energy(rule: Quadrature, a: float) -> None:
    # Every rule integrates a linear score exactly, so the quadrature leaves no difference.
    g = ConformalMetric(ScoreField(GaussianScore(a), SIGMA), ALPHA)
    path = torch.cat([wavy(9), wavy(9).flip(2)])
    square = path.square().sum(2)
    assert (ALPHA * a * (square - square[:, :1]) > LARGEST_EXPONENT).any() == (a == 500.0)
    gradient = g.gradient(path, rule)
    size = float(gradient.abs().max())  # a backward pass sums terms of this size everywhere
    torch.testing.assert_close(
        gradient, autograd_gradient(g, path, rule), rtol=1e-9, atol=1e-12 * size
    )
    moved = torch.zeros_like(path)
    moved[:, 1:-1] = torch.randn(
        2, 7, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    step = 1e-5 / a
    difference = (g.energy(path + step * moved, rule) - g.energy(path - step * moved, rule)) / (
        2 * step
    )
    torch.testing.assert_close(
        (gradient * moved[:, 1:-1]).sum((1, 2)), difference, rtol=1e-6, atol=0
    )


def test_a_void_costs_a_finite_energy_that_still_grows_inward() -> None:
    # log p falls by 2,000 to 8,000: an exponential would overflow.
    g = ConformalMetric(ScoreField(GaussianScore(1.0), SIGMA), 1.0)
    u = torch.linspace(0, 1, 33, dtype=torch.float64)[:, None]
    bump = torch.cat([u, (math.pi * u).sin(), 0 * u, 0 * u], 1)
    energies = [
        float(g.energy(bump[None] * torch.tensor([1, far, 1, 1]), Quadrature()))
        for far in (60.0, 90.0, 120.0)
    ]
    assert (
        all(math.isfinite(e) for e in energies)
        and energies == sorted(energies)
        and energies[0] > math.exp(LARGEST_EXPONENT)
    )
    assert (
        g.gradient(bump[None] * torch.tensor([1, 90.0, 1, 1]), Quadrature())
        .square()
        .sum()
        .isfinite()
    )
    far = torch.full((1, 4), 60.0, dtype=torch.float64)
    assert g.inner(far.float(), far.float(), far.float()).isfinite().all()
    torch.testing.assert_close(g.inverse(far, g.apply(far, far)), far, rtol=1e-10, atol=0)


def test_anchor_is_the_point_of_factor_one() -> None:
    x, u, v = draw(3)
    at = ConformalMetric(ScoreField(mixture(), SIGMA), ALPHA, anchor=x[0])
    torch.testing.assert_close(
        at.inner(x[:1], u[:1], v[:1]), (u[:1] * v[:1]).sum(1), rtol=1e-14, atol=0
    )
    ratio = at.inner(x, u, u) / metric().inner(x, u, u)  # one number: the scale
    torch.testing.assert_close(ratio, ratio[:1].expand(6), rtol=1e-7, atol=0)


def test_evaluations_are_as_promised() -> None:
    counted = CountingScore(mixture())
    g = ConformalMetric(ScoreField(counted, SIGMA), ALPHA, nodes=10)
    x, u, v = draw(3)

    def spent(call: object, *inputs: object) -> int:
        before = counted.count
        call(*inputs)  # type: ignore[operator]
        return counted.count - before

    assert [
        spent(g.inner, x, u, v),
        spent(g.apply, x, v),
        spent(g.inverse, x, v),
        spent(g.log_volume, x),
    ] == [60] * 4
    assert [spent(g.christoffel, x, u, v), spent(g.sectional_curvature, x, u, v)] == [6, 6 * 16]
    paths = wavy(9).repeat(2, 1, 1)
    for rule in RULES:
        assert spent(g.measure, paths, rule) == 2 * rule.evaluations(9)
        assert spent(g.gradient, paths, rule) == 2 * rule.evaluations(9) * (
            1 if rule.shares_ends else 3
        )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": 0}, r"metric\.alpha = 0 .*above 0"),
        ({"alpha": "1"}, r"metric\.alpha = '1'"),
        ({"nodes": 0}, r"metric\.nodes = 0 .*at least 1"),
        ({"nodes": 2.5}, r"metric\.nodes = 2.5 .*whole number"),
        ({"anchor": [0.0] * 4}, r"metric\.anchor = .*tensor"),
        ({"anchor": torch.zeros(3)}, r"metric\.anchor has shape \(3,\).*\(4,\)"),
    ],
)
def test_bad_settings_name_the_key_and_value(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ConformalMetric(ScoreField(mixture(), SIGMA), **settings)  # type: ignore[arg-type]

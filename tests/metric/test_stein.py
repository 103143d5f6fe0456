"""The Stein metric against its definition, a fine integral, and what every metric must satisfy."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.graph import Residuals, residuals
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture, wavy

SIGMA, LAM = 0.4, 7.0
RULES = [
    Quadrature("trapezoid"),
    Quadrature("trapezoid", 3),
    Quadrature("simpson"),
    Quadrature("simpson", 2),
    Quadrature("midpoint"),
]


def field() -> ScoreField:
    return ScoreField(mixture(), SIGMA)


def test_inner_product_is_the_matrix() -> None:
    draws = torch.Generator().manual_seed(1)
    x, u, v = torch.randn(3, 6, 4, generator=draws, dtype=torch.float64)
    s = field()(x)
    matrix = torch.eye(4, dtype=torch.float64) + LAM * s[:, :, None] * s[:, None]
    expected = torch.einsum("bi,bij,bj->b", u, matrix, v)
    torch.testing.assert_close(
        SteinMetric(field(), LAM).inner(x, u, v), expected, rtol=1e-12, atol=1e-12
    )


def continuous_energy() -> float:
    """1/2 integral of |x'|^2 + lam (s.x')^2 along `wavy`, by adaptive quadrature of its closed
    form.
    """
    k = np.arange(1, 5)
    score = mixture()

    def integrand(u: float) -> float:
        x = np.sin(u * k) + 0.3 * np.cos(3 * u + k)
        velocity = k * np.cos(u * k) - 0.9 * np.sin(3 * u + k)
        s = score.score(torch.from_numpy(x)[None], SIGMA)[0].numpy()
        return 0.5 * (velocity @ velocity + LAM * (s @ velocity) ** 2)

    return float(quad(integrand, 0, 1, epsabs=1e-11, epsrel=1e-11)[0])


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_energy_converges_at_second_order(rule: Quadrature) -> None:
    # Chords of a curved path lose energy at second order whatever the rule for the score.
    truth = continuous_energy()
    metric = SteinMetric(field(), LAM)
    errors = [abs(float(metric.energy(wavy(n + 1), rule)) - truth) for n in (64, 128, 256)]
    orders = [math.log2(a / b) for a, b in zip(errors[:-1], errors[1:], strict=True)]
    assert all(1.9 < order < 2.1 for order in orders), orders
    assert errors[-1] / truth < 1e-3


@pytest.mark.parametrize(("name", "order"), [("trapezoid", 2), ("midpoint", 2), ("simpson", 4)])
def test_line_integral_of_the_score_converges_at_its_order(name: str, order: int) -> None:
    score = mixture()
    ends = torch.stack([wavy(2)[0, 0], wavy(2)[0, 1]])[None]
    difference = score.log_density(ends[0, 1:], SIGMA) - score.log_density(ends[0, :1], SIGMA)
    metric = SteinMetric(ScoreField(score, SIGMA), LAM)
    chord = float((ends[0, 1] - ends[0, 0]).square().sum())

    def error(parts: int) -> float:
        # On one segment the bound is (chord^2 + lam (sum of delta)^2) / 2, which gives the sum
        # back.
        total = math.sqrt(
            (2 * float(metric.measure(ends, Quadrature(name, parts)).lower_bound) - chord) / LAM
        )
        return abs(total - abs(float(difference)))

    errors = [error(parts) for parts in (16, 32, 64)]
    measured = [math.log2(a / b) for a, b in zip(errors[:-1], errors[1:], strict=True)]
    assert all(abs(m - order) < 0.2 for m in measured), measured


def exact_energy(path: torch.Tensor, lam: float, parts: int) -> torch.Tensor:
    """The graph energy with exact log densities, differentiable; path [1, points, D]."""
    score, flat = mixture(), path[0]
    d = flat.diff(dim=0)
    u = torch.linspace(0, 1, parts + 1, dtype=torch.float64)[None, :, None]
    nodes = flat[:-1, None] + u * d[:, None]
    log_p = score.log_density(nodes.reshape(-1, 4), SIGMA).reshape(nodes.shape[:2])
    return 0.5 * len(d) * (d.square().sum() + lam * parts * log_p.diff(dim=1).square().sum())


@pytest.mark.parametrize("parts", [1, 3])
def test_gradient_against_autograd_of_the_exact_energy(parts: int) -> None:
    path = wavy(9).requires_grad_(True)
    (expected,) = torch.autograd.grad(exact_energy(path, LAM, parts), path)
    lam = torch.tensor([LAM], dtype=torch.float64)
    got = residuals(field(), path.detach(), Quadrature("simpson", parts))
    flat, u = path.detach()[0], torch.linspace(0, 1, parts + 1, dtype=torch.float64)[None, :, None]
    nodes = (flat[:-1, None] + u * flat.diff(dim=0)[:, None]).reshape(-1, 4)
    delta = mixture().log_density(nodes, SIGMA).reshape(8, parts + 1).diff(dim=1).flatten()[None]
    exact = Residuals(got.segments, delta, got.scores)
    torch.testing.assert_close(exact.gradient(lam), expected[:, 1:-1], rtol=1e-6, atol=1e-9)


def test_gradient_of_a_fine_rule_needs_no_exact_density() -> None:
    # 64 Simpson parts a segment leave a quadrature error far under 1e-6; the chord energy's parts
    # are then summed to one.
    path = wavy(9).requires_grad_(True)
    (expected,) = torch.autograd.grad(exact_energy(path, LAM, 64), path)
    got = residuals(field(), path.detach(), Quadrature("simpson", 64)).gradient(torch.tensor([LAM]))
    torch.testing.assert_close(got, expected[:, 1:-1], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_bounds_and_invariances(rule: Quadrature) -> None:
    metric = SteinMetric(field(), LAM)
    measured = metric.measure(wavy(12), rule)
    assert float(measured.excess) >= 0
    assert float(measured.length) ** 2 <= 2 * float(measured.energy) * (1 + 1e-12)  # Cauchy-Schwarz
    back = metric.measure(wavy(12).flip(1), rule)
    torch.testing.assert_close(back.energy, measured.energy, rtol=1e-12, atol=0)
    flat = EuclideanMetric().measure(wavy(12), rule)
    almost_flat = SteinMetric(field(), 1e-14).measure(wavy(12), rule)
    torch.testing.assert_close(almost_flat.energy, flat.energy, rtol=1e-10, atol=0)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_evaluations_are_as_promised(rule: Quadrature) -> None:
    counted = CountingScore(mixture())
    SteinMetric(ScoreField(counted, SIGMA), LAM).measure(wavy(12).repeat(3, 1, 1), rule)
    assert counted.count == 3 * rule.evaluations(12)


@pytest.mark.parametrize("lam", [0, -1.0, float("nan"), float("inf"), "1", None, True])
def test_bad_lam_names_the_key_and_value(lam: object) -> None:
    with pytest.raises(ConfigError, match=r"metric\.lam = .*above 0"):
        SteinMetric(field(), lam)  # type: ignore[arg-type]

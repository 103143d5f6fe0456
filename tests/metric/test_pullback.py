"""The pullback metric against its matrix, an integral of its definition, and finite differences."""

import math

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.metric import pullback
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture, shell_field, wavy

SIGMA, EPS = 0.4, 0.5
RULES = [
    Quadrature("trapezoid"),
    Quadrature("trapezoid", 3),
    Quadrature("simpson", 2),
    Quadrature("midpoint", 2),
]


def metric() -> PullbackMetric:
    return PullbackMetric(ScoreField(mixture(), SIGMA), EPS)


def draw(count: int) -> torch.Tensor:
    return torch.randn(count, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def jacobian(x: torch.Tensor) -> np.ndarray:
    """ds/dx at one point, by central differences; step^2 times third derivatives of order 100,
    under 1e-7.
    """
    step = 1e-5 * torch.eye(4, dtype=torch.float64)
    score = mixture()
    return ((score.score(x + step, SIGMA) - score.score(x - step, SIGMA)) / 2e-5).T.numpy()


def test_inner_product_and_momentum_are_those_of_the_matrix() -> None:
    x, u, v = draw(3)
    full = np.stack([EPS * np.eye(4) + jacobian(p).T @ jacobian(p) for p in x])
    np.testing.assert_allclose(metric().matrix(x).numpy(), full, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        metric().inner(x, u, v).numpy(), np.einsum("bi,bij,bj->b", u, full, v), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        metric().apply(x, v).numpy(), np.einsum("bij,bj->bi", full, v), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        metric().norm(x, v).numpy() ** 2, np.einsum("bi,bij,bj->b", v, full, v), rtol=1e-6
    )


def test_inner_product_is_differentiable() -> None:
    x, u, v = draw(3)
    at = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(metric().inner(at, u, v).sum(), at)
    step = 1e-5 * u
    difference = (metric().inner(x + step, u, v) - metric().inner(x - step, u, v)) / 2e-5
    torch.testing.assert_close(
        (gradient * u).sum(1), difference, rtol=1e-6, atol=1e-5
    )  # step^2 times derivatives of order 1e4


def test_a_normal_step_costs_a_thousand_tangential_ones() -> None:
    # On a sphere blurred by a small sigma, J is -1/sigma^2 along the normal, about 0 along the
    # tangent, up to a few sigma^2.
    x = torch.tensor([[1.0, 0, 0]], dtype=torch.float64)
    normal, tangent = torch.eye(3, dtype=torch.float64)[:2, None]
    for sigma in (0.02, 0.05):
        g = PullbackMetric(shell_field(sigma))
        assert float(g.inner(x, normal, normal) / g.inner(x, tangent, tangent)) == pytest.approx(
            1000, rel=5 * sigma**2
        )


def continuous(power: int) -> float:
    """Integral of `|x'|_x^power` along `wavy`, of the definition, by 200 Gauss nodes: the path is
    smooth, so to rounding.
    """
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u, k = torch.from_numpy((nodes + 1) / 2)[:, None], torch.arange(1, 5, dtype=torch.float64)
    x = (u * k).sin() + 0.3 * (3 * u + k).cos()
    velocity = k * (u * k).cos() - 0.9 * (3 * u + k).sin()
    jv = ScoreField(mixture(), SIGMA).jvp(x, velocity)[1]
    squares = EPS * velocity.square().sum(1) + jv.square().sum(1)
    return float(squares ** (power / 2) @ torch.from_numpy(weights / 2))


def test_energy_and_length_converge_at_second_order_from_below() -> None:
    energy, length = continuous(2) / 2, continuous(1)
    measures = [metric().measure(wavy(n + 1), Quadrature()) for n in (128, 256, 512)]
    for errors in (
        [energy - float(m.energy) for m in measures],
        [length - float(m.length) for m in measures],
    ):
        assert all(error > 0 for error in errors)
        orders = [math.log2(a / b) for a, b in zip(errors[:-1], errors[1:], strict=True)]
        assert all(1.9 < order < 2.1 for order in orders), orders
    assert energy / float(measures[-1].energy) - 1 < 1e-3


def test_parts_are_points_on_the_segments() -> None:
    coarse = torch.nn.functional.interpolate(
        wavy(5).mT, 13, mode="linear", align_corners=True
    ).mT  # 3 parts a segment
    fine, parts = (
        metric().measure(coarse, Quadrature()),
        metric().measure(wavy(5), Quadrature("trapezoid", 3)),
    )
    for name in ("energy", "length", "lower_bound"):
        torch.testing.assert_close(getattr(parts, name), getattr(fine, name), rtol=1e-12, atol=0)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_bounds_and_invariances(rule: Quadrature) -> None:
    measured = metric().measure(wavy(12), rule)
    assert float(measured.excess) > 0
    assert float(measured.length) ** 2 <= 2 * float(measured.energy) * (1 + 1e-12)  # Cauchy-Schwarz
    torch.testing.assert_close(
        metric().energy(wavy(12).flip(1), rule), measured.energy, rtol=1e-12, atol=0
    )
    straight = torch.lerp(
        wavy(2)[:, :1], wavy(2)[:, 1:], torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    )
    flat = PullbackMetric(ScoreField(mixture(), 1e4), 1.0).measure(
        straight, rule
    )  # a score of slope 1e-8
    torch.testing.assert_close(flat.energy, flat.lower_bound, rtol=1e-12, atol=0)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("numbers", [2**16, 24], ids=["one piece", "many pieces"])
def test_gradient_is_that_of_the_energy(
    rule: Quadrature, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pullback, "GRAPH_NUMBERS", numbers)
    path = torch.cat([wavy(9), wavy(9).flip(2)])
    gradient = metric().gradient(path, rule)
    torch.testing.assert_close(
        gradient, autograd_gradient(metric(), path, rule), rtol=1e-10, atol=1e-9
    )
    moved = torch.zeros_like(path)
    moved[:, 1:-1] = torch.randn(
        2, 7, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    difference = (
        metric().energy(path + 1e-6 * moved, rule) - metric().energy(path - 1e-6 * moved, rule)
    ) / 2e-6
    torch.testing.assert_close(
        (gradient * moved[:, 1:-1]).sum((1, 2)), difference, rtol=1e-6, atol=0
    )


def test_evaluations_are_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = CountingScore(mixture())
    g = PullbackMetric(ScoreField(counted, SIGMA), EPS)
    x, u, v = draw(3)

    def spent(call: object, *inputs: object) -> int:
        before = counted.count
        call(*inputs)  # type: ignore[operator]
        return counted.count - before

    assert [spent(g.inner, x, u, u), spent(g.inner, x, u, v), spent(g.apply, x, v)] == [
        18,
        36,
        36,
    ]  # 6 points
    paths, rule = wavy(9).repeat(2, 1, 1), Quadrature("simpson", 3)
    assert spent(g.measure, paths, rule) == 2 * (8 * 3 + 1)
    assert spent(g.gradient, paths, rule) == 3 * 2 * (8 * 3 + 1)
    monkeypatch.setattr(
        pullback, "GRAPH_NUMBERS", 36
    )  # 3 segments of 3 parts in 4 dimensions: pieces of 3, 3 and 2 segments
    assert spent(g.gradient, paths, rule) == 3 * 2 * ((9 + 1) + (9 + 1) + (6 + 1))


@pytest.mark.parametrize("eps", [0, -1.0, float("nan"), "1", True])
def test_bad_eps_names_the_key_and_value(eps: object) -> None:
    with pytest.raises(ConfigError, match=r"metric\.eps = .*above 0"):
        PullbackMetric(ScoreField(mixture(), SIGMA), eps)  # type: ignore[arg-type]

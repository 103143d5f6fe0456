"""The estimated Jacobian: exact along what it was told, and the energy's gradient exact with it."""

import pytest
import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.graph import residuals
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.least_squares.score_jacobian import KEPT, ScoreJacobian
from tests.fields import Curl, mixture, wavy

RULES = [
    Quadrature("trapezoid"),
    Quadrature("trapezoid", 3),
    Quadrature("simpson"),
    Quadrature("simpson", 2),
]
LAM = torch.tensor([7.0], dtype=torch.float64)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(
    "field", [ScoreField(Curl(2.0), 0.3), ScoreField(mixture(3), 0.4)], ids=["curl", "exact"]
)
def test_the_gradient_is_exact_whatever_the_estimate_knows(
    rule: Quadrature, field: ScoreField
) -> None:
    metric = SteinMetric(field, float(LAM))
    estimate = ScoreJacobian(field, rule, wavy(8, 3))
    for shift in range(KEPT + 3):  # beyond what is remembered
        path = (
            wavy(8, 3)
            + 0.02 * shift * torch.linspace(0, 1, 8, dtype=torch.float64)[None, :, None] ** 2
        )
        found = estimate.learn(0, estimate.evaluate(path))
        expected = autograd_gradient(metric, path, rule)
        torch.testing.assert_close(
            found.gradient(LAM), expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max())
        )
        plain = residuals(field, path, rule)
        torch.testing.assert_close(found.delta, plain.delta, rtol=1e-12, atol=1e-14)


class Linear(AbstractScore):
    """`s(x) = M x`, M not symmetric."""

    matrix = torch.tensor(
        [[-1.0, 2.0, 0.0], [0.5, -3.0, 1.0], [0.0, -2.0, -1.5]], dtype=torch.float64
    )

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x @ self.matrix.T


def test_on_a_linear_score_products_from_all_sides_tend_to_the_whole_matrix() -> None:
    field, rule = ScoreField(Linear(), 0.5), Quadrature()
    draws = torch.Generator().manual_seed(2)
    estimate = ScoreJacobian(field, rule, wavy(5, 3))

    def error() -> float:
        path = torch.randn(1, 5, 3, generator=draws, dtype=torch.float64)
        rows = estimate.learn(0, estimate.evaluate(path)).rows
        assert rows is not None
        d, s = path[0].diff(dim=0), path[0] @ Linear.matrix.T
        exact = (s[:-1] + s[1:]) / 2 + d @ Linear.matrix / 2
        return float((rows.last[0] - exact).norm() / exact.norm())

    errors = [error() for _ in range(KEPT)]
    # An update takes one of three directions out of the error: along random ones its square shrinks
    # by a third in the mean, the error by (2 / 3)^(KEPT / 2) = 0.017; ten times that for the worst
    # of these draws.
    assert max(errors[-3:]) < 0.17 * max(errors[:3])


def test_pairs_learn_apart_and_every_evaluation_is_counted() -> None:
    counted = CountingScore(Curl(2.0))
    field, rule = ScoreField(counted, 0.3), Quadrature("simpson")
    paths = torch.cat([wavy(5, 3), wavy(5, 3) + 0.3])
    both, alone = ScoreJacobian(field, rule, paths), ScoreJacobian(field, rule, paths[1:])
    counted.count = 0
    both.evaluate(paths[:1])
    assert counted.count == rule.evaluations(5)
    both.learn(0, both.evaluate(paths[:1]))
    assert counted.count == 4 * rule.evaluations(5)
    found, expected = (
        one.learn(pair, one.evaluate(paths[1:])).rows for one, pair in ((both, 1), (alone, 0))
    )
    assert found is not None and expected is not None
    torch.testing.assert_close(found.first, expected.first, rtol=0, atol=0)


def test_a_straight_path_through_a_level_density_teaches_nothing() -> None:
    class Level(Linear):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return x * 0.0

    estimate = ScoreJacobian(ScoreField(Level(), 0.5), Quadrature(), wavy(5, 3))
    found = estimate.learn(0, estimate.evaluate(wavy(5, 3))).rows
    assert found is not None and found.first.isfinite().all()
    assert not estimate.remainders.any()


def test_a_derivative_that_is_not_finite_is_refused_and_not_learnt() -> None:
    class Root(Linear):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return super()._score(x, sigma) + (x * 0.0).abs().sqrt()

    estimate = ScoreJacobian(ScoreField(Root(), 0.5), Quadrature(), wavy(5, 3))
    with pytest.raises(ScoreError, match="not finite"):
        estimate.learn(0, estimate.evaluate(wavy(5, 3)))
    assert not estimate.directions.any()

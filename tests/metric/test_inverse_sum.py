"""Inverses and the inverse of their sum against dense matrices; derivatives against finite
differences.
"""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture, wavy

FIELD = ScoreField(mixture(), 0.5)
METRICS: list[AbstractMetric] = [
    SteinMetric(FIELD, 0.3),
    SteinMetric(FIELD, 1e4),
    ConformalMetric(FIELD, 0.2),
    EuclideanMetric(FIELD),
]


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: f"{m.name}{getattr(m, 'lam', '')}")
@pytest.mark.parametrize("nodes", [3, 9])
def test_against_dense_matrices(metric: AbstractMetric, nodes: int) -> None:
    x = torch.cat([wavy(nodes), wavy(nodes) * 0.7 + 0.1])
    v = torch.randn(2, nodes, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _, inverse = metric.linearise(x, v)
    matrix = metric.matrix(x.flatten(0, 1)).view(2, nodes, 4, 4)
    dense = torch.linalg.inv(matrix)
    torch.testing.assert_close(inverse.multiply(v), torch.einsum("pnij,pnj->pni", matrix, v))
    # The condition number of a matrix is at most about 1e6 here, of sixteen digits.
    torch.testing.assert_close(
        inverse.apply(v), torch.einsum("pnij,pnj->pni", dense, v), rtol=1e-8, atol=1e-9
    )
    expected = torch.linalg.solve(dense.sum(1), v[:, 0])
    torch.testing.assert_close(inverse.solve_sum(v[:, 0]), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: f"{m.name}{getattr(m, 'lam', '')}")
def test_derivative_against_central_differences(metric: AbstractMetric) -> None:
    x, u = wavy(5), wavy(6).diff(dim=1)
    got, _ = metric.linearise(x, u)
    step = 1e-5
    for coordinate in range(4):
        move = torch.zeros(4, dtype=torch.float64)
        move[coordinate] = step
        up, down = (metric.inner(x[0] + sign * move, u[0], u[0]) for sign in (1, -1))
        expected = (up - down) / (2 * step)
        # A central difference has an error of step^2 = 1e-10 times the third derivative, and
        # rounding of 1e-16 / step.
        torch.testing.assert_close(got[0, :, coordinate], expected, rtol=1e-5, atol=1e-6)


def test_costs_one_evaluation_and_a_backward_pass_a_node() -> None:
    counted = CountingScore(mixture())
    SteinMetric(ScoreField(counted, 0.5), 3.0).linearise(wavy(7), wavy(7))
    assert counted.count == 7 * 3
    counted.count = 0
    ConformalMetric(ScoreField(counted, 0.5), 0.2, nodes=8).linearise(wavy(7), wavy(7))
    assert counted.count == 7 * 8 * 3
    EuclideanMetric(ScoreField(counted, 0.5)).linearise(wavy(7), wavy(7))
    assert counted.count == 7 * 8 * 3


def test_a_metric_without_a_matrix_free_inverse_is_refused() -> None:
    with pytest.raises(ConfigError, match="'pullback' has no matrix-free inverse"):
        PullbackMetric(FIELD).linearise(wavy(4), wavy(4))

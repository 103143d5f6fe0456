"""The stated cost of an energy is what a counting score sees."""

import pytest
import torch

from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.cost import energy_evaluations, gradient_evaluations, inner_evaluations
from tests.fields import mixture, wavy

COUNTED = CountingScore(mixture())
FIELD = ScoreField(COUNTED, 0.5)
METRICS: list[AbstractMetric] = [
    SteinMetric(FIELD, 3.0),
    PullbackMetric(FIELD),
    ConformalMetric(FIELD),
    EuclideanMetric(FIELD),
]


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
@pytest.mark.parametrize(
    "rule", [Quadrature(), Quadrature("simpson", 2), Quadrature("midpoint")], ids=str
)
def test_energy_and_gradient(metric: AbstractMetric, rule: Quadrature) -> None:
    COUNTED.count = 0
    path = wavy(6).requires_grad_(True)
    energy = metric.energy(path, rule).sum()
    assert COUNTED.count == energy_evaluations(metric, rule, 6)
    energy.backward()
    assert COUNTED.count == gradient_evaluations(metric, rule, 6)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_inner_product(metric: AbstractMetric) -> None:
    COUNTED.count = 0
    x, u = wavy(5)[0], torch.ones(5, 4, dtype=torch.float64)
    metric.inner(x, u, u)
    assert COUNTED.count == 5 * inner_evaluations(metric)

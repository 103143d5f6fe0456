"""The stated costs of every operation are what a counting score sees."""

import pytest
import torch

from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.cost import BACKWARD
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture, wavy

COUNTED = CountingScore(mixture())
FIELD = ScoreField(COUNTED, 0.5)
METRICS: list[AbstractMetric] = [
    SteinMetric(FIELD, 3.0),
    PullbackMetric(FIELD),
    ConformalMetric(FIELD),
    EuclideanMetric(FIELD),
]
every = pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)


@every
@pytest.mark.parametrize(
    "rule", [Quadrature(), Quadrature("simpson", 2), Quadrature("midpoint")], ids=str
)
def test_energy_and_gradient(metric: AbstractMetric, rule: Quadrature) -> None:
    COUNTED.count = 0
    path = wavy(6).requires_grad_(True)
    energy = metric.energy(path, rule).sum()
    assert COUNTED.count == metric.evaluations(6, rule)
    energy.backward()
    assert COUNTED.count == (1 + BACKWARD) * metric.evaluations(6, rule)


@every
def test_operations_at_a_point(metric: AbstractMetric) -> None:
    x, u = wavy(5)[0], torch.ones(5, 4, dtype=torch.float64)
    v = x.cos()
    operations = {"inner": [lambda: metric.inner(x, u, u)], "product": [lambda: metric.apply(x, u)]}
    if isinstance(metric, AbstractClosedFormMetric):
        operations["product"].append(lambda: metric.inverse(x, u))
        operations |= {
            "initial_velocity": [lambda: metric.initial_velocity(x, u)],
            "christoffel": [lambda: metric.christoffel(x, u, u)],
            "christoffel_pair": [lambda: metric.christoffel(x, u, v)],
            "curvature": [lambda: metric.sectional_curvature(x, u, v)],
        }
    for name, calls in operations.items():
        for call in calls:
            COUNTED.count = 0
            call()
            assert COUNTED.count == 5 * getattr(metric.cost, name), name


@every
def test_linearising_is_an_inner_product_and_a_backward_pass(metric: AbstractMetric) -> None:
    if not metric.has_node_inverse:
        pytest.skip("has no matrix-free inverse")
    COUNTED.count = 0
    metric.linearise(wavy(7), wavy(7))
    assert COUNTED.count == 7 * (1 + BACKWARD) * metric.cost.inner

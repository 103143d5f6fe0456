"""End velocities of discrete geodesics against those of geodesics."""

import pytest
import torch

from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.momentum import final_velocity, initial_velocity, velocity_cost
from scoregeo.metric.base import AbstractClosedFormMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture
from tests.geometry.cases import LAM, SIGMA, draw, stein

RULES = [Quadrature(), Quadrature("simpson", 2), Quadrature("midpoint")]
METRICS = [stein(), ConformalMetric(stein().field, 0.4)]


def test_a_straight_line_has_the_whole_way_for_velocity() -> None:
    ends = draw(2, 2, 3)
    path = linear(ends, 8)
    for velocity in (initial_velocity, final_velocity):
        torch.testing.assert_close(
            velocity(EuclideanMetric(), path, Quadrature()), ends[:, 1] - ends[:, 0]
        )


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_second_order_at_both_ends(metric: AbstractClosedFormMetric, rule: Quadrature) -> None:
    # Points of an exact geodesic: its discrete momenta differ from its velocities by the
    # quadrature's and the chords' error.
    flow = exponential(metric, draw(2, 3), 0.5 * draw(2, 3, seed=1), points=65)
    errors = []
    for step in (4, 2, 1):
        path = flow.path[:, ::step]
        first = (initial_velocity(metric, path, rule) - flow.velocity[:, 0]).norm()
        last = (final_velocity(metric, path, rule) - flow.velocity[:, -1]).norm()
        errors.append(torch.stack([first, last]))
    orders = (torch.stack(errors)[:-1] / torch.stack(errors)[1:]).log2()
    assert ((orders - 2).abs() < 0.1).all(), orders


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_cost_is_counted(rule: Quadrature) -> None:
    score = CountingScore(mixture())
    metric = SteinMetric(ScoreField(score, SIGMA), LAM)
    initial_velocity(metric, draw(2, 5, 4), rule)
    assert score.count == 2 * velocity_cost(metric, rule)

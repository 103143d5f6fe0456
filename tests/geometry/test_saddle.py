"""Ends in symmetric position: the straight line is a geodesic, and no shortest one."""

import math

import pytest
import torch

from scoregeo.geometry.distances import distance
from scoregeo.geometry.logarithm_map import logarithm
from scoregeo.geometry.saddle import solve_to_minimum
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore
from scoregeo.solver.gauss_newton import GaussNewton
from tests.fields import arcs
from tests.geometry.cases import draw

SOLVER = GaussNewton(48, max_subnodes=4)


def antipodal(ambient: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.zeros(1, ambient, dtype=torch.float64)
    x[0, 0] = 1
    return x, -x


@pytest.mark.parametrize("ambient", [3, 20])
def test_antipodal_points_are_half_a_great_circle_apart(ambient: int) -> None:
    metric = SteinMetric(ScoreField(SphereScore(2, ambient), 0.1), 1000.0)
    x, y = antipodal(ambient)
    straight = metric.length(linear(torch.stack([x, y], 1), 400), Quadrature("trapezoid"))
    assert float(straight) > 100 * math.pi  # what the saddle would give
    assert float(distance(metric, x, y, SOLVER)) == pytest.approx(math.pi, rel=0.05)


def test_their_logarithm_has_that_length_or_says_that_it_is_not_reached() -> None:
    metric = SteinMetric(ScoreField(SphereScore(2, 3), 0.1), 100.0)
    x, y = antipodal(3)
    found = logarithm(metric, x, y, SOLVER, max_shots=6, max_evaluations=5000)
    reached = float(found.residual) <= 1e-6 * 2
    assert reached == (found.status == ("converged",))
    # The saddle's is 366.
    share = 0.01 if reached else 0.2
    assert float(metric.norm(x, found.velocity)) == pytest.approx(math.pi, rel=share)


def test_minima_are_left_alone_at_no_cost() -> None:
    score = CountingScore(SphereScore(2, 3))
    metric = SteinMetric(ScoreField(score, 0.1), 100.0)
    start = linear(arcs(2, 0.5, 1.5)[0], 48)
    plain = SOLVER.solve(metric, start)
    spent, score.count = score.count, 0
    found = solve_to_minimum(metric, SOLVER, start)
    assert torch.equal(found.path, plain.path) and score.count == spent
    flat = solve_to_minimum(EuclideanMetric(), SOLVER, linear(draw(2, 2, 3), 48))
    assert flat.score_evaluations.eq(0).all()


def test_only_the_pair_in_question_pays_and_everything_is_counted() -> None:
    score = CountingScore(SphereScore(2, 3))
    metric = SteinMetric(ScoreField(score, 0.1), 100.0)
    ends = torch.cat([arcs(1, 1.0, 1.0)[0], torch.stack(antipodal(3), 1)])
    plain = SOLVER.solve(metric, linear(ends, 48))
    score.count = 0
    found = solve_to_minimum(metric, SOLVER, linear(ends, 48))
    counted = found.score_evaluations + found.certificate_evaluations
    assert score.count == int(counted.sum())
    assert torch.equal(found.path[0], plain.path[0])
    assert found.score_evaluations[0] == plain.score_evaluations[0]
    assert found.certified_energy[1] < plain.certified_energy[1] / 10

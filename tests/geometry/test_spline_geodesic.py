"""The spline geodesic against the exponential map, and where its score is bad."""

import torch

from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.spline_geodesic import spline_geodesic
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture
from tests.geometry.cases import LAM, SIGMA, WalledScore, draw, stein


def test_it_is_the_geodesic_to_second_order() -> None:
    metric, x, v = stein(), draw(2, 3), 0.5 * draw(2, 3, seed=1)
    flow = exponential(metric, x, v, points=33, rtol=1e-11, atol=1e-13)
    errors, ends = [], torch.stack([x, flow.end], 1)
    for n in (8, 16, 32):
        found = spline_geodesic(metric.least_squares, linear(ends, n + 1))
        assert found.converged.all()
        errors.append((found.path - flow.path[:, :: 32 // n]).flatten(2).norm(dim=2).amax(1))
    orders = (torch.stack(errors)[:-1] / torch.stack(errors)[1:]).log2()
    assert ((orders - 2).abs() < 0.3).all(), (errors, orders)
    torch.testing.assert_close(found.path[:, [0, -1]], ends)
    exact = metric.apply(x, v)
    assert ((found.momentum - exact).norm(dim=1) < 1e-2 * exact.norm(dim=1)).all()


def test_it_counts_its_evaluations_and_few_of_them() -> None:
    score = CountingScore(mixture(3, 4))
    metric = SteinMetric(ScoreField(score, SIGMA), LAM)
    x, v = draw(2, 3), 0.5 * draw(2, 3, seed=1)
    start = linear(torch.stack([x, exponential(stein(), x, v).end], 1), 17)
    found = spline_geodesic(metric.least_squares, start)
    assert score.count == int(found.evaluations.sum())
    assert found.converged.all() and (found.evaluations <= 10 * 33).all()


def test_a_bad_score_is_the_affair_of_its_own_pair() -> None:
    metric = SteinMetric(ScoreField(WalledScore(0.6), SIGMA), LAM)
    start = torch.zeros(2, 9, 3, dtype=torch.float64)
    start[:, :, 1] = torch.linspace(0, 1, 9)
    start[0, :, 0] = torch.linspace(0, 1, 9)  # through the wall
    found = spline_geodesic(metric.least_squares, start)
    assert found.converged.tolist() == [False, True]
    free = SteinMetric(ScoreField(WalledScore(9.0), SIGMA), LAM)
    alone = spline_geodesic(free.least_squares, start[1:])
    torch.testing.assert_close(found.path[1:], alone.path)

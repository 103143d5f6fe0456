"""Geodesics continued past their ends, against great circles and the geodesics
they were cut from.
"""

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.extrapolation import extrapolate
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import arc_length
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import CONVERGED
from scoregeo.solver.gauss_newton import GaussNewton
from tests.fields import ShellScore, arcs
from tests.geometry.cases import draw, stein


def test_half_the_way_past_the_end_of_great_circles() -> None:
    ends, angles = arcs(3, 0.4, 1.6)
    score = CountingScore(ShellScore())
    metric, rule = SteinMetric(ScoreField(score, 0.05), 1000.0), Quadrature("trapezoid", 2)
    path = GaussNewton(64, subnodes=2).solve(metric, linear(ends, 64)).path
    score.count = 0
    flow = extrapolate(metric, path, 0.5, 5, quadrature=rule)
    assert score.count == int(flow.score_evaluations.sum())
    assert flow.status == (CONVERGED,) * 3 and flow.energy_drift.max() < 1e-6
    assert torch.equal(flow.path[:, 0], path[:, -1])
    a, b = ends.unbind(1)
    across = torch.nn.functional.normalize(b - (a * b).sum(1, keepdim=True) * a, dim=1)
    angle = 1.5 * angles[:, None]
    error = (flow.end - (angle.cos() * a + angle.sin() * across)).norm(dim=1)
    # The promise: within 5 % of the true continuation, of the way continued.
    assert (error < 0.05 * 0.5 * angles).all()


def test_each_pair_by_its_own_reach() -> None:
    # Points of an exact geodesic over unit time: continued by r, it is the geodesic at time 1 + r.
    metric, x, v = stein(), draw(3, 3), 0.3 * draw(3, 3, seed=1)
    reach = torch.tensor([0.0, 0.25, 0.5], dtype=torch.float64)
    path = exponential(metric, x, v, points=65).path
    flow = extrapolate(metric, path, reach, 3)
    expected = exponential(metric, x, v * (1 + reach[:, None])).end
    torch.testing.assert_close(flow.end, expected, rtol=0, atol=1e-3)  # second order in 1 / 64
    assert torch.equal(flow.path[0], path[0, -1].expand(3, 3))


def test_flat_space_goes_straight_on() -> None:
    ends = draw(2, 2, 2, 3)
    flow = extrapolate(EuclideanMetric(), linear(ends, 9), 1.0, 4)
    torch.testing.assert_close(flow.end, 2 * ends[:, 1] - ends[:, 0])
    torch.testing.assert_close(
        arc_length(flow.path), (ends[:, 1] - ends[:, 0]).flatten(1).norm(dim=1)
    )


def test_bad_reach_is_refused() -> None:
    path = linear(draw(2, 2, 3), 4)
    with pytest.raises(ConfigError, match="reach"):
        extrapolate(stein(), path, -0.5, 3)
    for bad in (torch.tensor([0.5]), torch.tensor([0.5, -1.0]), torch.tensor([0.5, torch.nan])):
        with pytest.raises(DataError, match="reach"):
            extrapolate(stein(), path, bad, 3)

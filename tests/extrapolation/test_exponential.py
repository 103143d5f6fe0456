"""The exponential map as a way past b: the great circle, straight lines, and what it cannot do."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.extrapolation.exponential import Exponential
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.solver.gauss_newton import GaussNewton
from tests.extrapolation.test_paper import Pull
from tests.fields import arcs, shell_field


def test_within_five_percent_of_the_great_circle() -> None:
    """The issue's bound: sphere, sigma 0.05, lam 1000, at 25, 50 and 100 %; greatest distance over
    the continuation's length.
    """
    ends, angles = arcs(3, 0.6, 1.5)
    metric = SteinMetric(shell_field(0.05), 1000.0)
    solution = GaussNewton(num_points=48, subnodes=2).solve(metric, linear(ends, 48))
    reach = torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64)
    found = Exponential(rtol=1e-5).extend(
        metric, solution.path, reach, 9, Quadrature("trapezoid", 2)
    )
    u = 1 + reach[:, None, None] * torch.linspace(0, 1, 9, dtype=torch.float64)[None, :, None]
    t = angles[:, None, None]
    circle = (((1 - u) * t).sin() * ends[:, :1] + (u * t).sin() * ends[:, 1:]) / t.sin()
    share = (found.path - circle).norm(dim=-1).amax(1) / (reach * angles)
    assert (share < 0.05).all()
    assert found.status == ("complete",) * 3 and found.reached.tolist() == [1, 1, 1]
    assert found.energy_drift is not None and (found.energy_drift < 1e-4).all()
    assert (found.score_evaluations > 0).all()


@pytest.mark.parametrize("kind", ["euclidean", "flat"])
def test_where_nothing_bends_it_goes_straight_on(kind: str) -> None:
    """No metric, or no score: `b + reach u (b - a)`."""
    metric: AbstractMetric = (
        EuclideanMetric()
        if kind == "euclidean"
        else SteinMetric(ScoreField(Pull([0.0] * 3), 1.0), 10.0)
    )
    ends = torch.tensor([[[0.0, 0, 0], [1, 2, 3]], [[1, 0, 0], [0, 1, 0]]], dtype=torch.float64)
    found = Exponential().extend(
        metric, linear(ends, 7), torch.tensor([1.0, 0.5], dtype=torch.float64), 3, Quadrature()
    )
    exact = torch.tensor(
        [[[1, 2, 3], [1.5, 3, 4.5], [2, 4, 6]], [[0, 1, 0], [-0.25, 1.25, 0], [-0.5, 1.5, 0]]]
    )
    torch.testing.assert_close(found.path, exact.double(), atol=1e-12, rtol=0)


def test_what_was_reached_is_kept_where_the_score_fails() -> None:
    metric = SteinMetric(ScoreField(Pull([0.0, 0.0], wall=1.5), 1.0), 10.0)
    path = linear(torch.tensor([[[0.0, 0], [1, 0]], [[0, 0], [-1, 0]]], dtype=torch.float64), 5)
    found = Exponential().extend(metric, path, torch.ones(2), 21, Quadrature())
    assert found.status == ("failed", "complete") and found.path.isfinite().all()
    # Points at steps of 0.05 from 1 to 2: those beyond the wall at 1.5 stay at the last that was
    # reached.
    assert 0.4 < float(found.reached[0]) <= 0.5 and 1.4 <= float(found.path[0, -1, 0]) <= 1.5
    torch.testing.assert_close(
        found.path[1, -1], torch.tensor([-2.0, 0.0], dtype=torch.float64), atol=1e-12, rtol=0
    )


def test_a_metric_without_christoffel_action_is_refused() -> None:
    metric = PullbackMetric(ScoreField(Pull([1.0, 1.0]), 1.0))
    with pytest.raises(ConfigError, match=r"extrapolation\.exponential .*'pullback'.*stein"):
        Exponential().check(metric)


@pytest.mark.parametrize(
    ("key", "value"), [("rtol", 0.0), ("rtol", 1.0), ("atol", -1.0), ("max_evaluations", 0)]
)
def test_bad_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"extrapolation\.exponential\.{key} = {value!r}"):
        Exponential(**{key: value})  # type: ignore[arg-type]

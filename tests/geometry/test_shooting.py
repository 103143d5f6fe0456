"""Shooting by itself: from a poor velocity, and to where it cannot come nearer."""

import torch

from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.shooting import shoot_at
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import CONVERGED, FAILED, STALLED
from tests.fields import MixtureScore
from tests.geometry.cases import LAM, SIGMA, WalledScore, draw, stein


def test_from_a_poor_velocity() -> None:
    metric, x, v = stein(), draw(1, 3), 0.3 * draw(1, 3, seed=1)
    y = exponential(metric, x, v, rtol=1e-7).end
    poor = v * 1.1 + 0.03 * draw(1, 3, seed=2)
    shots = shoot_at(
        metric,
        x,
        y,
        poor,
        tolerance=1e-5,
        max_shots=20,
        rtol=1e-7,
        atol=1e-9,
        max_evaluations=10**5,
    )
    assert shots.status == (CONVERGED,)
    assert (shots.velocity - v).norm() < 1e-4


def test_flat_space_takes_the_steps_its_radius_allows() -> None:
    # From a tenth of the way: the radius, a hundredth of the way at first, doubles each shot.
    x, y = torch.zeros(1, 3, dtype=torch.float64), draw(1, 3)
    shots = shoot_at(
        EuclideanMetric(),
        x,
        y,
        y / 10,
        tolerance=1e-9,
        max_shots=30,
        rtol=1e-9,
        atol=1e-12,
        max_evaluations=10**5,
    )
    assert shots.status == (CONVERGED,)
    torch.testing.assert_close(shots.velocity, y)


def test_a_target_behind_a_bad_score_fails_and_keeps_the_velocity() -> None:
    metric = SteinMetric(ScoreField(WalledScore(0.5), SIGMA), LAM)
    x = torch.zeros(1, 3, dtype=torch.float64)
    y = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    shots = shoot_at(
        metric,
        x,
        y,
        0.3 * y,
        tolerance=1e-6,
        max_shots=40,
        rtol=1e-4,
        atol=1e-6,
        max_evaluations=10**4,
    )
    assert shots.status == (FAILED,) and torch.equal(shots.velocity, 0.3 * y)


def test_a_tolerance_below_rounding_stalls() -> None:
    # Single precision: coordinates of about 1 are held to 1e-7, and the integration to 1e-5. In
    # three dimensions rounding may hit the target exactly, on one machine and not on another; not
    # in thirty.
    metric = SteinMetric(ScoreField(MixtureScore(draw(4, 30).float()), SIGMA), LAM)
    x, v = draw(1, 30, seed=1).float(), 0.2 * draw(1, 30, seed=2).float()
    shots = shoot_at(
        metric,
        x,
        x + v,
        v,
        tolerance=1e-12,
        max_shots=40,
        rtol=1e-8,
        atol=1e-10,
        max_evaluations=10**4,
    )
    assert shots.status == (STALLED,) and 0 < float(shots.residual) < 1e-5

"""The logarithm: shoot and recover, and an honest word where that does not work."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.logarithm_map import logarithm
from scoregeo.geometry.shooting import shoot_at
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED
from scoregeo.solver.gauss_newton import GaussNewton
from tests.fields import arcs, mixture, shell_field
from tests.geometry.cases import LAM, SIGMA, WalledScore, draw, stein

SOLVER = GaussNewton(24, tolerance=1e-6)


def test_shoot_and_recover() -> None:
    metric, x, v = stein(), draw(2, 3), 0.3 * draw(2, 3, seed=1)
    y = exponential(metric, x, v).end
    found = logarithm(metric, x, y, SOLVER, rtol=1e-7)
    assert found.status == (CONVERGED,) * 2
    assert (found.residual <= 1e-6 * (y - x).norm(dim=1)).all()
    assert (found.velocity - v).norm(dim=1).max() < 1e-4
    # The residual is what the exponential map says it is.
    again = (exponential(metric, x, found.velocity, rtol=1e-7).end - y).norm(dim=1)
    torch.testing.assert_close(found.residual, again, rtol=0, atol=1e-6)


def test_without_shooting_it_is_of_second_order_in_the_segments() -> None:
    metric, x, v = stein(), draw(2, 3), 0.4 * draw(2, 3, seed=1)
    y = exponential(metric, x, v, rtol=1e-9).end
    errors = []
    for segments in (16, 32, 64):
        solver = GaussNewton(segments + 1, refinement="none", tolerance=1e-12, max_iterations=100)
        errors.append((logarithm(metric, x, y, solver, shoot=False).velocity - v).norm(dim=1))
    orders = (torch.stack(errors)[:-1] / torch.stack(errors)[1:]).log2()
    assert ((orders - 2).abs() < 0.2).all(), orders


def test_on_a_thin_shell_it_is_the_great_circles_direction() -> None:
    ends, angle = arcs(1, 0.5, 0.5)
    metric = SteinMetric(shell_field(0.1), 100.0)
    found = logarithm(
        metric, ends[:, 0], ends[:, 1], GaussNewton(32, subnodes=2), tolerance=1e-4, rtol=1e-5
    )
    assert found.status == (CONVERGED,)
    across = torch.nn.functional.normalize(ends[:, 1] - angle.cos() * ends[:, 0], dim=1)
    along = (found.velocity * across).sum(1)
    # Inside a shell of thickness 0.1 a path may be shorter by sigma^2.
    torch.testing.assert_close(along, angle, rtol=0.01, atol=0)


def test_flat_space_and_equal_points() -> None:
    x, y = draw(3, 2, 2), draw(3, 2, 2, seed=1)
    found = logarithm(EuclideanMetric(), x, y, SOLVER)
    torch.testing.assert_close(found.velocity, y - x)
    assert found.status == (CONVERGED,) * 3 and (found.score_evaluations == 0).all()
    y = draw(2, 3, seed=1)
    x = torch.stack([draw(1, 3)[0], y[1]])
    same = logarithm(stein(), x, y, SOLVER, shoot=False)
    assert (
        torch.equal(same.velocity[1], torch.zeros(3, dtype=torch.float64)) and same.residual[1] == 0
    )


def test_a_start_decides_where_the_search_begins_and_must_join_the_points() -> None:
    metric, x, v = stein(), draw(1, 3), 0.4 * draw(1, 3, seed=1)
    flow = exponential(metric, x, v, points=24)
    good = logarithm(metric, x, flow.end, SOLVER, start=flow.path, shoot=False)
    straight = logarithm(metric, x, flow.end, SOLVER, shoot=False)
    torch.testing.assert_close(
        good.velocity, straight.velocity, rtol=0, atol=1e-3
    )  # the solver's tolerance, 1e-6 of the energy
    with pytest.raises(DataError, match="begin at x"):
        logarithm(metric, x, flow.end + 1, SOLVER, start=flow.path)
    with pytest.raises(ConfigError, match="num_points = 24"):
        logarithm(metric, x, flow.end, SOLVER, start=flow.path[:, ::2])


def test_too_few_shots_are_called_a_budget() -> None:
    metric, x, v = stein(), draw(1, 3), 0.4 * draw(1, 3, seed=1)
    y = exponential(metric, x, v).end
    found = logarithm(metric, x, y, GaussNewton(8), max_shots=1, rtol=1e-6)
    assert found.status == (BUDGET,) and float(found.residual) > 1e-6


def test_a_bad_score_on_the_shot_keeps_the_solvers_velocity() -> None:
    metric = SteinMetric(ScoreField(WalledScore(1.0), SIGMA), LAM)
    x, y = torch.tensor([[0.0, 0, 0]]).double(), torch.tensor([[0.9999, 0.0, 0]]).double()
    solver = GaussNewton(2)
    first = logarithm(metric, x, y, solver, shoot=False)
    steep = 10 * first.velocity
    assert exponential(metric, x, steep).status == (FAILED,)
    shots = shoot_at(
        metric,
        x,
        y,
        steep,
        tolerance=1e-6,
        max_shots=5,
        rtol=1e-6,
        atol=1e-8,
        max_evaluations=10**5,
    )
    assert (
        shots.status == (FAILED,)
        and torch.equal(shots.velocity, steep)
        and shots.residual.isnan().all()
    )


def test_counts_every_evaluation_but_the_certificate() -> None:
    score = CountingScore(mixture(3, 4))
    metric = SteinMetric(ScoreField(score, SIGMA), LAM)
    x, v = draw(1, 3), 0.3 * draw(1, 3, seed=1)
    y = exponential(metric, x, v, rtol=1e-6).end
    score.count = 0
    found = logarithm(metric, x, y, GaussNewton(16), rtol=1e-6, tolerance=1e-4)
    certificate = int(found.solution.certificate_evaluations.sum())
    assert score.count == int(found.score_evaluations.sum()) + certificate

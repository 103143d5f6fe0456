"""The Frechet mean of sets whose mean is known, by symmetry or because space is flat."""

from typing import Any

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo.geometry.distances import distance
from scoregeo.geometry.frechet import frechet_mean
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED
from scoregeo.solver.gauss_newton import GaussNewton
from tests.fields import MixtureScore, ShellScore, shell_field
from tests.geometry.cases import LAM, SIGMA, draw, stein

SOLVER = GaussNewton(16, tolerance=1e-6)


def ring(count: int, tilt: float) -> torch.Tensor:
    """Points of the unit sphere around its pole, evenly spaced at the angle `tilt` from it."""
    angle = torch.arange(count, dtype=torch.float64) * (2 * torch.pi / count)
    height = torch.full_like(angle, tilt)
    return torch.stack([height.sin() * angle.cos(), height.sin() * angle.sin(), height.cos()], 1)


def test_a_ring_on_a_shell_has_its_axis_for_mean() -> None:
    # A thick shell: on a thin one each geodesic may pass on either side of the ridge, which breaks
    # the symmetry.
    metric, points = SteinMetric(shell_field(0.3), 3.0), ring(5, 0.5)
    start = torch.nn.functional.normalize(
        torch.tensor([0.2, -0.1, 1.0], dtype=torch.float64), dim=0
    )
    mean = frechet_mean(
        metric, points, GaussNewton(16, tolerance=1e-9), start=start, tolerance=1e-4
    )
    assert mean.status == CONVERGED
    assert (
        mean.point[:2].abs().max() < 1e-3
    )  # `tolerance` times the points' distance, and the solver's share of it
    assert 0.7 < float(mean.point[2]) < 1.1
    lengths = distance(metric, mean.point.expand(5, 3).contiguous(), points, SOLVER, certify=False)
    assert mean.variance == pytest.approx(
        float(lengths.square().mean()), rel=1e-3
    )  # 2 E is the squared length


def test_a_mirrored_pair_has_its_mean_in_the_mirror() -> None:
    centres = draw(3, 3)
    mirror = torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    metric = SteinMetric(
        ScoreField(MixtureScore(torch.cat([centres, centres * mirror])), SIGMA), LAM
    )
    point = 0.5 * draw(1, 3, seed=1)
    mean = frechet_mean(metric, torch.cat([point, point * mirror]), SOLVER, tolerance=1e-4)
    assert mean.status == CONVERGED and abs(float(mean.point[0])) < 1e-3


def test_it_is_a_minimum() -> None:
    metric, points = stein(), 0.5 * draw(4, 3)
    solver = GaussNewton(16, tolerance=1e-9)
    weights = torch.tensor([1.0, 2.0, 3.0, 2.0], dtype=torch.float64)
    mean = frechet_mean(metric, points, solver, weights=weights, tolerance=1e-4)
    assert mean.status == CONVERGED
    # Any step of 0.05 costs: to first order nothing, to second about its square.
    for step in torch.cat([torch.eye(3), -torch.eye(3)]).double() * 0.05:
        lengths = distance(
            metric, (mean.point + step).expand(4, 3).contiguous(), points, solver, certify=False
        )
        assert (
            float((weights * lengths.square()).sum() / weights.sum())
            > mean.variance + 0.2 * 0.05**2
        )


def test_flat_space_has_the_arithmetic_mean_after_one_step() -> None:
    points, weights = draw(6, 2, 2), torch.arange(1, 7, dtype=torch.float64)
    mean = frechet_mean(EuclideanMetric(), points, GaussNewton(4), weights=weights)
    expected = torch.einsum("n,nij->ij", weights / weights.sum(), points)
    torch.testing.assert_close(mean.point, expected, rtol=0, atol=1e-9)
    assert mean.iterations == 1 and mean.status == CONVERGED and mean.score_evaluations == 0
    assert mean.variance == pytest.approx(
        float((weights / weights.sum()) @ (points - expected).flatten(1).square().sum(1))
    )


def test_one_point_is_its_own_mean() -> None:
    point = draw(1, 3)
    mean = frechet_mean(stein(), point, SOLVER)
    assert (
        torch.equal(mean.point, point[0]) and mean.status == CONVERGED and mean.variance < 1e-20
    )  # rounding


def test_a_budget_is_called_one() -> None:
    metric = SteinMetric(shell_field(0.15), 20.0)
    mean = frechet_mean(metric, ring(3, 0.5), SOLVER, max_iterations=1, tolerance=1e-9)
    assert mean.status == BUDGET and mean.iterations == 1


def test_counts_every_evaluation_but_the_certificates() -> None:
    score = CountingScore(ShellScore())
    solver = GaussNewton(8)
    mean = frechet_mean(
        SteinMetric(ScoreField(score, 0.3), 5.0),
        ring(3, 0.4),
        solver,
        max_iterations=2,
        tolerance=1e-9,
    )
    certificates = 3 * (2 + 1) * (4 * 7 + 1)
    assert score.count == mean.score_evaluations + certificates


def test_whole_weights_are_taken() -> None:
    points, solver = ring(3, 0.4), GaussNewton(5)
    given: tuple[Any, ...] = ([2, 1, 1], torch.tensor([2, 1, 1]), torch.tensor([2.0, 1.0, 1.0]))
    metric = EuclideanMetric()
    found = [frechet_mean(metric, points, solver, weights=one).point for one in given]
    assert torch.equal(found[0], found[2]) and torch.equal(found[1], found[2])


def test_weights_that_are_no_numbers_are_refused() -> None:
    wrong: tuple[Any, ...] = ("x", [True, True], torch.ones(2) * 1j, [1, -1], [0, 0])
    for weights in wrong:
        with pytest.raises(DataError, match="weights"):
            frechet_mean(stein(), draw(2, 3), SOLVER, weights=weights)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]])
def test_bad_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(DataError, match="weights"):
        frechet_mean(stein(), draw(2, 3), SOLVER, weights=torch.tensor(weights))

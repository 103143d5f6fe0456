"""The exponential map against geomstats, closed forms, conservation laws and symmetries."""

import pytest
import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.geometry.exponential_map import exponential
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED
from tests.fields import MixtureScore, shell_field
from tests.geometry.adapter import Reference
from tests.geometry.cases import LAM, SIGMA, WalledScore, draw, stein


def test_agrees_with_geomstats() -> None:
    metric, x, v = stein(), draw(1, 3), 0.6 * draw(1, 3, seed=1)
    end, velocity = Reference(metric.field, LAM).geodesic(x[0], v[0], v[0])
    flow = exponential(metric, x, v, rtol=1e-7)
    # Both integrate at rtol 1e-7.
    torch.testing.assert_close(flow.end[0], end, rtol=0, atol=1e-6)
    torch.testing.assert_close(flow.velocity[0, -1], velocity, rtol=0, atol=1e-6)


def test_energy_is_conserved_and_the_way_back_returns() -> None:
    metric, x, v = stein(), draw(4, 3), draw(4, 3, seed=1)
    flow = exponential(metric, x, v, points=5)
    assert flow.status == (CONVERGED,) * 4 and (flow.reached == 1).all()
    assert flow.energy_drift.max() < 1e-6
    measured = metric.inner(flow.path.flatten(0, 1), *[flow.velocity.flatten(0, 1)] * 2).view(4, 5)
    torch.testing.assert_close(
        (measured / measured[:, :1] - 1).abs().amax(1), flow.energy_drift, rtol=1e-6, atol=1e-14
    )
    back = exponential(metric, flow.end, -flow.velocity[:, -1], points=5)
    # The integration error of both ways, at rtol 1e-8, stretched by the curvature.
    torch.testing.assert_close(back.path.flip(1), flow.path, rtol=0, atol=1e-6)


def test_energy_is_conserved_on_a_thin_shell() -> None:
    # Normal speeds count 1 + lam |s|^2 = 1000 times and more: the hard case of the paper's metric.
    x = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    v = torch.tensor([[0.001, 0.7, 0.2]], dtype=torch.float64)
    flow = exponential(SteinMetric(shell_field(0.05), 1000.0), x, v)
    assert flow.energy_drift.item() < 1e-6


def test_points_are_at_equal_times_of_the_same_geodesic() -> None:
    metric, x, v = stein(), draw(1, 3), draw(1, 3, seed=1)
    flow = exponential(metric, x, v, points=4)
    assert torch.equal(flow.path[:, 0], x) and torch.equal(flow.velocity[:, 0], v)
    for k in (1, 2, 3):
        torch.testing.assert_close(
            exponential(metric, x, v * k / 3).end, flow.path[:, k], rtol=0, atol=1e-6
        )


def test_tighter_tolerances_come_nearer() -> None:
    metric, x, v = stein(), draw(2, 3), draw(2, 3, seed=1)
    truth = exponential(metric, x, v, rtol=1e-11, atol=1e-12).end
    errors = [
        float((exponential(metric, x, v, rtol=r, atol=r / 10).end - truth).norm())
        for r in (1e-3, 1e-6, 1e-9)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_flat_space_has_straight_lines_for_nothing() -> None:
    x, v = draw(3, 2, 5), draw(3, 2, 5, seed=1)
    flow = exponential(EuclideanMetric(), x, v, points=3)
    torch.testing.assert_close(
        flow.path, torch.stack([x, x + v / 2, x + v], 1), rtol=1e-12, atol=1e-12
    )
    assert (flow.score_evaluations == 0).all()


def test_a_conformal_gaussian_against_its_conserved_momentum() -> None:
    # Around one Gaussian the metric has rotational symmetry, so e^{2f} (x cross x') is the same all
    # along.
    metric = ConformalMetric(
        ScoreField(MixtureScore(torch.zeros(1, 3, dtype=torch.float64), 1.0), 0.5), 0.3
    )
    flow = exponential(metric, draw(2, 3), draw(2, 3, seed=1), points=4)
    momentum = metric.apply(flow.path.flatten(0, 1), flow.velocity.flatten(0, 1)).view(2, 4, 3)
    angular = torch.linalg.cross(flow.path, momentum)
    torch.testing.assert_close(angular, angular[:, :1].expand_as(angular), rtol=1e-6, atol=1e-7)
    assert flow.energy_drift.max() < 1e-6


def test_turns_with_a_score_that_turns() -> None:
    rotation, _ = torch.linalg.qr(draw(3, 3, seed=2))
    metric, x, v = SteinMetric(shell_field(0.3), 20.0), draw(2, 3), draw(2, 3, seed=1)
    turned = exponential(metric, x @ rotation, v @ rotation).end
    torch.testing.assert_close(turned, exponential(metric, x, v).end @ rotation, rtol=0, atol=1e-6)


def test_zero_velocity_is_the_constant_geodesic() -> None:
    x, v = draw(2, 3), draw(2, 3, seed=1)
    v[0] = 0
    flow = exponential(stein(), x, v, points=3)
    assert torch.equal(flow.path[0], x[0].expand(3, 3)) and flow.status == (CONVERGED, CONVERGED)
    assert flow.score_evaluations[0] == 0 and flow.energy_drift[0] == 0
    assert torch.equal(flow.end[1:], exponential(stein(), x[1:], v[1:], points=3).end)
    assert exponential(stein(), x, torch.zeros_like(x)).reached.eq(1).all()


def test_a_bad_score_on_the_way_leaves_the_part_before_it_and_the_others() -> None:
    metric = SteinMetric(ScoreField(WalledScore(1.0), SIGMA), LAM)
    x = torch.zeros(3, 3, dtype=torch.float64)
    v = torch.tensor([[2.0, 0, 0], [-0.5, 0.3, 0], [0.1, -0.5, 0.2]], dtype=torch.float64)
    flow = exponential(metric, x, v, points=41)
    assert flow.status == (FAILED, CONVERGED, CONVERGED)
    reached = float(flow.reached[0])
    known = torch.linspace(0, 1, 41, dtype=torch.float64) <= reached
    assert flow.path[0, known].isfinite().all() and flow.path[0, ~known].isnan().all()
    assert (
        0.9 < flow.path[0, known][:, 0].max() <= 1.0
    )  # it came as near to the wall as its points are close
    alone = exponential(SteinMetric(ScoreField(WalledScore(9.0), SIGMA), LAM), x, v, points=41)
    torch.testing.assert_close(flow.path[0, known], alone.path[0, known], rtol=0, atol=1e-6)
    torch.testing.assert_close(flow.path[1:], alone.path[1:], rtol=0, atol=1e-6)


def test_a_bad_score_at_the_start_reaches_nothing() -> None:
    metric = SteinMetric(ScoreField(WalledScore(1.0), SIGMA), LAM)
    flow = exponential(metric, torch.full((1, 3), 2.0, dtype=torch.float64), draw(1, 3))
    assert flow.status == (FAILED,) and flow.reached.item() == 0 and flow.end.isnan().all()
    with pytest.raises(ScoreError) as said:
        metric.norm(torch.full((1, 3), 2.0, dtype=torch.float64), draw(1, 3))
    assert str(said.value).rstrip(".") in flow.reason[0]


def test_a_budget_leaves_the_part_it_paid_for() -> None:
    flow = exponential(stein(), draw(2, 3), draw(2, 3, seed=1), points=21, max_evaluations=200)
    assert flow.status == (BUDGET, BUDGET) and ((flow.reached > 0) & (flow.reached < 1)).all()
    assert (flow.score_evaluations <= 200 + 21).all()
    assert flow.path[:, 1].isfinite().all() and flow.end.isnan().all()


def test_counts_every_evaluation() -> None:
    score = CountingScore(MixtureScore(draw(4, 3)))
    flow = exponential(
        SteinMetric(ScoreField(score, SIGMA), LAM), draw(2, 3), draw(2, 3, seed=1), points=5
    )
    assert score.count == int(flow.score_evaluations.sum())


def test_single_precision_scores_are_called_in_their_own_type() -> None:
    class Single(MixtureScore):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            assert x.dtype == torch.float32
            return super()._score(x, sigma)

    x, v, centres = draw(2, 3), draw(2, 3, seed=1), draw(4, 3)
    flow = exponential(
        SteinMetric(ScoreField(Single(centres.float()), SIGMA), LAM), x.float(), v.float()
    )
    exact = exponential(SteinMetric(ScoreField(MixtureScore(centres), SIGMA), LAM), x, v)
    assert flow.path.dtype == torch.float32
    torch.testing.assert_close(
        flow.end.double(), exact.end, rtol=0, atol=1e-3
    )  # rtol is held at 100 roundoffs, 1e-5


@pytest.mark.parametrize("batch", [1, 3])
def test_each_element_meets_the_tolerance_whatever_its_companions(batch: int) -> None:
    # Two of three elements hardly move: an error norm over the whole batch would let the third be
    # worse.
    metric, x, v = stein(), draw(3, 3)[:batch], draw(3, 3, seed=1)[:batch]
    v[1:] *= 1e-3
    truth = exponential(metric, x, v, rtol=1e-10, atol=1e-12).end
    assert (exponential(metric, x, v, rtol=1e-6, atol=1e-8).end - truth).norm(dim=1).max() < 1e-5

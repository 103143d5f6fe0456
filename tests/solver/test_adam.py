"""The paper's solver: its energy, its gradient, its count, and that it minimises."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.adam import Adam
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, Step
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.lbfgs import LBFGS
from tests.fields import ShellScore, arcs, mixture, wavy

FIELD = ScoreField(mixture(), 1.0)
METRICS: list[AbstractMetric] = [
    SteinMetric(FIELD, 1.0),
    PullbackMetric(FIELD, 0.1),
    ConformalMetric(FIELD, 0.3),
    EuclideanMetric(FIELD),
]


def test_midpoint_energy_is_the_papers_formula() -> None:
    path, lam = wavy(7), 3.0
    d = path[0].diff(dim=0)
    s = mixture().score((path[0, 1:] + path[0, :-1]) / 2, 0.4)
    expected = 0.5 * 6 * (d.square().sum() + lam * (s * d).sum(1).square().sum())
    got = SteinMetric(ScoreField(mixture(), 0.4), lam).energy(path, Quadrature("midpoint"))
    torch.testing.assert_close(got[0], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("differentiate", [True, False])
def test_first_step_follows_the_right_gradient(differentiate: bool) -> None:
    # Adam's first step is the learning rate times the sign of the gradient, so signs tell which
    # gradient it used.
    start, lam = wavy(7), 3.0
    path = start.clone().requires_grad_(True)
    d = path[0].diff(dim=0)
    s = mixture().score((path[0, 1:] + path[0, :-1]) / 2, 0.4)
    s = s if differentiate else s.detach()
    energy = 0.5 * 6 * (d.square().sum() + lam * (s * d).sum(1).square().sum())
    (gradient,) = torch.autograd.grad(energy, path)
    seen: list[torch.Tensor] = []

    class Recorder(type(mixture())):  # type: ignore[misc]
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            seen.append(x.detach().clone())
            return super()._score(x, sigma)

    solver = Adam(7, iterations=2, learning_rate=1e-3, differentiate_score=differentiate)
    solver.solve(SteinMetric(ScoreField(Recorder(mixture().centres), 0.4), lam), start)
    moved = start.clone()
    moved[:, 1:-1] -= 1e-3 * gradient[:, 1:-1].sign()
    torch.testing.assert_close(seen[1], (moved[0, 1:] + moved[0, :-1]) / 2, rtol=0, atol=1e-8)


def test_reaches_the_gauss_newton_minimum_on_an_easy_problem() -> None:
    ends = wavy(2)
    metric = SteinMetric(ScoreField(mixture(), 1.0), 1.0)
    adam = Adam(17, iterations=3000, learning_rate=3e-3).solve(metric, linear(ends, 17))
    newton = GaussNewton(17, tolerance=1e-8).solve(metric, linear(ends, 17))
    fine = Quadrature("simpson", 4)
    # The two rules differ by the midpoint rule's own error at this step, a few parts in a thousand.
    assert float(metric.energy(adam.path, fine)) == pytest.approx(
        float(metric.energy(newton.path, fine)), rel=5e-3
    )


def test_counts_a_backward_pass_as_two_and_stops_when_flat() -> None:
    ends, _ = arcs(2, 0.5, 1.0)
    counted = CountingScore(ShellScore())
    metric = SteinMetric(ScoreField(counted, 0.3), 1.0)
    # What measures the result, a pair: 8 midpoints; 8 and a backward pass for the gradient; 4 parts
    # a segment, the certificate.
    report = 8 + 3 * 8 + (4 * 8 + 1)
    solution = Adam(9, iterations=10, tolerance=0.0).solve(metric, linear(ends, 9))
    assert solution.score_evaluations.tolist() == [10 * 8 * 3] * 2
    assert set(solution.status) == {BUDGET} and "10 iterations are spent" in solution.reason[0]
    assert solution.certificate_evaluations.tolist() == [33] * 2
    assert counted.count == int(solution.score_evaluations.sum()) + 2 * report
    counted.count = 0
    held = Adam(9, iterations=5, differentiate_score=False).solve(metric, linear(ends, 9))
    assert held.score_evaluations.tolist() == [5 * 8] * 2
    assert counted.count == int(held.score_evaluations.sum()) + 2 * report
    counted.count = 0
    easy = Adam(9, iterations=2000, learning_rate=1e-3, tolerance=1e-3).solve(
        metric, linear(ends, 9)
    )
    assert set(easy.status) == {CONVERGED} and easy.iterations.max() < 2000
    # A pair that has converged is not evaluated again.
    assert easy.iterations[0] != easy.iterations[1]
    assert counted.count == int(easy.score_evaluations.sum()) + 2 * report


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_serves_every_metric(metric: AbstractMetric) -> None:
    # Down from a bent start to the minimum that another solver finds on the same rule.
    start = linear(wavy(2), 9)
    start[:, 1:-1] += 0.1
    found = Adam(9, iterations=1500, learning_rate=3e-3, quadrature="trapezoid").solve(
        metric, start
    )
    other = LBFGS(9, tolerance=1e-9).solve(metric, start)
    # Adam's steps of 3e-3 leave it within about their square of the minimum, relative to a segment
    # of 0.3.
    assert float(found.energy) == pytest.approx(float(other.energy), rel=1e-3)
    assert torch.equal(found.path[:, [0, -1]], start[:, [0, -1]])
    steps: list[Step] = []
    Adam(9, iterations=3).solve(metric, start, steps.append)
    assert [step.iteration for step in steps] == [1, 2, 3]
    for step in steps:
        assert step.path is not None
        torch.testing.assert_close(
            step.energy, metric.energy(step.path, Quadrature("midpoint")), rtol=1e-9, atol=0
        )


def test_a_score_that_breaks_on_the_way_keeps_the_best_path() -> None:
    class After(ShellScore):
        calls = 0

        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            self.calls += 1
            return x * torch.nan if self.calls == 6 else super()._score(x, sigma)

    ends, _ = arcs(2, 0.5, 1.0)
    start = linear(ends, 9)
    broken = Adam(9, iterations=20).solve(SteinMetric(ScoreField(After(), 0.3), 1.0), start)
    whole = Adam(9, iterations=5).solve(SteinMetric(ScoreField(ShellScore(), 0.3), 1.0), start)
    assert (
        broken.status == (FAILED, FAILED)
        and "in iteration 6: the score is not finite" in broken.reason[0]
    )
    assert torch.equal(broken.path, whole.path)


def test_bad_settings_and_metrics_are_refused() -> None:
    for key, value in (
        ("num_points", 1),
        ("iterations", 0),
        ("learning_rate", 0.0),
        ("differentiate_score", "yes"),
        ("tolerance", -1.0),
        ("quadrature", "gauss"),
    ):
        with pytest.raises(ConfigError, match=rf"solver\.{key} = "):
            Adam(**{key: value})  # type: ignore[arg-type]
    with pytest.raises(
        ConfigError,
        match=r"solver\.differentiate_score = False .* such as that of metric = 'stein'",
    ):
        Adam(4, differentiate_score=False).check(EuclideanMetric())
    with pytest.raises(ConfigError, match=r"start has shape \[\d, 9.*solver.num_points = 8"):
        Adam(8).solve(EuclideanMetric(), torch.zeros(1, 9, 3))

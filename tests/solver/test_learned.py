"""The exact gradient where the score is no gradient field, and what it takes back."""

import pytest
import torch

from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import CONVERGED, STALLED
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.laplacian import stationarity
from scoregeo.solver.learned import exact_stationarity
from tests.fields import Curl, ShellScore, arcs

SIGMA, LAM = 0.3, 30.0
RULE = Quadrature("trapezoid", 3)


class Turned(Curl):
    """A rotation beside the shell's score, as a network may have one."""

    learned = True


def metric_of(score: AbstractScore) -> SteinMetric:
    return SteinMetric(ScoreField(score, SIGMA), LAM)


def bent() -> torch.Tensor:
    path = linear(arcs(1, 1.0, 1.0)[0], 6)
    path[0, 1:-1] += 0.1 * torch.tensor([[1.0, -1.0, 2.0]]).double()
    return path


def test_it_is_the_discrete_energy_s_own() -> None:
    metric, path = metric_of(Turned(2.0)), bent()
    gradient = autograd_gradient(metric, path, RULE)
    expected = float(stationarity(gradient.flatten(2), metric.energy(path, RULE).detach()))
    counted = CountingScore(Turned(2.0))
    found, spent, _ = exact_stationarity(metric_of(counted), path, RULE)
    assert found == pytest.approx(expected, rel=1e-9)
    assert spent == counted.count == 3 * 4 * 5
    field = stationarity(metric.gradient(path, RULE).flatten(2), metric.energy(path, RULE))
    assert abs(float(field) / expected - 1) > 0.01  # without the Jacobian it is another


def test_an_exact_score_is_not_differentiated() -> None:
    counted = CountingScore(ShellScore())
    found, spent, _ = exact_stationarity(metric_of(counted), bent(), RULE)
    assert found != found and spent == counted.count == 0


@pytest.mark.parametrize("differentiates", [False, True])
def test_converged_is_taken_back_where_the_jacobian_denies_it(differentiates: bool) -> None:
    score = CountingScore(Turned(4.0))
    metric, start = metric_of(score), linear(arcs(1, 1.0, 1.0)[0], 9)
    solver = GaussNewton(9, refinement="none", subnodes=4, differentiate_score=differentiates)
    found = solver.solve(metric, start)
    spent = found.score_evaluations + found.certificate_evaluations
    assert int(spent.sum()) == score.count
    rule = Quadrature("trapezoid", 16)
    gradient = autograd_gradient(metric, found.path, rule)
    left = float(stationarity(gradient.flatten(2), metric.energy(found.path, rule).detach()))
    if differentiates:
        assert found.status == (CONVERGED,) and left < 1
    else:
        assert float(found.stationarity) < 1 < left  # 1: above it no solver says converged
        assert found.status == (STALLED,) and "no gradient field" in found.reason[0]


def test_a_score_without_a_gradient_keeps_its_status() -> None:
    class Still(Turned):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return super()._score(x.detach(), sigma).detach()

    metric, start = metric_of(Still(0.1)), linear(arcs(1, 0.5, 0.5)[0], 9)
    found = GaussNewton(9, refinement="none", subnodes=4).solve(metric, start)
    assert found.status == (CONVERGED,)


@pytest.mark.parametrize("raised", [torch.OutOfMemoryError, MemoryError, ValueError])
def test_a_path_is_kept_where_memory_runs_out_in_its_test(raised: type[Exception]) -> None:
    class Large(Turned):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            value = super()._score(x, sigma)
            if value.requires_grad:
                value.register_hook(self.fail)
            return value

        def fail(self, _: torch.Tensor) -> None:
            raise raised("2 GiB wanted")

    solver, start = GaussNewton(9, refinement="none", subnodes=4), linear(arcs(1, 0.5, 0.5)[0], 9)
    if raised is ValueError:
        with pytest.raises(ValueError, match="2 GiB"):
            solver.solve(metric_of(Large(0.1)), start)
        return
    found = solver.solve(metric_of(Large(0.1)), start)
    wanted = solver.solve(metric_of(Turned(0.1)), start)
    assert found.status == wanted.status == (CONVERGED,)
    torch.testing.assert_close(found.path, wanted.path)
    assert "memory ran out" in found.reason[0] and "2 GiB wanted" in found.reason[0]
    assert wanted.reason == ("",)

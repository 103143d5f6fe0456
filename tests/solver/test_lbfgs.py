"""L-BFGS against Gauss-Newton, its own coordinates, and what every solver promises."""

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
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, UNRESOLVED, Step
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.laplacian import from_path, smooth, to_path
from scoregeo.solver.lbfgs import LBFGS
from tests.fields import ShellScore, arcs, mixture, shell_field, wavy

FIELD = ScoreField(mixture(), 0.6)


def test_coordinates_are_a_square_root_of_the_inverse_laplacian() -> None:
    gradient = torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(to_path(from_path(gradient[0])), smooth(gradient)[0] / 9)
    y = torch.randn(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # One is the other's transpose, so that gradients go over by the chain rule.
    torch.testing.assert_close((to_path(y) * gradient[0]).sum(), (y * from_path(gradient[0])).sum())


@pytest.mark.parametrize(
    "quadrature, subnodes", [("trapezoid", 1), ("trapezoid", 3), ("simpson", 2)]
)
@pytest.mark.parametrize("lam", [1.0, 5.0])
def test_reaches_gauss_newtons_energy(quadrature: str, subnodes: int, lam: float) -> None:
    metric, start = SteinMetric(FIELD, lam), linear(wavy(2), 33)
    ours = LBFGS(33, quadrature, subnodes, tolerance=1e-10).solve(metric, start)
    newton = GaussNewton(33, quadrature, subnodes, tolerance=1e-8, max_iterations=200).solve(
        metric, start
    )
    assert ours.status == newton.status == (CONVERGED,)
    # Gauss-Newton's gradient is that of the exact log density; at the exact gradient's minimum the
    # energy can only be lower, by the square of the quadrature's error.
    assert float(ours.energy) <= float(newton.energy) * (1 + 1e-9)
    assert float(ours.energy) == pytest.approx(float(newton.energy), rel=1e-3)


@pytest.mark.parametrize(
    "metric",
    [
        SteinMetric(FIELD, 5.0),
        PullbackMetric(FIELD),
        ConformalMetric(FIELD, 0.3),
        EuclideanMetric(FIELD),
    ],
    ids=lambda m: m.name,
)
def test_ends_in_a_minimum_of_every_metrics_energy(metric: AbstractMetric) -> None:
    start = linear(wavy(2), 17)
    start[:, 1:-1] += 0.05
    solution = LBFGS(17, tolerance=1e-12).solve(metric, start)
    assert solution.status == (CONVERGED,)
    inner = solution.path[:, 1:-1].clone().requires_grad_(True)
    path = torch.cat([solution.path[:, :1], inner, solution.path[:, -1:]], 1)
    (gradient,) = torch.autograd.grad(metric.energy(path, Quadrature()).sum(), inner)
    slope = (gradient * smooth(gradient.flatten(2)).view_as(gradient)).sum() / 16
    # The squared gradient bounds what is left to gain, and 1e-12 of the energy was the last step's.
    assert float(slope) < 1e-8 * float(solution.energy)
    assert torch.equal(solution.path[:, [0, -1]], start[:, [0, -1]])


def test_iterations_do_not_grow_with_the_points() -> None:
    ends, _ = arcs(1, 1.5, 1.5)
    metric = SteinMetric(shell_field(0.3), 10.0)
    spent = [int(LBFGS(n).solve(metric, linear(ends, n)).iterations) for n in (33, 257)]
    assert spent[1] <= 1.5 * spent[0]


def test_counts_every_evaluation_and_pairs_are_separate() -> None:
    counted = CountingScore(ShellScore())
    ends, _ = arcs(3, 0.5, 2.0)
    metric, solver = SteinMetric(ScoreField(counted, 0.2), 30.0), LBFGS(17)
    together = solver.solve(metric, linear(ends, 17))
    # What measures the result, a pair: the energy, the gradient (both by forward evaluations), and
    # the certificate.
    assert counted.count == int(together.score_evaluations.sum()) + 3 * (17 + 17 + 65)
    assert (together.score_evaluations % (3 * 17) == 0).all()
    for pair in range(3):
        alone = solver.solve(metric, linear(ends[pair : pair + 1], 17))
        assert alone.score_evaluations[0] == together.score_evaluations[pair]
        # Sums over a batch and over one pair may round differently, and a line search magnifies
        # that.
        torch.testing.assert_close(alone.path[0], together.path[pair], rtol=0, atol=1e-6)


def test_a_rigid_motion_moves_the_geodesic_with_it() -> None:
    turn, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    )
    ends, _ = arcs(2, 1.0, 2.0)
    metric, solver = SteinMetric(shell_field(0.3), 10.0), LBFGS(17, tolerance=1e-10)
    plain, turned = (
        solver.solve(metric, linear(ends, 17)),
        solver.solve(metric, linear(ends @ turn, 17)),
    )
    # What is left to gain is 1e-10 of the energy, and a path's error goes as its root.
    torch.testing.assert_close(plain.path @ turn, turned.path, rtol=0, atol=1e-4)
    torch.testing.assert_close(plain.energy, turned.energy, rtol=1e-8, atol=0)


def test_budget_history_and_two_points() -> None:
    ends, _ = arcs(2, 1.0, 2.0)
    metric, steps = SteinMetric(shell_field(0.1), 100.0), list[Step]()
    short = LBFGS(17, max_iterations=3).solve(metric, linear(ends, 17), steps.append)
    assert short.status == (BUDGET, BUDGET) and short.reason[0] == "3 iterations are spent"
    assert [step.iteration for step in short.history] == [0, 1, 2, 3] and len(steps) == 3
    energies = torch.stack([step.energy for step in short.history])
    assert (energies.diff(dim=0) < 0).all()
    for step in steps:
        assert step.path is not None
        torch.testing.assert_close(
            metric.energy(step.path, Quadrature()), step.energy, rtol=1e-9, atol=0
        )
    two = LBFGS(2).solve(metric, linear(ends, 2))
    assert two.status == (UNRESOLVED, UNRESOLVED) and torch.equal(two.path, ends)


def test_a_score_that_breaks_keeps_the_last_good_path() -> None:
    class After(ShellScore):
        calls = 0

        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            self.calls += 1
            return x * torch.nan if self.calls == 8 else super()._score(x, sigma)

    ends, _ = arcs(1, 1.5, 1.5)
    steps: list[Step] = []
    solution = LBFGS(17).solve(
        SteinMetric(ScoreField(After(), 0.2), 30.0), linear(ends, 17), steps.append
    )
    assert solution.status == (FAILED,) and "the score is not finite" in solution.reason[0]
    assert float(solution.energy) < float(solution.history[0].energy)
    assert steps[-1].path is not None and torch.equal(solution.path, steps[-1].path)


def test_float32_paths_stay_float32() -> None:
    ends, _ = arcs(1, 1.0, 1.0)
    metric = SteinMetric(ScoreField(ShellScore(), 0.3), 10.0)
    single = LBFGS(17, tolerance=1e-4).solve(metric, linear(ends.float(), 17))
    double = LBFGS(17, tolerance=1e-4).solve(metric, linear(ends, 17))
    assert single.path.dtype == torch.float32 and single.status == (CONVERGED,)
    assert float(single.energy) == pytest.approx(float(double.energy), rel=1e-3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_points", 1),
        ("quadrature", "gauss"),
        ("subnodes", 0),
        ("history_size", 0),
        ("max_iterations", 0),
        ("tolerance", 0.0),
    ],
)
def test_bad_settings_name_the_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.{key} = "):
        LBFGS(**{key: value})  # type: ignore[arg-type]


def test_a_start_of_another_size_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"start has shape \[\d, 9.*solver.num_points = 8"):
        LBFGS(8).solve(SteinMetric(FIELD, 1.0), wavy(9))

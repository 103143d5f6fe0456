"""GEORCE against the minimum of its own energy, Gauss-Newton, and what every solver promises."""

import pytest
import torch
from scipy.optimize import minimize

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, UNRESOLVED, Step
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.georce import Georce, left_point_energy
from tests.fields import ShellScore, arcs, mixture, shell_field, wavy

FIELD = ScoreField(mixture(), 1.0)


def minimum_of_the_sum(metric: AbstractMetric, start: torch.Tensor) -> float:
    """The least `(n/2) sum u.g(x)u` that scipy's BFGS finds from `start`, with matrices and their
    autograd.
    """
    n = start.shape[1] - 1

    def objective(flat):  # type: ignore[no-untyped-def]
        inner = torch.from_numpy(flat).view(-1, 4).requires_grad_(True)
        path = torch.cat([start[0, :1], inner, start[0, -1:]])
        u = path.diff(dim=0)
        matrices = metric.matrix(path[:-1])
        value = 0.5 * n * torch.einsum("ni,nij,nj->", u, matrices, u)
        (gradient,) = torch.autograd.grad(value, inner)
        return value.item(), gradient.flatten().numpy()

    first = start[0, 1:-1].flatten().numpy()
    return float(minimize(objective, first, jac=True, method="BFGS", options={"gtol": 1e-8}).fun)


@pytest.mark.parametrize(
    "metric",
    [SteinMetric(FIELD, 1.0), SteinMetric(FIELD, 10.0), ConformalMetric(FIELD, 0.3)],
    ids=["stein_1", "stein_10", "conformal"],
)
def test_minimises_its_own_energy(metric: AbstractMetric) -> None:
    start = linear(wavy(2), 12)
    solution = Georce(12, tolerance=1e-12, max_iterations=500).solve(metric, start)
    assert solution.status == (CONVERGED,)
    own = left_point_energy(metric, solution.path)
    assert float(own) == pytest.approx(minimum_of_the_sum(metric, start), rel=1e-8)
    torch.testing.assert_close(solution.history[-1].energy, own, rtol=1e-12, atol=0)
    # What is reported is on the trapezoid rule.
    torch.testing.assert_close(solution.energy, metric.energy(solution.path, Quadrature()))


def test_tends_to_gauss_newtons_energy_with_the_points() -> None:
    metric, fine = SteinMetric(FIELD, 3.0), Quadrature("simpson", 4)
    gaps = []
    for points in (17, 33, 65):
        start = linear(wavy(2), points)
        ours = Georce(points, tolerance=1e-10, max_iterations=500).solve(metric, start)
        newton = GaussNewton(points, tolerance=1e-9, max_iterations=100).solve(metric, start)
        assert ours.status == newton.status == (CONVERGED,)
        gaps.append(float(metric.energy(ours.path, fine) / metric.energy(newton.path, fine)) - 1)
    # The left-point rule's path is off by order 1 in the segments' length, and the energy near its
    # minimum by the square.
    assert gaps[0] > 0 and gaps[1] < gaps[0] / 3 and gaps[2] < gaps[1] / 3


def test_counts_every_evaluation() -> None:
    counted = CountingScore(ShellScore())
    ends, _ = arcs(3, 0.5, 2.0)
    solution = Georce(17).solve(SteinMetric(ScoreField(counted, 0.3), 10.0), linear(ends, 17))
    # What measures the result, a pair: the energy, the gradient (both by forward evaluations), and
    # the certificate.
    assert counted.count == int(solution.score_evaluations.sum()) + 3 * (17 + 17 + 65)


def test_pairs_do_not_touch_each_other_and_ends_stay() -> None:
    ends, _ = arcs(3, 0.5, 2.0)
    metric, solver = SteinMetric(shell_field(0.3), 10.0), Georce(17)
    together = solver.solve(metric, linear(ends, 17))
    assert torch.equal(together.path[:, [0, -1]], ends)
    for pair in range(3):
        alone = solver.solve(metric, linear(ends[pair : pair + 1], 17))
        torch.testing.assert_close(alone.path[0], together.path[pair], rtol=1e-8, atol=1e-10)
        assert alone.score_evaluations[0] == together.score_evaluations[pair]


def test_a_rigid_motion_moves_the_geodesic_with_it() -> None:
    turn, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    )
    ends, _ = arcs(2, 0.8, 1.2)
    metric, solver = SteinMetric(shell_field(0.3), 3.0), Georce(17)
    plain, turned = (
        solver.solve(metric, linear(ends, 17)),
        solver.solve(metric, linear(ends @ turn, 17)),
    )
    torch.testing.assert_close(plain.path @ turn, turned.path, rtol=1e-6, atol=1e-8)


def test_budget_history_and_two_points() -> None:
    ends, _ = arcs(2, 1.0, 2.0)
    metric, steps = SteinMetric(shell_field(0.1), 100.0), list[Step]()
    short = Georce(17, max_iterations=3).solve(metric, linear(ends, 17), steps.append)
    assert short.status == (BUDGET, BUDGET) and short.reason[0] == "3 iterations are spent"
    energies = torch.stack([step.energy for step in short.history])
    assert len(energies) == 4 and (energies.diff(dim=0) < 0).all()
    for step in steps:
        assert step.path is not None
        torch.testing.assert_close(
            left_point_energy(metric, step.path), step.energy, rtol=1e-9, atol=0
        )
    two = Georce(2).solve(metric, linear(ends, 2))
    assert two.status == (UNRESOLVED, UNRESOLVED) and torch.equal(two.path, ends)


class BrokenBelow(ShellScore):
    """NaN for points whose third coordinate is below -0.5."""

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.where(x[:, 2:3] < -0.5, torch.nan, super()._score(x, sigma))


def test_a_score_that_breaks_spares_the_other_pairs_and_keeps_the_last_good_path() -> None:
    class After(ShellScore):
        calls = 0

        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            self.calls += 1
            return x * torch.nan if self.calls > 12 else super()._score(x, sigma)

    ends, _ = arcs(1, 1.5, 1.5)
    steps: list[Step] = []

    # It is whole again when the result is measured.
    def stop(step: Step) -> None:
        steps.append(step)
        if len(steps) > 1 and torch.equal(step.energy, steps[-2].energy):
            score.calls = -1000

    score = After()
    solution = Georce(17).solve(SteinMetric(ScoreField(score, 0.2), 30.0), linear(ends, 17), stop)
    assert solution.status == (FAILED,) and "score" in solution.reason[0]
    assert steps[-1].path is not None and torch.equal(solution.path, steps[-1].path)
    assert float(steps[-1].energy) < float(solution.history[0].energy)

    # The second pair's geodesic dips into the broken region, its chord does not.
    low = -0.45
    side = (1 - low**2) ** 0.5
    turned = torch.tensor([2.0], dtype=torch.float64)
    far = torch.tensor(
        [[side, 0, low], [side * float(turned.cos()), side * float(turned.sin()), low]],
        dtype=torch.float64,
    )
    both = torch.cat([arcs(1, 0.6, 0.6)[0] * torch.tensor([1.0, 1.0, 0.0]), far[None]])
    both[0] = torch.nn.functional.normalize(both[0], dim=1)
    broken = Georce(17).solve(SteinMetric(ScoreField(BrokenBelow(), 0.1), 10.0), linear(both, 17))
    alone = Georce(17).solve(
        SteinMetric(ScoreField(BrokenBelow(), 0.1), 10.0), linear(both[:1], 17)
    )
    torch.testing.assert_close(broken.path[0], alone.path[0], rtol=1e-8, atol=1e-10)
    assert broken.path.isfinite().all() and float(broken.history[-1].energy[1]) < float(
        broken.history[0].energy[1]
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_points", 1),
        ("max_iterations", 0),
        ("tolerance", 0.0),
        ("shrink", 1.0),
        ("shrink", 0.0),
    ],
)
def test_bad_settings_name_the_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.{key} = "):
        Georce(**{key: value})  # type: ignore[arg-type]


def test_a_start_of_another_size_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"start has shape \[\d, 9.*solver.num_points = 8"):
        Georce(8).solve(SteinMetric(FIELD, 1.0), wavy(9))

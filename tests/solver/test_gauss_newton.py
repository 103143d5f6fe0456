"""Gauss-Newton against known geodesics, another minimiser, and its own promises."""

from itertools import pairwise

import pytest
import torch
from scipy.optimize import minimize

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import arc_length
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, UNRESOLVED, Step
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.laplacian import stationarity
from scoregeo.solver.lbfgs import LBFGS
from tests.fields import Curl, MixtureScore, ShellScore, arcs, mixture, shell_field, wavy


@pytest.mark.parametrize("ambient", [3, 50])
@pytest.mark.parametrize("num_points", [16, 64, 256])
def test_great_circles_in_a_dozen_evaluations_a_point(ambient: int, num_points: int) -> None:
    ends, angles = arcs(8, 0.4, 2.4, ambient)
    solution = GaussNewton(num_points, refinement="none").solve(
        SteinMetric(shell_field(0.05, ambient), 1000.0), linear(ends, num_points)
    )
    # The plain rule does not resolve these paths, and says so.
    assert set(solution.status) <= {CONVERGED, UNRESOLVED}
    error = (arc_length(solution.path) / angles - 1).abs()
    # Inside a shell of thickness sigma a path may be shorter by about sigma^2; 16 points leave
    # segments of 3 sigma.
    assert error.max() < (0.05 if num_points == 16 else 0.01)
    assert solution.score_evaluations.max() <= {16: 12, 64: 12, 256: 20}[num_points] * num_points


def test_subnodes_hold_the_path_on_the_ridge() -> None:
    # One residual a segment lets the first segment leap over the ridge of the density for nothing;
    # a finer rule shows it.
    ends, angles = arcs(4, 1.0, 2.4)
    metric, fine = SteinMetric(shell_field(), 1000.0), Quadrature("trapezoid", 16)
    truth = angles**2 / 2
    leaping = GaussNewton(64, refinement="none").solve(metric, linear(ends, 64))
    held = GaussNewton(64, subnodes=2).solve(metric, linear(ends, 64))
    assert (metric.energy(leaping.path, fine) > 1.2 * truth).all()
    assert (metric.energy(held.path, fine) < 1.03 * truth).all()
    assert ((arc_length(held.path) / angles - 1).abs() < 0.004).all()
    assert leaping.tunnelled.all() and not held.tunnelled.any()
    assert all("tunnels" in reason and "solver.subnodes" in reason for reason in leaping.reason)


def test_leaps_are_found_and_mended_with_finer_parts() -> None:
    ends, angles = arcs(4, 1.0, 2.4)
    counted = CountingScore(ShellScore())
    metric, fine = SteinMetric(ScoreField(counted, 0.05), 1000.0), Quadrature("trapezoid", 16)
    mended = GaussNewton(64, max_subnodes=4).solve(metric, linear(ends, 64))
    assert counted.count == int((mended.score_evaluations + mended.certificate_evaluations).sum())
    assert set(mended.status) == {CONVERGED} and not mended.tunnelled.any()
    assert (metric.energy(mended.path, fine) < 1.03 * angles**2 / 2).all()
    scratch = GaussNewton(64, subnodes=4).solve(metric, linear(ends, 64))
    assert mended.score_evaluations.sum() < scratch.score_evaluations.sum()


@pytest.mark.parametrize("ambient", [3, 50])
def test_coarse_grids_first_cost_less_and_end_at_a_geodesic(ambient: int) -> None:
    ends, angles = arcs(4, 0.4, 2.4, ambient)
    metric = SteinMetric(shell_field(0.05, ambient), 1000.0)
    fine = GaussNewton(256, refinement="none").solve(metric, linear(ends, 256))
    coarse = GaussNewton(256, coarsest=16).solve(metric, linear(ends, 256))
    assert set(coarse.status) == {UNRESOLVED}
    assert coarse.score_evaluations.sum() < 0.8 * fine.score_evaluations.sum()
    # A coarse grid leaps over the ridge at both ends, about sigma^2 = 0.0025 each way; the leap
    # stays.
    assert ((arc_length(coarse.path) - angles).abs() < 4 * 0.0025 + 0.005 * angles).all()
    assert torch.equal(coarse.path[:, [0, -1]], ends)


def test_a_good_start_is_not_left_and_a_far_one_is_continued() -> None:
    ends, _ = arcs(2, 1.0, 2.0)
    metric = SteinMetric(shell_field(0.1), 100.0)
    near = GaussNewton(33).solve(metric, linear(ends, 33)).path
    auto, never, always = (
        GaussNewton(33, continuation=c, tolerance=1e-8) for c in ("auto", False, True)
    )
    assert torch.equal(auto.solve(metric, near).path, never.solve(metric, near).path)
    assert torch.equal(
        auto.solve(metric, linear(ends, 33)).path, always.solve(metric, linear(ends, 33)).path
    )


@pytest.mark.parametrize("weight", [0.5, 5.0])
def test_a_score_that_is_no_gradient_ends_converged_or_says_why(weight: float) -> None:
    ends, _ = arcs(6, 0.5, 2.4)
    solution = GaussNewton(33).solve(
        SteinMetric(ScoreField(Curl(weight), 0.1), 1000.0), linear(ends, 33)
    )
    for status, reason in zip(solution.status, solution.reason, strict=True):
        assert status == CONVERGED or reason
    assert BUDGET not in solution.status
    assert (
        solution.energy
        <= SteinMetric(ScoreField(Curl(weight), 0.1), 1000.0).energy(linear(ends, 33), Quadrature())
    ).all()


def test_agrees_with_a_quasi_newton_minimum_of_the_exact_energy() -> None:
    score, sigma, lam, points = mixture(), 0.4, 5.0, 12
    start = linear(wavy(12)[:, [0, -1]], points)
    # A fine rule, so that the solver's energy is the exact one that scipy sees.
    solver = GaussNewton(points, "simpson", 8, tolerance=1e-10, max_iterations=200)
    solution = solver.solve(SteinMetric(ScoreField(score, sigma), lam), start)

    def exact(inner: torch.Tensor) -> torch.Tensor:
        path = torch.cat([start[0, :1], inner, start[0, -1:]])
        u = torch.linspace(0, 1, 9, dtype=torch.float64)[None, :, None]
        d = path.diff(dim=0)
        log_p = score.log_density((path[:-1, None] + u * d[:, None]).reshape(-1, 4), sigma).reshape(
            -1, 9
        )
        return 0.5 * len(d) * (d.square().sum() + lam * 8 * log_p.diff(dim=1).square().sum())

    def objective(flat):  # type: ignore[no-untyped-def]
        inner = torch.from_numpy(flat).reshape(-1, 4).requires_grad_(True)
        value = exact(inner)
        (gradient,) = torch.autograd.grad(value, inner)
        return value.item(), gradient.flatten().numpy()

    found = minimize(
        objective,
        start[0, 1:-1].flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9},
    )
    assert solution.status == (CONVERGED,)
    assert float(solution.energy) == pytest.approx(found.fun, rel=1e-5)
    assert float(solution.stationarity) < 1e-3


def test_counts_every_evaluation_and_needs_no_backward_pass() -> None:
    class NoGrad(ShellScore):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            assert not torch.is_grad_enabled() and not x.requires_grad
            return super()._score(x, sigma)

    counted = CountingScore(NoGrad())
    ends, _ = arcs(5, 0.5, 2.0)
    solution = GaussNewton(20, subnodes=2).solve(
        SteinMetric(ScoreField(counted, 0.1), 100.0), linear(ends, 20)
    )
    assert counted.count == int(
        (solution.score_evaluations + solution.certificate_evaluations).sum()
    )


def test_pairs_do_not_touch_each_other() -> None:
    ends, _ = arcs(4, 0.5, 2.0)
    metric, solver = SteinMetric(shell_field(0.1), 100.0), GaussNewton(20)
    together = solver.solve(metric, linear(ends, 20))
    for pair in range(4):
        alone = solver.solve(metric, linear(ends[pair : pair + 1], 20))
        torch.testing.assert_close(alone.path[0], together.path[pair], rtol=1e-8, atol=1e-10)
        assert alone.iterations[0] == together.iterations[pair]


def test_rotating_space_rotates_the_geodesic() -> None:
    turn, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    )
    ends, _ = arcs(2, 1.0, 2.0)
    metric, solver = SteinMetric(shell_field(0.1), 100.0), GaussNewton(20)
    plain, turned = (
        solver.solve(metric, linear(ends, 20)),
        solver.solve(metric, linear(ends @ turn, 20)),
    )
    torch.testing.assert_close(plain.path @ turn, turned.path, rtol=1e-6, atol=1e-8)


class BrokenAway(ShellScore):
    """NaN for points whose third coordinate is below -0.5."""

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.where(x[:, 2:3] < -0.5, torch.nan, super()._score(x, sigma))


def test_a_bad_score_on_one_pair_spares_the_others() -> None:
    angles = torch.tensor([1.0, 2.0], dtype=torch.float64)
    above = torch.stack(
        [
            torch.tensor([1.0, 0, 0]).double(),
            torch.stack([angles[0].cos(), angles[0].sin(), angles[0] * 0]),
        ]
    )
    # The second pair's chord stays above the broken region, its geodesic dips into it.
    low = -torch.tensor(0.45, dtype=torch.float64)
    side = (1 - low**2).sqrt()
    below = torch.stack(
        [
            torch.stack([side, low * 0, low]),
            torch.stack([side * angles[1].cos(), side * angles[1].sin(), low]),
        ]
    )
    ends = torch.stack([above, below])
    solution = GaussNewton(32).solve(
        SteinMetric(ScoreField(BrokenAway(), 0.05), 1000.0), linear(ends, 32)
    )
    assert solution.status == (UNRESOLVED, FAILED)
    alone = GaussNewton(32).solve(SteinMetric(shell_field(), 1000.0), linear(ends[:1], 32))
    # Matrix products of a batch and of one differ in the last digits.
    torch.testing.assert_close(solution.path[0], alone.path[0], rtol=0, atol=1e-9)
    # What is returned for the failed pair is the last good path, further than where it started.
    assert solution.path[1].isfinite().all() and not torch.equal(
        solution.path[1], linear(ends, 32)[1]
    )


def test_a_score_that_breaks_after_the_start_is_named_failed() -> None:
    class OnceOnly(AbstractScore):
        calls = 0

        @property
        def shape(self) -> tuple[int, ...]:
            return (3,)

        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            self.calls += 1
            return ShellScore()._score(x, sigma) if self.calls == 1 else x * torch.nan

    ends, _ = arcs(2, 1.0, 2.0)
    start = linear(ends, 10)
    solution = GaussNewton(10).solve(SteinMetric(ScoreField(OnceOnly(), 0.1), 10.0), start)
    assert solution.status == (FAILED, FAILED)
    torch.testing.assert_close(solution.path, start)


def test_budget_two_points_and_the_flat_metric() -> None:
    ends, angles = arcs(2, 1.0, 2.0)
    metric = SteinMetric(shell_field(), 1000.0)
    assert set(GaussNewton(32, max_iterations=2).solve(metric, linear(ends, 32)).status) == {BUDGET}
    two = GaussNewton(2).solve(metric, linear(ends, 2))
    assert set(two.status) == {UNRESOLVED} and torch.equal(two.path, ends)
    flat = GaussNewton(8).solve(
        EuclideanMetric(),
        linear(ends, 8) + torch.nn.functional.pad(torch.ones(2, 6, 3), (0, 0, 1, 1)),
    )
    torch.testing.assert_close(flat.path, linear(ends, 8))
    assert flat.score_evaluations.sum() == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_points", 1),
        ("num_points", 2.5),
        ("quadrature", "gauss"),
        ("subnodes", 0),
        ("subnodes", 10_000_000),
        ("max_iterations", 0),
        ("tolerance", 0.0),
        ("damping", -1.0),
    ],
)
def test_bad_settings_name_the_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.{key} = "):
        GaussNewton(**{key: value})  # type: ignore[arg-type]


def test_a_start_of_another_size_is_refused() -> None:
    ends, _ = arcs(1, 1.0, 1.0)
    with pytest.raises(ConfigError, match=r"\[1, 9, 3\].*solver.num_points = 8"):
        GaussNewton(8).solve(SteinMetric(shell_field(), 1.0), linear(ends, 9))


def test_the_exact_gradient_goes_further_down_on_a_score_that_is_no_gradient() -> None:
    ends, _ = arcs(3, 0.5, 2.0)
    counted = CountingScore(Curl(2.0))
    metric, start = SteinMetric(ScoreField(counted, 0.1), 100.0), linear(ends, 17)
    assumed = GaussNewton(17).solve(metric, start)
    counted.count = 0
    exact = GaussNewton(17, differentiate_score=True, tolerance=1e-6, max_iterations=200).solve(
        metric, start
    )
    assert counted.count == int((exact.score_evaluations + exact.certificate_evaluations).sum())
    assert (exact.energy <= 1.001 * assumed.energy).all() and (
        exact.energy < 0.99 * assumed.energy
    ).any()
    # It is the true gradient that vanishes.
    left = [
        stationarity(autograd_gradient(metric, one.path, Quadrature()), one.energy)
        for one in (exact, assumed)
    ]
    assert (left[0] < 0.5 * left[1]).all()


@pytest.mark.parametrize(("rule", "parts"), [("trapezoid", 1), ("trapezoid", 2), ("simpson", 1)])
def test_with_the_exact_gradient_it_ends_where_lbfgs_ends(rule: str, parts: int) -> None:
    # A mild curl and a wide blur, so that there is one minimum to end at.
    ends, _ = arcs(2, 0.5, 1.2)
    metric, start = SteinMetric(ScoreField(Curl(0.5), 0.3), 10.0), linear(ends, 9)
    mine = GaussNewton(9, rule, parts, differentiate_score=True, tolerance=1e-6).solve(
        metric, start
    )
    other = LBFGS(9, rule, parts, tolerance=1e-6).solve(metric, start)
    assert set(mine.status) <= {CONVERGED, UNRESOLVED}
    # Both stop where a step gains 1e-6 of the energy; ten such steps may be left.
    torch.testing.assert_close(mine.energy, other.energy, rtol=1e-5, atol=0)


def test_a_jacobian_that_breaks_spares_the_other_pairs_and_is_named() -> None:
    class Kinked(ShellScore):
        """Finite everywhere; below -0.5 in the third coordinate its derivative is not."""

        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            low = x[:, 2:3] < -0.5
            root = torch.where(low, x[:, 2:3] * 0, 1.0).sqrt()
            return super()._score(x, sigma) + torch.where(low, root, 0.0)

    angle = torch.tensor(1.0, dtype=torch.float64)
    flat = torch.stack(
        [torch.tensor([1.0, 0, 0]).double(), torch.stack([angle.cos(), angle.sin(), angle * 0])]
    )
    side = (1 - torch.tensor(0.45).double() ** 2).sqrt()
    low = torch.stack(
        [
            torch.stack([side, angle * 0, angle * 0 - 0.45]),
            torch.stack([-side, angle * 0 + 1e-2, angle * 0 - 0.45]),
        ]
    )
    counted = CountingScore(Kinked())
    metric, ends = SteinMetric(ScoreField(counted, 0.1), 100.0), torch.stack([flat, low])
    solution = GaussNewton(17, differentiate_score=True, max_iterations=100).solve(
        metric, linear(ends, 17)
    )
    assert solution.status == (UNRESOLVED, FAILED)
    assert "not finite" in solution.reason[1] and solution.path.isfinite().all()
    assert counted.count == int(
        (solution.score_evaluations + solution.certificate_evaluations).sum()
    )


def test_an_accepted_step_costs_three_evaluations_a_point_and_a_rejected_one_one() -> None:
    ends, _ = arcs(1, 2.0, 2.0)
    seen: list[tuple[int, torch.Tensor]] = []

    def keep(step: Step) -> None:
        assert step.path is not None
        seen.append((int(step.score_evaluations), step.path.clone()))

    metric = SteinMetric(ScoreField(Curl(2.0), 0.1), 1000.0)
    GaussNewton(17, differentiate_score=True, damping=0.0).solve(metric, linear(ends, 17), keep)
    seen.insert(0, (3 * 17, linear(ends, 17)))  # the start, with its backward pass
    costs = {
        (after[0] - before[0], torch.equal(after[1], before[1])) for before, after in pairwise(seen)
    }
    assert (
        costs <= {(3 * 17, False), (17, True), (0, True)} and {(3 * 17, False), (17, True)} <= costs
    )


def test_a_step_made_small_by_damping_is_not_called_converged() -> None:
    """Between narrow peaks at sigma 0.2 every trial is refused until the damping is 1e5 to 1e8: the
    gradient is far from zero.
    """
    draws = torch.Generator().manual_seed(39)
    centres = 1.5 * torch.randn(6, 2, generator=draws, dtype=torch.float64)
    ends = 2 * torch.randn(4, 2, 2, generator=draws, dtype=torch.float64)
    metric = SteinMetric(ScoreField(MixtureScore(centres, spread=0.1), 0.2), 1000.0)
    solution = GaussNewton(33, subnodes=2, max_iterations=200).solve(metric, linear(ends, 33))
    assert set(solution.status) == {STALLED} and float(solution.stationarity.min()) > 1
    assert all(
        "no step of any length" in reason or "shrunk by the damping" in reason
        for reason in solution.reason
    )


def test_a_start_at_the_minimum_is_converged_although_no_step_lowers_its_energy() -> None:
    ends, _ = arcs(4, 0.4, 2.4)
    metric = SteinMetric(shell_field(), 1.0)
    found = GaussNewton(32, subnodes=2, tolerance=1e-9, max_iterations=200).solve(
        metric, linear(ends, 32)
    )
    again = GaussNewton(32, subnodes=2).solve(metric, found.path)
    assert set(again.status) == {CONVERGED}
    torch.testing.assert_close(again.energy, found.energy, rtol=1e-6, atol=0)

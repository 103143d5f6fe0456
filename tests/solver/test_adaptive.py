"""Adaptive refinement: near the best energy on a fine rule, at few evaluations, all counted."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore
from scoregeo.score.torus import TorusScore
from scoregeo.solver.base import CONVERGED, FAILED, Step
from scoregeo.solver.gauss_newton import GaussNewton
from tests.fields import ShellScore, arcs, shell_field

FINE = Quadrature("trapezoid", 32)
SIGMA = 0.05


def adaptive(num_points: int, **settings: object) -> GaussNewton:
    return GaussNewton(num_points, refinement="adaptive", **settings)  # type: ignore[arg-type]


def family(name: str, pairs: int) -> tuple[AbstractScore, torch.Tensor]:
    if name == "torus":
        return TorusScore(1.0, 0.4), Torus(num_pairs=pairs).pairs(0).ends
    ambient = 3 if name == "sphere" else 50
    return SphereScore(2, ambient), Sphere(2, ambient, num_pairs=pairs).pairs(0).ends


@pytest.mark.parametrize("name", ["sphere", "torus", "sphere_r50"])
@pytest.mark.parametrize("lam", [1.0, 1000.0])
def test_near_the_best_energy_on_a_fine_rule(name: str, lam: float) -> None:
    score, ends = family(name, 16)
    counted = CountingScore(score)
    metric, start = SteinMetric(ScoreField(counted, SIGMA), lam), linear(ends, 64)
    found = adaptive(64).solve(metric, start)
    assert counted.count == int((found.score_evaluations + found.certificate_evaluations).sum())
    assert (found.score_evaluations <= (15 if lam == 1 else 40) * 64).all()
    # The best: four sub-nodes everywhere, from there.
    better = GaussNewton(64, subnodes=4, continuation=False, tolerance=1e-6).solve(
        metric, found.path
    )
    best = torch.minimum(metric.energy(found.path, FINE), metric.energy(better.path, FINE))
    assert (metric.energy(found.path, FINE) <= (1.01 if lam == 1 else 1.03) * best).all()
    # At lam 1000 the gradient of one pair on the torus is not small.
    assert sum(status == CONVERGED for status in found.status) >= 15 and not found.tunnelled.any()
    assert torch.equal(found.path[:, [0, -1]], ends)


def test_the_lengths_of_great_circles() -> None:
    ends, angles = arcs(8, 0.4, 2.4)
    metric = SteinMetric(shell_field(SIGMA), 1000.0)
    found = adaptive(64).solve(metric, linear(ends, 64))
    assert (metric.energy(found.path, FINE) < 1.03 * angles**2 / 2).all()


def test_pairs_do_not_touch_each_other() -> None:
    ends, _ = arcs(4, 0.5, 2.0)
    metric, solver = SteinMetric(shell_field(0.1), 100.0), adaptive(33)
    together = solver.solve(metric, linear(ends, 33))
    for pair in range(4):
        alone = solver.solve(metric, linear(ends[pair : pair + 1], 33))
        torch.testing.assert_close(alone.path[0], together.path[pair], rtol=1e-8, atol=1e-10)
        assert alone.score_evaluations[0] == together.score_evaluations[pair]


@pytest.mark.parametrize(("points", "sigma", "lam"), [(33, 0.1, 100.0), (8, 0.05, 1000.0)])
def test_steps_end_with_the_solution(points: int, sigma: float, lam: float) -> None:
    """Also of pairs that are done before others."""
    ends, _ = arcs(4, 0.5, 2.4)
    seen: list[Step] = []
    metric = SteinMetric(shell_field(sigma), lam)
    found = adaptive(points).solve(metric, linear(ends, points), seen.append)
    assert torch.equal(seen[-1].score_evaluations, found.score_evaluations)
    assert seen[-1].path is not None and torch.equal(seen[-1].path, found.path)
    torch.testing.assert_close(seen[-1].energy, found.energy)


def test_a_bad_score_on_one_pair_spares_the_others() -> None:
    class Broken(ShellScore):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return torch.where(x[:, 2:3] < -0.5, torch.nan, super()._score(x, sigma))

    one, low = torch.ones((), dtype=torch.float64), torch.tensor(-0.45, dtype=torch.float64)
    side = (1 - low**2).sqrt()
    fine = torch.stack([one, 0 * one, 0 * one, (0 * one).cos() * 0.5, 0.75**0.5 * one, 0 * one])
    bad = torch.stack([side, 0 * one, low, side * (2 * one).cos(), side * (2 * one).sin(), low])
    ends = torch.stack([fine, bad]).view(2, 2, 3)
    metric = SteinMetric(ScoreField(Broken(), SIGMA), 1000.0)
    found = adaptive(33).solve(metric, linear(ends, 33))
    assert found.status == (CONVERGED, FAILED) and found.path.isfinite().all()


def test_few_points_and_float32() -> None:
    ends, _ = arcs(2, 1.0, 2.0)
    metric = SteinMetric(shell_field(), 1000.0)
    two = adaptive(2).solve(metric, linear(ends, 2))
    assert torch.equal(two.path, ends)
    single = adaptive(33).solve(metric, linear(ends.float(), 33))
    double = adaptive(33).solve(metric, linear(ends, 33))
    assert single.path.dtype == torch.float32
    torch.testing.assert_close(single.energy, double.energy, rtol=1e-2, atol=0)


def test_a_path_of_its_two_ends_is_no_stalled_one() -> None:
    metric = SteinMetric(ScoreField(SphereScore(dimension=2, ambient=3), sigma=0.1), 1000.0)
    ends = torch.eye(3).double()[None, :2]
    found = adaptive(2).solve(metric, linear(ends, 2))
    fine = float(metric.energy(found.path, Quadrature("trapezoid", 1024)))
    assert float(found.energy) == pytest.approx(fine, rel=1e-2)
    assert found.status == (CONVERGED,) and found.reason == ("",)


def test_a_start_of_whole_or_not_finite_numbers_is_refused() -> None:
    metric = SteinMetric(shell_field(), 1000.0)
    path = linear(arcs(1, 1.0, 2.0)[0], 64)
    for start in (path.long(), path * torch.nan, path / 0):
        for refinement in ("adaptive", "none"):
            with pytest.raises(DataError, match="finite floating-point numbers"):
                GaussNewton(64, refinement=refinement).solve(metric, start)


def test_equal_ends_cost_no_refinement() -> None:
    score = CountingScore(SphereScore(dimension=2, ambient=3))
    metric = SteinMetric(ScoreField(score, sigma=0.1), 1000.0)
    point = torch.eye(3).double()[None, :1].repeat(1, 2, 1)
    found = adaptive(64).solve(metric, linear(point, 64))
    assert found.status == (CONVERGED,) and float(found.energy) == 0
    assert int(found.score_evaluations) < 4 * 64
    assert score.count == int(found.score_evaluations + found.certificate_evaluations)


@pytest.mark.parametrize(
    ("setting", "value"), [("subnodes", 2), ("quadrature", "simpson"), ("max_subnodes", 4)]
)
def test_settings_of_the_plain_rule_are_refused_or_followed(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"solver\.{setting}"):
        adaptive(8, **{setting: value})
    assert not GaussNewton(64, **{setting: value}).adaptive  # type: ignore[arg-type]
    assert GaussNewton().adaptive and GaussNewton(49).adaptive
    assert not GaussNewton(48).adaptive and not GaussNewton(refinement="none").adaptive
    with pytest.raises(ConfigError, match=r"solver\.refinement = 'some'"):
        GaussNewton(8, refinement="some")


@pytest.mark.parametrize("points", [8, 17])
def test_few_points_do_not_tunnel(points: int) -> None:
    """A chord of the sphere has `s . d = 0` at both ends and in the middle."""
    _, ends = family("sphere", 16)
    metric = SteinMetric(shell_field(SIGMA), 1000.0)
    found = adaptive(points).solve(metric, linear(ends, points))
    fine = metric.energy(found.path, Quadrature("trapezoid", 64))
    assert (fine <= 1.02 * found.energy).all() and not found.tunnelled.any()
    plain = GaussNewton(points, refinement="none").solve(metric, linear(ends, points))
    assert (fine <= 1.001 * metric.energy(plain.path, Quadrature("trapezoid", 64))).all()


def test_a_start_that_a_coarse_grid_cannot_hold_is_kept() -> None:
    ends, _ = arcs(1, 1.5, 1.5)
    metric = SteinMetric(shell_field(), 1000.0)
    solved = adaptive(65).solve(metric, linear(ends, 65)).path
    rough = solved.clone()
    rough[:, 1:-1:2] += 0.05
    grids: list[int | None] = []
    adaptive(65).solve(
        metric, rough, lambda step: grids.append(None if step.path is None else step.path.shape[1])
    )
    assert None not in grids

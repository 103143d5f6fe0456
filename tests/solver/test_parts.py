"""Solves in parts: the same answers whatever the memory limit, and its refusal."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

import scoregeo
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore
from scoregeo.solver.base import AbstractSolver, Solution, Step
from scoregeo.solver.multistart import solve_multistart
from scoregeo.solver.parts import pairs_at_once
from tests.fields import QuarticShell

GIB = 2**30
SOLVERS = (
    scoregeo.GaussNewton(num_points=17, subnodes=2, max_iterations=8),
    scoregeo.GaussNewton(num_points=9, differentiate_score=True, max_iterations=6),
    scoregeo.Georce(num_points=9, max_iterations=5),
    scoregeo.LBFGS(num_points=9, max_iterations=5),
    scoregeo.Adam(num_points=9, iterations=5),
)


def case(pairs: int = 7) -> tuple[SteinMetric, torch.Tensor]:
    ends = torch.randn(pairs, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ends = ends / ends.norm(dim=2, keepdim=True)
    return SteinMetric(ScoreField(QuarticShell(), 0.3), lam=10.0), ends


def limit_of(solver: AbstractSolver, start: torch.Tensor, pairs: int) -> float:
    """A limit in GiB that `pairs` pairs fit into, and no more."""
    return (3 * start.nbytes + (pairs + 0.5) * solver.pair_bytes(start[0, 0].numel())) / GIB


def assert_same(found: Solution, wanted: Solution) -> None:
    """Counts and words equal, numbers up to the last digits of matrix products of a batch."""
    for item in fields(Solution):
        one, other = getattr(found, item.name), getattr(wanted, item.name)
        if isinstance(one, torch.Tensor):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11, msg=item.name)
        elif item.name == "history":
            assert len(one) == len(other)
            for a, b in zip(one, other, strict=True):
                assert a.iteration == b.iteration
                torch.testing.assert_close(a.energy, b.energy, rtol=1e-9, atol=1e-11)
                assert torch.equal(a.score_evaluations, b.score_evaluations)
        elif item.name != "seconds":
            assert one == other, item.name


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: f"{type(s).__name__}{s.num_points}")
def test_a_solve_in_parts_gives_the_same(solver: AbstractSolver) -> None:
    metric, ends = case()
    start = linear(ends, solver.num_points)
    whole = solver.solve(metric, start)
    with scoregeo.memory_limit(limit_of(solver, start, 3)):
        assert pairs_at_once(solver, start) == 3  # 3, 3 and 1
        assert_same(solver.solve(metric, start), whole)


def test_a_hard_pair_costs_the_others_nothing() -> None:
    """Every evaluation that is spent is charged to a pair that still ran, and to no other."""
    score = CountingScore(SphereScore(2, 3))
    metric = SteinMetric(ScoreField(score, 0.05), lam=1000.0)
    index = torch.tensor([[0, 1], [1, 2], [0, 2], [0, 0]])
    ends = torch.eye(3, dtype=torch.float64)[index]
    ends[3, 1] = torch.tensor([-1.0, 1e-6, 0.0])  # opposite
    solver = scoregeo.GaussNewton(num_points=32, subnodes=2)
    spent = []
    for pairs in (4, 3):
        score.count = 0
        found = solver.solve(metric, linear(ends[:pairs], 32))
        charged = int((found.score_evaluations + found.certificate_evaluations).sum())
        assert score.count == charged
        spent.append(found.score_evaluations.tolist())
    assert spent[0][:3] == spent[1]
    assert len(set(spent[0])) > 1  # pairs leave the batch at different times


def test_several_starts_in_parts_keep_the_same_paths() -> None:
    metric, ends = case()
    solver = SOLVERS[0]
    line = linear(ends, 17)
    starts = torch.stack([line, line + 0.3 * torch.sin(torch.linspace(0, 3.1416, 17))[:, None]], 1)
    starts[:, :, [0, -1]] = line[:, None, [0, -1]]
    whole, kept = solve_multistart(solver, metric, starts)
    with scoregeo.memory_limit(limit_of(solver, starts.flatten(0, 1), 5)):
        parts, again = solve_multistart(solver, metric, starts)
    assert torch.equal(kept, again)
    assert_same(parts, whole)


def test_steps_are_reported_of_all_pairs_and_end_at_the_solution() -> None:
    metric, ends = case()
    solver = SOLVERS[0]
    start = linear(ends, 17)
    steps: list[Step] = []
    with scoregeo.memory_limit(limit_of(solver, start, 3)):
        found = solver.solve(metric, start, steps.append)
    assert all(len(step.energy) == 7 for step in steps)
    assert steps[0].energy[3:].isnan().all() and steps[0].energy[:3].isfinite().all()
    assert torch.equal(steps[-1].energy, found.energy)
    assert torch.equal(steps[-1].score_evaluations, found.score_evaluations)
    assert steps[-1].path is not None and torch.equal(steps[-1].path, found.path)


def test_a_limit_below_one_pair_s_need_is_refused_with_what_is_needed() -> None:
    metric, ends = case(1)
    solver = scoregeo.GaussNewton(num_points=65, subnodes=4)
    start = linear(ends, 65)
    needed = solver.pair_bytes(3) / GIB
    evaluated = []

    class Watched(QuarticShell):
        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            evaluated.append(len(x))
            return super()._score(x, sigma)

    watched = SteinMetric(ScoreField(Watched(), 0.3), lam=30.0)
    with (
        scoregeo.memory_limit(needed / 2),
        pytest.raises(ConfigError, match=r"memory_gib = .* 65 points of 3 numbers needs") as caught,
    ):
        solver.solve(watched, start)
    assert not evaluated
    least = float(str(caught.value).split("at least ")[1].rstrip("."))
    assert needed <= least < 1.02 * needed
    with scoregeo.memory_limit(least):  # what the message asks for is enough
        assert solver.solve(metric, start).status == ("converged",)


def test_paths_that_do_not_fit_by_themselves_are_refused() -> None:
    metric, ends = case(7)
    solver = scoregeo.GaussNewton(num_points=17)
    start = linear(ends, 17)
    with (
        scoregeo.memory_limit(solver.pair_bytes(3) / GIB),
        pytest.raises(ConfigError, match=r"beside .* GiB for the paths of all pairs.*shards"),
    ):
        solver.solve(metric, start)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), "much", True])
def test_a_limit_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match="memory_gib"), scoregeo.memory_limit(bad):
        pass


def test_the_need_grows_with_points_sub_nodes_and_dimension() -> None:
    solver = scoregeo.GaussNewton(num_points=65, subnodes=4)
    least = solver.pair_bytes(1000)
    for more in (replace(solver, num_points=129), replace(solver, subnodes=8)):
        assert more.pair_bytes(1000) > 1.9 * least
    assert solver.pair_bytes(2000) > 1.8 * least
    assert replace(solver, differentiate_score=True).pair_bytes(1000) > 3 * least


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
def test_what_is_no_start_is_refused_by_every_solver(solver: AbstractSolver) -> None:
    path = torch.ones(1, solver.num_points, 3, dtype=torch.float64)
    wrong: tuple[Any, ...] = (
        path.long(),
        path.cfloat(),
        path * torch.nan,
        path[0],
        path[:, 1:],
        path.tolist(),
        path.to_sparse(),
    )
    for start in wrong:
        with pytest.raises((ConfigError, DataError), match="the start (has|is)"):
            solver.solve(case()[0], start)
    for metric in (None, case()[0].field):
        with pytest.raises(ConfigError, match="metric = .* must be a metric"):
            solver.solve(metric, path)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="on_step = 5 is not allowed.* function"):
        solver.solve(case()[0], path, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
def test_a_start_that_requires_grad_is_taken_as_it_is(solver: AbstractSolver) -> None:
    metric, ends = case(1)
    start = linear(ends, solver.num_points)
    found = solver.solve(metric, start.clone().requires_grad_())
    assert torch.equal(found.path, solver.solve(metric, start).path)
    assert not found.path.requires_grad

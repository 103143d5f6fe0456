"""Multi-start: each pair keeps the better of two known ways, at the cost of both."""

import math
from dataclasses import replace

import pytest
import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.several import SeveralInitializer, parts
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import CONVERGED, STALLED, UNRESOLVED, Solution, Step
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.multistart import RULE, solve_multistart
from tests.initializer.cases import (
    RoundInitializer,
    across_ends,
    along_ends,
    counted_gap_metric,
    given,
    open_ring,
)

STEP = 2 * math.pi / 60


def starts(ends: torch.Tensor, num_points: int) -> torch.Tensor:
    metric, _ = counted_gap_metric()
    several = SeveralInitializer({"lerp": LerpInitializer(), "round": RoundInitializer()})
    made = [
        part.prepare(metric, given(open_ring()))(ends, num_points)
        for part in parts("several", several).values()
    ]
    return torch.stack(made, 1)


def test_each_pair_keeps_the_better_way() -> None:
    """Across the gap LERP is caught and the arc is right; a start through its middle is wrong along
    the data.
    """
    metric, score = counted_gap_metric()
    both = starts(torch.cat([along_ends(), across_ends()]), 33)
    through = both[0, 0].clone()
    through[1:-1] += (
        torch.tensor([-2.0, -1.5]) * torch.sin(torch.linspace(0, math.pi, 33))[1:-1, None]
    )  # crosses the hole and the gap
    both[0, 1] = through
    solver = GaussNewton(33, subnodes=4, max_iterations=40)
    before = score.count
    solution, kept = solve_multistart(solver, metric, both)
    assert kept.tolist() == [0, 1]
    spent = solution.score_evaluations + solution.certificate_evaluations
    assert int(spent.sum()) == score.count - before  # the batch's whole cost, none of it lost
    alone = [solver.solve(metric, both[:, start]) for start in (0, 1)]
    for pair, start in enumerate(kept.tolist()):
        certified = [float(one.certified_energy[pair]) for one in alone]
        assert certified[start] < 0.7 * certified[1 - start]
        assert float(solution.certified_energy[pair]) == pytest.approx(certified[start], rel=1e-6)
        torch.testing.assert_close(solution.path[pair], alone[start].path[pair])
        evaluations = sum(int(one.score_evaluations[pair]) for one in alone)
        assert int(solution.score_evaluations[pair]) == evaluations
        assert solution.status[pair] == alone[start].status[pair]
        assert float(solution.stationarity[pair]) == pytest.approx(
            float(alone[start].stationarity[pair]), rel=1e-3
        )
    # Known lengths of the two ways, blurring aside.
    assert float(solution.certified_energy[0]) == pytest.approx((12 * STEP) ** 2 / 2, rel=0.03)
    assert float(solution.length[1]) == pytest.approx(43 * STEP, rel=0.3)
    assert len(solution.history) > 1 and all(step.energy.shape == (2,) for step in solution.history)
    assert solution.history[-1].score_evaluations.tolist() == solution.score_evaluations.tolist()


def test_one_start_is_solved_as_before() -> None:
    metric, _ = counted_gap_metric()
    start = starts(along_ends(), 17)[:, :1]
    solver = GaussNewton(17)
    solution, kept = solve_multistart(solver, metric, start)
    plain = solver.solve(metric, start[:, 0])
    assert (
        kept.tolist() == [0]
        and torch.equal(solution.path, plain.path)
        and solution.status == plain.status
    )
    assert torch.equal(solution.score_evaluations, plain.score_evaluations) and len(
        solution.history
    ) == len(plain.history)


def test_steps_tell_the_best_so_far() -> None:
    metric, _ = counted_gap_metric()
    steps: list[Step] = []
    solution, kept = solve_multistart(
        GaussNewton(9, max_iterations=3), metric, starts(across_ends(), 9), steps.append
    )
    assert kept.tolist() == [1] and all(step.energy.shape == (1,) for step in steps)
    assert float(steps[-1].energy) < 1000  # LERP stays above ten thousand
    assert int(steps[-1].score_evaluations) <= int(solution.score_evaluations)


class Raising:
    """A solver that ends each path far above its start."""

    def __init__(self, by: float) -> None:
        self.by = by

    def solve(self, metric: SteinMetric, start: torch.Tensor, on_step: object = None) -> Solution:
        moved = start.clone()
        moved[:, 1:-1] += self.by
        return GaussNewton(9, max_iterations=1, damping=1e9).solve(metric, moved)


def test_no_path_costs_more_than_its_start() -> None:
    metric, score = counted_gap_metric()
    both = starts(torch.cat([along_ends(), across_ends()]), 9)
    before = score.count
    solution, kept = solve_multistart(Raising(2.0), metric, both)  # type: ignore[arg-type]
    energy = torch.stack([metric.energy(both[:, start], RULE) for start in (0, 1)], 1)
    assert kept.tolist() == energy.argmin(1).tolist()
    for pair, start in enumerate(kept.tolist()):
        assert torch.equal(solution.path[pair], both[pair, start])
        assert float(solution.certified_energy[pair]) == pytest.approx(float(energy[pair, start]))
        assert solution.status[pair] == STALLED and "the start is kept" in solution.reason[pair]
    own = metric.energy(solution.path, Quadrature())
    torch.testing.assert_close(solution.energy, own)
    assert score.count > before


def test_a_start_that_is_not_finite_does_not_lose_the_others() -> None:
    metric, _ = counted_gap_metric()
    both = starts(torch.cat([along_ends(), across_ends()]), 17)
    alone, _ = solve_multistart(GaussNewton(17), metric, both[:, 1:])
    both[:, 0, 3] = torch.nan
    found, kept = solve_multistart(GaussNewton(17), metric, both)
    assert kept.tolist() == [1, 1] and found.path.isfinite().all()
    assert (found.certified_energy <= alone.certified_energy).all()
    both[1, 1, 3] = torch.nan
    with pytest.raises(ScoreError, match=r"pair 1 has no start, of 2, along which"):
        solve_multistart(GaussNewton(17), metric, both)


class Believing:
    """A solver that takes every path for converged, its energy for a share of what it is."""

    def __init__(self, share: float) -> None:
        self.share = share

    def solve(self, metric: SteinMetric, start: torch.Tensor, on_step: object = None) -> Solution:
        found = GaussNewton(17, subnodes=4, max_iterations=40).solve(metric, start)
        return replace(
            found,
            status=(CONVERGED,) * len(start),
            reason=("",) * len(start),
            energy=self.share * metric.energy(found.path, RULE),
            stationarity=torch.zeros(len(start)),
            tunnelled=torch.zeros(len(start), dtype=torch.bool),
        )


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_a_status_is_judged_on_the_common_rule_too(share: float) -> None:
    metric, _ = counted_gap_metric()
    found, _ = solve_multistart(Believing(share), metric, starts(along_ends(), 17))  # type: ignore[arg-type]
    torch.testing.assert_close(found.certified_energy, metric.energy(found.path, RULE))
    assert found.status == (CONVERGED if share == 1 else UNRESOLVED,)
    assert found.tunnelled.tolist() == [share == 0.5]
    assert bool(found.reason[0]) == (share < 1)

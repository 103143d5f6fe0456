"""What the benchmark records is what the solver did."""

import math

import pytest
import torch

from experiments.benchmark.problem import Problem, sphere
from experiments.benchmark.race import RaceSettings, exact_solvers, least, outcome, reference
from experiments.benchmark.spline import SplineLBFGS
from experiments.benchmark.trace import trace
from scoregeo.solver.adam import Adam
from scoregeo.solver.base import AbstractSolver
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.georce import Georce
from scoregeo.solver.lbfgs import LBFGS

LAM = 10.0


@pytest.fixture(scope="module")
def case() -> Problem:
    return sphere(3, 2, 17, 0, sigma=0.3)


@pytest.mark.parametrize(
    "solver",
    [
        GaussNewton(17),
        LBFGS(17),
        SplineLBFGS(17, segments=5, max_iterations=30),
        Georce(17),
        Adam(17, 30),
        Adam(17, 30, quadrature="trapezoid"),
    ],
    ids=["gauss_newton", "lbfgs", "spline_lbfgs", "georce", "adam_midpoint", "adam"],
)
def test_the_last_step_is_the_solution(case: Problem, solver: AbstractSolver) -> None:
    run, solution = trace(solver, case, LAM), solver.solve(case.metric(LAM), case.start)
    metric = case.metric(LAM)
    torch.testing.assert_close(
        run.energy[0], metric.energy(case.start, case.rule), rtol=1e-12, atol=0
    )
    assert run.evaluations[0].tolist() == [0, 0] and float(run.seconds[0]) == 0
    torch.testing.assert_close(
        run.energy[-1], metric.energy(solution.path, case.rule), rtol=1e-9, atol=0
    )
    assert (
        torch.equal(run.evaluations[-1], solution.score_evaluations)
        and run.status == solution.status
    )
    assert (run.seconds.diff() > 0).all() and (run.evaluations.diff(dim=0) >= 0).all()


def test_an_energy_is_reached_at_most_a_fiftieth_of_the_moves_late(
    case: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver = Adam(17, 300, tolerance=0.0)
    every = trace(solver, case, LAM)
    monkeypatch.setattr("experiments.benchmark.trace._EVERY", 50)
    some = trace(solver, case, LAM)
    assert torch.equal(some.energy[-1], every.energy[-1])
    moves = (every.energy.diff(dim=0) != 0).cumsum(0)
    assert int(moves.max()) > 200 and not torch.equal(some.energy, every.energy)
    for share in (0.5, 0.9, 0.99):
        target = every.energy[0] + share * (every.energy[-1] - every.energy[0])
        for pair, (late, first) in enumerate(
            zip(some.reached(target), every.reached(target), strict=True)
        ):
            assert late is not None and first is not None
            before, after = (int(moves[step - 1, pair]) for step in (first, late))
            assert before <= after <= 1.02 * before + 1


def test_first_arrival_is_found_by_hand(case: Problem) -> None:
    run = trace(LBFGS(17), case, LAM)
    best = run.energy.min(0).values
    summary = run.summary(best, 0.01)
    for pair in range(2):
        steps = [
            s
            for s in range(len(run.energy))
            if float(run.energy[s, pair]) <= 1.01 * float(best[pair])
        ]
        assert summary["evaluations"][pair] == int(run.evaluations[steps[0], pair])  # type: ignore[index]
    assert run.reached(best / 2) == [None, None]
    assert run.summary(best / 2, 0.01)["evaluations"] == [None, None]


def test_time_is_limited(case: Problem) -> None:
    run = trace(Adam(17, 10_000, tolerance=0.0), case, LAM, limit=0.0)
    assert run.limited and len(run.seconds) == 2 and run.status == ("cut off", "cut off")


def test_the_best_is_pair_by_pair(case: Problem) -> None:
    solvers = exact_solvers(RaceSettings("sphere", points=17))
    traces = {name: trace(solver, case, LAM) for name, solver in solvers.items()}
    best = least(list(traces.values()))
    stored = outcome(case, traces, best)
    for pair in range(2):
        ratios = [run["ratio"][pair] for run in stored["solvers"].values()]
        assert min(ratios) == 1 and all(math.isfinite(r) and r >= 1 for r in ratios)
    # Gauss-Newton and L-BFGS minimise one rule, and come to one minimum of it.
    finals = [stored["solvers"][name]["final"] for name in ("gauss_newton", "lbfgs")]
    assert finals[0] == pytest.approx(finals[1], rel=1e-3)
    # A minimum of nearly the fine rule itself is below everybody's, up to that rule's own error.
    lowest = reference(case, LAM, list(traces.values()))
    assert (lowest <= best * 1.001).all() and (lowest >= 0.9 * best).all()


def test_a_spline_comes_to_the_great_circle(case: Problem) -> None:
    """On a sphere the geodesics are great circles, which a spline of 10 segments meets to 1e-3."""
    solution = SplineLBFGS(17, segments=10).solve(case.metric(1000.0), case.start)
    a, b = case.start[0, 0], case.start[0, -1]
    normal = torch.linalg.cross(a, b)
    normal = normal / normal.norm()
    assert solution.path.shape == case.start.shape and solution.status[0] != "failed"
    assert float((solution.path[0] @ normal).abs().max()) < 1e-6
    assert float((solution.path[0].norm(dim=-1) - a.norm()).abs().max()) < 0.05

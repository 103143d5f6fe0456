"""Part 1: score evaluations to come within 1 % of the best energy that is known, on a fine rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from experiments.benchmark.problem import Problem, problem
from experiments.benchmark.spline import SplineLBFGS
from experiments.benchmark.trace import Trace, trace
from scoregeo.solver.adam import Adam
from scoregeo.solver.base import AbstractSolver
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.georce import Georce
from scoregeo.solver.lbfgs import LBFGS

SHARE = 0.01  # of the best energy
ADAM, ADAM_MIDPOINT, ADAPTIVE = "adam", "adam_midpoint", "gauss_newton_adaptive"
SPLINE = "spline_lbfgs"


@dataclass(frozen=True)
class RaceSettings:
    """One problem of part 1.

    Adam runs at each of `rates` on the trapezoid energy, and at the best of them once more on the
    paper's midpoints where `midpoint` says so. `limit`: seconds that one run may take; none of the
    suite's comes near it, so that counts do not follow from the machine. `learned`: the score is a
    network, no gradient field: Gauss-Newton runs once more with the energy's exact gradient, by a
    backward pass through the score as L-BFGS.
    """

    name: str
    pairs: int = 8
    points: int = 64
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    iterations: int = 1000
    max_iterations: int = 300
    midpoint: bool = True
    limit: float = 600.0
    learned: bool = False


def race(settings: RaceSettings, lam: float, seed: int) -> dict[str, Any]:
    """Every solver on one problem and one `lam`; `{"points", "best", "rate", "solvers": {name:
    Trace.summary}}`.
    """
    case = problem(settings.name, settings.pairs, settings.points, seed)
    traces = {
        name: trace(solver, case, lam, settings.limit)
        for name, solver in exact_solvers(settings).items()
    }
    tried = {
        rate: trace(_adam(settings, rate, "trapezoid"), case, lam, settings.limit)
        for rate in settings.rates
    }
    best = least([*traces.values(), *tried.values()])
    rate = min(tried, key=lambda rate: _merit(tried[rate], best))
    traces[ADAM] = tried[rate]
    if settings.midpoint:
        traces[ADAM_MIDPOINT] = trace(_adam(settings, rate, "midpoint"), case, lam, settings.limit)
    best = least(list(traces.values()))
    if not settings.learned:
        best = torch.minimum(best, reference(case, lam, list(traces.values())))
    return {"rate": rate} | outcome(case, traces, best)


def reference(case: Problem, lam: float, traces: Sequence[Trace]) -> torch.Tensor:
    """Energies [pairs] on the problem's rule of minima on a quarter of its sub-nodes: from the best
    end of the runs, pair by pair, to a tight tolerance.
    """
    last = torch.stack([run.energy[-1] for run in traces]).argmin(0)
    start = torch.stack([traces[run].path[pair] for pair, run in enumerate(last.tolist())])
    solver = GaussNewton(
        case.points,
        case.rule.rule,
        subnodes=max(1, case.rule.subnodes // 4),
        continuation=False,
        tolerance=1e-8,
        max_iterations=200,
    )
    path = solver.solve(case.metric(lam), start).path
    with torch.no_grad():
        return case.metric(lam).energy(path, case.rule).cpu()


def exact_solvers(settings: RaceSettings) -> dict[str, AbstractSolver]:
    """The solvers that need no step length from outside. Tight tolerances: who stops early is not
    who arrives early.
    """
    plain = GaussNewton(
        settings.points,
        refinement="none",
        tolerance=1e-6,
        max_iterations=settings.max_iterations,
    )
    found: dict[str, AbstractSolver] = {
        # It refines until its certificate holds, and stops as it would for a user.
        ADAPTIVE: GaussNewton(
            settings.points, refinement="adaptive", max_iterations=settings.max_iterations
        ),
        "gauss_newton": plain,
    }
    if settings.learned:
        found["gauss_newton_exact"] = replace(plain, differentiate_score=True)
    found["lbfgs"] = LBFGS(settings.points, tolerance=1e-6, max_iterations=settings.max_iterations)
    if not settings.learned:  # by a network's exact gradient it takes ten minutes
        found[SPLINE] = SplineLBFGS(settings.points, max_iterations=settings.max_iterations)
    found["georce"] = Georce(
        settings.points, tolerance=1e-6, max_iterations=settings.max_iterations
    )
    return found


def outcome(case: Problem, traces: Mapping[str, Trace], best: torch.Tensor) -> dict[str, Any]:
    """What is stored of some solvers' runs on one problem."""
    solvers = {name: run.summary(best, SHARE) for name, run in traces.items()}
    return {"points": case.points, "best": best.tolist(), "solvers": solvers}


def least(traces: Sequence[Trace]) -> torch.Tensor:
    """The least energy that any of the runs came to, [pairs], on the problem's rule."""
    return torch.stack([run.energy.min(0).values for run in traces]).min(0).values


def warm_up() -> None:
    """Run every solver once on two steps, so that nobody's time holds the loading of libraries."""
    case = problem("sphere", 1, 8, 0)
    for solver in (
        Adam(8, 2, quadrature="trapezoid"),
        Adam(8, 2),
        LBFGS(8, max_iterations=2),
        SplineLBFGS(8, max_iterations=2),
        Georce(8),
        GaussNewton(8),
    ):
        trace(solver, case, 1.0)


def _adam(settings: RaceSettings, rate: float, quadrature: str) -> Adam:
    return Adam(settings.points, settings.iterations, rate, tolerance=0.0, quadrature=quadrature)


def _merit(run: Trace, best: torch.Tensor) -> tuple[int, float]:
    """Smaller is better: pairs that did not arrive, then evaluations of those that did, or the
    energy where none did.
    """
    steps = run.reached((1 + SHARE) * best)
    spent = [
        float(run.evaluations[step, pair]) for pair, step in enumerate(steps) if step is not None
    ]
    if not spent:
        return len(steps), float((run.energy.min(0).values / best).log().mean())
    return len(steps) - len(spent), sum(spent) / len(spent)

"""Multi-start solving: each pair keeps the best of several local minima."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import FAILED, STALLED, AbstractSolver, Solution, Step
from scoregeo.solver.certificate import LEAP
from scoregeo.solver.conclude import conclude
from scoregeo.solver.finishing import RULE, certified, finished, replaced, rows_of
from scoregeo.solver.verdict import verified

_FINISHED = 2  # starts of a pair that are solved on
_KEPT = "the solver's path costs more than its start on a finer quadrature: the start is kept"


def solve_multistart(
    solver: AbstractSolver,
    metric: AbstractMetric,
    starts: torch.Tensor,
    on_step: Callable[[Step], None] | None = None,
    finish: AbstractSolver | None = None,
) -> tuple[Solution, torch.Tensor]:
    """Solve from all starts [pairs, starts, points, *shape] as one batch, and keep of each pair the
    path of least certified energy, measured on 16 sub-nodes a segment (`RULE`).

    Returns the solution of the pairs, and which start each kept, [pairs] int64. No path costs more
    than its start: where the solver's does, it is replaced by the start, and the pair is `stalled`.
    A status is what the solver's own certificate and `RULE` both bear out.
    A start that is not finite, or along which the score is not, is left out.

    `finish`: a solver, of as many points, that solves on from each pair's best two: in a landscape
    that needs several starts the last few per cent of the energy come slowly, and on a fine rule.
    What it finds is taken where its certified energy is lower (`scoregeo.solver.finishing`, where
    it is given other starts of the same ways, too).

    Evaluations are the sums over a pair's starts, in the history too; `on_step` is given each
    pair's least energy so far. `certificate_evaluations` are the solver's and 16 a point for each
    start and for each path.

    Raises ScoreError where a pair has no start along which the score is finite, and what the solver
    raises.
    """
    pairs, count = starts.shape[:2]
    if pairs == 0:
        return Solution.of_nothing(starts[:, 0]), torch.zeros(0, dtype=torch.int64)
    everyone = torch.arange(pairs)
    flat = starts.flatten(0, 1)
    before, spent = certified(metric, flat)
    usable = before.isfinite()
    rows = usable.nonzero()[:, 0]
    lost = ~usable.view(pairs, count).any(1)
    if bool(lost.any()):
        pair = int(lost.nonzero()[0])
        raise ScoreError(
            f"pair {pair} has no start, of {count}, along which the score is finite."
            f"{_why(metric, starts[pair])}"
        )

    def spread(values: torch.Tensor, missing: float) -> torch.Tensor:
        """Values of the paths solved as [pairs, starts]."""
        every = values.new_full((pairs * count,), missing)
        every[rows] = values
        return every.view(pairs, count)

    place = spread(torch.arange(len(rows)), -1)

    def step_at(step: Step, kept: torch.Tensor) -> Step:
        energy = spread(step.energy, torch.inf)[everyone, kept]
        return Step(step.iteration, energy, spread(step.score_evaluations, 0).sum(1))

    def best_of(step: Step) -> None:
        assert on_step is not None
        best = spread(step.energy.nan_to_num(torch.inf), torch.inf).argmin(1)
        path = None if step.path is None else step.path[place[everyone, best]]
        on_step(replace(step_at(step, best), path=path))

    report = None if on_step is None else best_of
    solution = solver.solve(metric, flat[rows], report)
    after, also_spent = certified(metric, solution.path)
    solution = _none_above_start(metric, solution, flat[rows], before[rows], after)
    energy = spread(solution.certified_energy, torch.inf)
    if finish is not None:
        best = energy.argsort(1).argsort(1) < _FINISHED
        solution = finished(finish, metric, solution, place[best & (place >= 0)], report)
        energy = spread(solution.certified_energy, torch.inf)
    kept = energy.argmin(1)
    chosen = place[everyone, kept]
    certificates = spread(solution.certificate_evaluations + also_spent, 0)
    found = replace(
        solution,
        **rows_of(solution, chosen, len(rows)),
        score_evaluations=spread(solution.score_evaluations, 0).sum(1),
        certificate_evaluations=(certificates + spent.view(pairs, count)).sum(1),
        history=tuple(step_at(step, kept) for step in solution.history),
    )
    return _borne_out(found), kept


def _borne_out(found: Solution) -> Solution:
    """The solution with the statuses that its certified energy on `RULE` bears out, too: the
    solver that ended a path has judged it on its own certificate's rule alone.
    """
    tunnelled = found.certified_energy > LEAP * found.energy
    status, reason = list(found.status), list(found.reason)
    for pair, fresh in enumerate((tunnelled & ~found.tunnelled).tolist()):
        status[pair], why = verified(
            status[pair],
            float(found.energy[pair]),
            float(found.certified_energy[pair]),
            float(found.stationarity[pair]),
            fresh,
        )
        reason[pair] = "; ".join(part for part in (reason[pair], why) if part)
    return replace(
        found,
        status=tuple(status),
        reason=tuple(reason),
        tunnelled=found.tunnelled | tunnelled,
    )


def _why(metric: AbstractMetric, starts: torch.Tensor) -> str:
    """What the score says against the first finite one of `starts` [starts, points, *shape]."""
    finite = starts[starts.isfinite().flatten(1).all(1)]
    if len(finite) == 0:
        return ""
    try:
        with torch.no_grad():
            metric.energy(finite[:1], RULE)
    except ScoreError as error:
        return f" The first: {error}"
    return ""


def _none_above_start(
    metric: AbstractMetric,
    solution: Solution,
    starts: torch.Tensor,
    before: torch.Tensor,
    after: torch.Tensor,
) -> Solution:
    """The solution with certified energies on `RULE`, `before` those of its `starts` and `after`
    those of its paths, and with the start in the place of each path that costs more.
    """
    raised = (~(after <= before)).nonzero()[:, 0]
    least = torch.where(after <= before, after, before)
    if len(raised) == 0:
        return replace(solution, certified_energy=least)
    stopped = [solution.status[row] for row in raised.tolist()]
    again = conclude(
        metric,
        starts[raised],
        Quadrature(),
        status=[FAILED if status == FAILED else STALLED for status in stopped],
        iterations=solution.iterations[raised],
        score_evaluations=solution.score_evaluations[raised],
        reason=[_KEPT] * len(raised),
        history=[],
        began=time.perf_counter(),
    )
    spent = solution.certificate_evaluations.index_add(0, raised, again.certificate_evaluations)
    whole = replaced(solution, raised, again)
    return replace(whole, certified_energy=least, certificate_evaluations=spent)

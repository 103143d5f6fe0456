"""Multi-start solving: each pair keeps the best of several local minima."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch

from scoregeo.metric.base import AbstractMetric
from scoregeo.solver.base import AbstractSolver, Solution, Step


def solve_multistart(
    solver: AbstractSolver,
    metric: AbstractMetric,
    starts: torch.Tensor,
    on_step: Callable[[Step], None] | None = None,
) -> tuple[Solution, torch.Tensor]:
    """Solve from all starts [pairs, starts, points, *shape] as one batch, and keep of each pair the
    path of least certified energy.

    Returns the solution of the pairs, and which start each kept, [pairs] int64. Evaluations are the
    sums over a pair's starts, in the history too; `on_step` is given each pair's least energy so
    far. A start whose certified energy is not finite is kept only where no other has one.
    """
    pairs, count = starts.shape[:2]

    def best_of(step: Step) -> None:
        assert on_step is not None
        energy, best = step.energy.nan_to_num(torch.inf).view(pairs, count).min(1)
        path = (
            None
            if step.path is None
            else step.path.unflatten(0, (pairs, count))[torch.arange(pairs), best]
        )
        on_step(
            Step(step.iteration, energy, step.score_evaluations.view(pairs, count).sum(1), path)
        )

    solution = solver.solve(metric, starts.flatten(0, 1), None if on_step is None else best_of)
    certified = solution.certified_energy.nan_to_num(torch.inf, torch.inf, torch.inf).view(
        pairs, count
    )
    kept = certified.argmin(1)
    rows = torch.arange(pairs) * count + kept
    history = tuple(
        Step(step.iteration, step.energy[rows], step.score_evaluations.view(pairs, count).sum(1))
        for step in solution.history
    )
    chosen = replace(
        solution,
        **_rows_of(solution, rows, pairs * count),
        score_evaluations=solution.score_evaluations.view(pairs, count).sum(1),
        certificate_evaluations=solution.certificate_evaluations.view(pairs, count).sum(1),
        history=history,
    )
    return chosen, kept


_SUMMED = ("score_evaluations", "certificate_evaluations", "history")


def _rows_of(solution: Solution, rows: torch.Tensor, size: int) -> dict[str, Any]:
    """Every field of a solution that has one entry a path, at `rows`."""
    found: dict[str, Any] = {}
    for item in fields(solution):
        value = getattr(solution, item.name)
        if item.name in _SUMMED:
            continue
        if isinstance(value, torch.Tensor) and value.ndim and len(value) == size:
            found[item.name] = value[rows.to(value.device)]
        elif isinstance(value, tuple) and len(value) == size:
            found[item.name] = tuple(value[row] for row in rows.tolist())
    return found

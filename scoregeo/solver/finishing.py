"""The last word of a multi-start solve: each pair's best paths solved on, on a fine rule, from
where they ended and from the same ways with their points spread anew.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, ScoreError
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import resample_by
from scoregeo.solver.base import AbstractSolver, Solution, Step
from scoregeo.solver.certificate import energy_on
from scoregeo.solver.gauss_newton import GaussNewton

# On which all starts, and the paths that come of them, are certified alike
RULE = Quadrature("trapezoid", 16)
_EVEN = 1.01  # energy over half the squared length from which points are not evenly spread
_FINER = 4  # segments to one of the path, on which a way is relaxed
_SUMMED = ("score_evaluations", "certificate_evaluations", "history")

OnStep = Callable[[Step], None] | None


def finished(
    solver: AbstractSolver,
    metric: AbstractMetric,
    found: Solution,
    rows: torch.Tensor,
    on_step: OnStep,
) -> Solution:
    """The solution with `rows` solved on by `solver`, where that lowers their certified energy.

    A polygon of few points has many local minima that the curve under it has not: where its points
    fall on the ways round a valley decides. Of an energy that is a sum of squares a row whose
    points are not evenly spread (the energy is a hundredth above half the squared length) is
    therefore solved on three times more, each time from the path of the time before: relaxed with
    four times as many points, of which every fourth is kept; and twice with its points spread
    evenly in the metric's own length.
    """
    found, paths = _solved_on(solver, metric, found, rows, found.path[rows], on_step)
    if metric.least_squares is None or solver.num_points < 3:
        return found
    for change in (_relaxed, _spread, _spread):
        uneven = found.energy[rows] > _EVEN * found.length[rows].square() / 2
        rows, paths = rows[uneven], paths[uneven.to(paths.device)]
        if len(rows) == 0:
            break
        starts, spent = change(metric, paths)
        found = replace(found, score_evaluations=found.score_evaluations.index_add(0, rows, spent))
        found, paths = _solved_on(solver, metric, found, rows, starts, on_step)
    return found


def _spread(metric: AbstractMetric, paths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`paths` with their points at equal steps of the metric's length along them, and the score
    evaluations, [paths]; a path is left where the score is not finite along it.
    """
    squares, parts = metric.least_squares, RULE.subnodes
    assert squares is not None
    every, u = [], torch.arange(parts, dtype=paths.dtype, device=paths.device) / parts
    for path in paths.split(1):
        try:
            known = squares.residuals(path, RULE)
        except ScoreError:
            every.append(path)
            continue
        chords = known.segments.double().square().sum(2).repeat_interleave(parts, 1) / parts**2
        lengths = (chords + squares.lam * known.delta.double().square()).sqrt()
        fine = refined_linearly(path, u)
        every.append(resample_by(fine, lengths, path.shape[1]))
    spent = metric.evaluations(paths.shape[1], RULE)
    return torch.cat(every), torch.full((len(paths),), spent)


def _relaxed(metric: AbstractMetric, paths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`paths` solved with `_FINER` times the segments, of whose points every `_FINER`-th is kept,
    and the score evaluations; as they are, at no cost, where memory does not allow it.
    """
    u = torch.arange(_FINER, dtype=paths.dtype, device=paths.device) / _FINER
    fine = refined_linearly(paths, u)
    finer = GaussNewton(
        fine.shape[1], subnodes=2, max_subnodes=8, continuation=False, max_iterations=60
    )
    try:
        relaxed = finer.solve(metric, fine)
    except ConfigError:
        return paths, torch.zeros(len(paths), dtype=torch.int64)
    spent = relaxed.score_evaluations + relaxed.certificate_evaluations
    return relaxed.path[:, ::_FINER], spent


def refined_linearly(path: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The polygons `path` [pairs, points, *shape] with points at the shares `u` of each segment,
    the first 0: [pairs, len(u) (points - 1) + 1, *shape].
    """
    flat = path.flatten(2)
    first, step = flat[:, :-1, None], flat.diff(dim=1)[:, :, None]
    inner = (first + u[:, None] * step).flatten(1, 2)
    return torch.cat([inner, flat[:, -1:]], 1).unflatten(2, path.shape[2:])


def _solved_on(
    solver: AbstractSolver,
    metric: AbstractMetric,
    found: Solution,
    rows: torch.Tensor,
    starts: torch.Tensor,
    on_step: OnStep,
) -> tuple[Solution, torch.Tensor]:
    """The solution with `rows` solved from `starts`, where that lowers their certified energy, and
    the paths that this ended at.
    """
    history, spent = list(found.history), found.score_evaluations

    def keep(step: Step) -> None:
        """A step of some as one of all."""
        last = history[-1].energy if history else found.energy
        energy = last.index_copy(0, rows, step.energy)
        evaluations = spent.index_add(0, rows, step.score_evaluations)
        history.append(Step(len(history), energy, evaluations))
        if on_step is not None and step.path is not None:
            path = found.path.index_copy(0, rows.to(found.path.device), step.path)
            on_step(replace(history[-1], path=path))

    solution = solver.solve(metric, starts, keep)
    after, also_spent = certified(metric, solution.path)
    solution = replace(solution, certified_energy=after)
    better = (after <= found.certified_energy[rows]).nonzero()[:, 0]
    winners = replace(solution, **rows_of(solution, better, len(rows)))
    certificates = solution.certificate_evaluations + also_spent
    joined = replace(
        replaced(found, rows[better], winners),
        iterations=found.iterations.index_add(0, rows, solution.iterations),
        score_evaluations=spent.index_add(0, rows, solution.score_evaluations),
        certificate_evaluations=found.certificate_evaluations.index_add(0, rows, certificates),
        seconds=found.seconds + solution.seconds,
        history=tuple(history),
    )
    return joined, solution.path


def certified(metric: AbstractMetric, paths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies of `paths` [paths, points, *shape] on `RULE`, NaN where they are not finite, and
    score evaluations, [paths] each.
    """
    energy = torch.full((len(paths),), torch.nan, dtype=torch.float64)
    finite = paths.isfinite().flatten(1).all(1).cpu()
    for row in finite.nonzero()[:, 0].tolist():
        energy[row] = energy_on(metric, paths[row : row + 1], RULE)
    return energy, finite.long() * metric.evaluations(paths.shape[1], RULE)


def replaced(solution: Solution, rows: torch.Tensor, by: Solution) -> Solution:
    """The solution with `rows` taken from another, evaluations left as they are."""
    found: dict[str, Any] = {}
    for item in fields(solution):
        old, new = getattr(solution, item.name), getattr(by, item.name)
        if item.name in _SUMMED:
            continue
        if isinstance(old, torch.Tensor):
            found[item.name] = old.index_copy(0, rows.to(old.device), new.to(old))
        elif item.name in ("status", "reason"):
            places = dict(zip(rows.tolist(), new, strict=True))
            found[item.name] = tuple(places.get(row, one) for row, one in enumerate(old))
    return replace(solution, **found)


def rows_of(solution: Solution, rows: torch.Tensor, size: int) -> dict[str, Any]:
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

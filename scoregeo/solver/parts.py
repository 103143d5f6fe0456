"""Solves of more pairs than memory holds: as many at a time as fit, joined to one solution."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import wraps
from typing import Any, TypeVar, cast

import torch

from scoregeo._utils.errors import ConfigError, DataError, check_function
from scoregeo._utils.memory import in_gib, limit_bytes, limit_gib
from scoregeo._utils.tensors import check_tensor
from scoregeo.metric.base import AbstractMetric, check_metric
from scoregeo.solver.base import AbstractSolver, Solution, Step

# Tensors as large as the starts that a solve in parts holds: they, the paths found, and those of
# the steps that are reported
_HELD = 3

Solve = TypeVar("Solve", bound=Callable[..., Solution])


def within_memory(solve: Solve) -> Solve:
    """A solver's `solve`, given as many pairs at a time as `memory_gib` allows
    (`scoregeo._utils.memory`).

    Pairs share nothing but the batch, so a pair's solution does not depend on the others beside it,
    beyond the last digits of a score whose arithmetic depends on the batch. Raises ConfigError,
    before any work, where not even one pair fits, and for a start that is none.
    """

    @wraps(solve)
    def bounded(
        self: AbstractSolver,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        check_metric(metric)
        check_function("on_step", on_step)
        self.check(metric)
        _check_start(self, start)
        start = start.detach()
        if len(start) == 0:
            return Solution.of_nothing(start)
        count = pairs_at_once(self, start)
        if count >= len(start):
            return solve(self, metric, start, on_step)

        def some(part: torch.Tensor, report: Callable[[Step], None] | None) -> Solution:
            return solve(self, metric, part, report)

        return _in_parts(some, start, count, on_step)

    return cast(Solve, bounded)


def _check_start(solver: AbstractSolver, start: torch.Tensor) -> None:
    """Raise ConfigError for another shape than the solver's, DataError for what is no tensor of
    finite floating-point numbers: a path of integers would be rounded to integers.
    """
    check_tensor("the start", start)
    if start.ndim < 3 or start.shape[1] != solver.num_points:
        raise ConfigError(
            f"the start has shape {list(start.shape)}: it must be [pairs, points, *shape], with as"
            f" many points as solver.num_points = {solver.num_points}."
        )
    if not (start.is_floating_point() and bool(start.isfinite().all())):
        raise DataError(
            f"the start has dtype {start.dtype}, or numbers that are not finite: it must be of"
            " finite floating-point numbers."
        )


def check_memory(solver: AbstractSolver, size: int, held: int = 0) -> None:
    """Raise ConfigError where the memory limit is below what one pair needs, of points of `size`
    numbers, beside `held` bytes for the paths of all.
    """
    needed = solver.pair_bytes(size) + held
    if needed <= limit_bytes():
        return
    paths = f" beside {in_gib(held)} GiB for the paths of all pairs" if held else ""
    fewer = ", or fewer pairs be solved at a time (a run: shards)" if held else ""
    raise ConfigError(
        f"memory_gib = {limit_gib():g} is not allowed: one pair of"
        f" {solver.num_points} points of {size:,} numbers needs"
        f" {in_gib(solver.pair_bytes(size))} GiB with {type(solver).__name__}{paths}: memory_gib"
        f" must be at least {in_gib(needed)}{fewer}."
    )


def pairs_at_once(solver: AbstractSolver, start: torch.Tensor) -> int:
    """How many pairs of `start` [pairs, points, *shape] are solved together, at least 1. Raises
    ConfigError as `check_memory`.
    """
    size, pairs = start[0, 0].numel(), len(start)
    own, held = solver.pair_bytes(size), _HELD * start.nbytes if pairs > 1 else 0
    check_memory(solver, size, held)
    return max(1, (limit_bytes() - held) // own)


def _in_parts(
    solve: Callable[[torch.Tensor, Callable[[Step], None] | None], Solution],
    start: torch.Tensor,
    count: int,
    on_step: Callable[[Step], None] | None,
) -> Solution:
    """Solve `count` pairs of `start` after another. `on_step` is given every pair's energy in each
    iteration of each part: NaN before its own part begins, its last one after.
    """
    path = start.detach().clone()
    energy = torch.full((len(start),), torch.nan, dtype=torch.float64)
    evaluations = torch.zeros(len(start), dtype=torch.int64)
    found: list[Solution] = []
    for first in range(0, len(start), count):
        rows = slice(first, first + count)

        def report(step: Step, rows: slice = rows) -> None:
            energy[rows], evaluations[rows] = step.energy, step.score_evaluations
            now = None
            if step.path is not None:
                path[rows] = step.path
                now = path.clone()
            assert on_step is not None
            on_step(Step(step.iteration, energy.clone(), evaluations.clone(), now))

        one = solve(start[rows], None if on_step is None else report)
        path[rows] = one.path.detach()
        energy[rows], evaluations[rows] = one.energy, one.score_evaluations
        found.append(replace(one, path=one.path.new_empty(0)))
    return _joined(found, path)


def _joined(parts: list[Solution], path: torch.Tensor) -> Solution:
    """The solutions of some pairs each, as that of all, with their `path`."""
    values: dict[str, Any] = {}
    for item in fields(Solution):
        every = [getattr(part, item.name) for part in parts]
        if isinstance(every[0], torch.Tensor):
            values[item.name] = torch.cat(every)
        elif item.name not in ("seconds", "history"):
            values[item.name] = tuple(value for one in every for value in one)
    return Solution(
        **values
        | {
            "path": path,
            "seconds": sum(part.seconds for part in parts),
            "history": joined_histories([part.history for part in parts]),
        }
    )


def joined_histories(histories: Sequence[tuple[Step, ...]]) -> tuple[Step, ...]:
    """Histories of some pairs each as one; that of pairs that have stopped continues with its last
    step. Empty where one of them is.
    """
    if not all(histories):
        return ()
    joined = []
    longest: tuple[Step, ...] = max(histories, key=len)
    for k, step in enumerate(longest):
        now = [history[min(k, len(history) - 1)] for history in histories]
        joined.append(
            Step(
                step.iteration,
                torch.cat([one.energy for one in now]),
                torch.cat([one.score_evaluations for one in now]),
            )
        )
    return tuple(joined)

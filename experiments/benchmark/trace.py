"""A solver's run, seen from outside: the energy of every iterate on one rule for all, its
evaluations and its time.
"""

import math
import time
from dataclasses import dataclass

import torch

from experiments.benchmark.problem import Problem
from scoregeo._utils.memory import numbers_at_once
from scoregeo.score.base import CountingScore
from scoregeo.solver.base import AbstractSolver, Step

KEPT = 40  # points of a curve that are stored
# So many moves are all measured, later ones at this ratio of numbers: Adam's alone come so far, and
# measuring all of them would take most of the time.
_EVERY, _APART = 300, 1.02


@dataclass(frozen=True)
class Trace:
    """Step 0 is the start, at no cost.

    `energy` (on the problem's fine rule), `own` (on the solver's) and `evaluations` are [steps,
    pairs], `seconds` [steps]; `path` [pairs, points, *shape] is the last iterate.

    `limited`: the time allowed ended it. What was measured for the comparison is in neither
    evaluations nor seconds. From the 300th move of a pair's path on, `energy` is measured after
    every fiftieth part of their number and at the end, and is the one before in between: an energy
    that falls is reached at most 2 % of the moves late."""

    energy: torch.Tensor
    own: torch.Tensor
    evaluations: torch.Tensor
    seconds: torch.Tensor
    path: torch.Tensor
    status: tuple[str, ...]
    limited: bool

    def reached(self, target: torch.Tensor, own: bool = False) -> list[int | None]:
        """For each pair the first step whose energy is at most `target` [pairs], or None."""
        below = (self.own if own else self.energy) <= target
        return [int(column.nonzero()[0]) if column.any() else None for column in below.T]

    def summary(self, best: torch.Tensor, share: float) -> dict[str, object]:
        """What is stored; for each pair, evaluations to come within `share` of `best` and of its
        own minimum.
        """
        steps = self.reached((1 + share) * best)
        own = self.reached((1 + share) * self.own.min(0).values, own=True)
        kept = sorted(
            {
                round(step)
                for step in torch.logspace(0, math.log10(len(self.seconds)), KEPT).tolist()
            }
            | {1}
        )
        rows = [row - 1 for row in kept]
        return {
            "evaluations": [
                None if s is None else int(self.evaluations[s, pair])
                for pair, s in enumerate(steps)
            ],
            "own_evaluations": [
                None if s is None else int(self.evaluations[s, pair]) for pair, s in enumerate(own)
            ],
            "iterations": [None if s is None else s for s in steps],
            "spent": self.evaluations[-1].tolist(),
            "ratio": (self.energy.min(0).values / best).tolist(),
            "final": (self.energy[-1] / best).tolist(),
            "status": list(self.status),
            "limited": self.limited,
            "curve": {
                "evaluations": self.evaluations[rows].tolist(),
                "energy": self.energy[rows].tolist(),
            },
        }


class _TimeIsUp(Exception):
    """Ends a solve from `on_step`."""


class _Recorder:
    """`on_step` that keeps what each step is, its clock stopped while it measures."""

    def __init__(self, problem: Problem, lam: float, limit: float) -> None:
        self.quiet, self.rule, self.limit = problem.metric(lam), problem.rule, limit
        self.last = problem.start
        every = torch.ones(len(self.last), dtype=torch.bool)
        first = self.measure(every)
        self.steps = [Step(0, first, torch.zeros(len(first), dtype=torch.int64))]
        self.energy, self.seconds, self.paused = [first], [0.0], 0.0
        self.moves, self.late = torch.zeros(len(first), dtype=torch.int64), ~every
        self.began = time.perf_counter()

    @torch.no_grad()
    def measure(self, which: torch.Tensor) -> torch.Tensor:
        """Energies of some pairs' last paths on the fine rule; few at a time for memory's sake."""
        paths = self.last[which.to(self.last.device)]
        numbers = self.rule.evaluations(paths.shape[1]) * paths[0, 0].numel()
        parts = paths.split(max(1, numbers_at_once() // numbers))
        return torch.cat([self.quiet.energy(part, self.rule).cpu() for part in parts])

    def __call__(self, step: Step) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self.began - self.paused)
        self.steps.append(Step(step.iteration, step.energy, step.score_evaluations))
        assert step.path is not None, "the benchmark's solvers give their paths to on_step"
        moved = (step.path != self.last).flatten(1).any(1).cpu()
        self.last = step.path.clone()
        self.moves += moved
        self.energy.append(self.energy[-1].clone())
        self.late |= moved
        self.catch_up(self.late & torch.tensor([_measured(n) for n in self.moves.tolist()]))
        self.paused += time.perf_counter() - now
        if self.seconds[-1] > self.limit:
            raise _TimeIsUp

    def catch_up(self, which: torch.Tensor) -> None:
        """Measure the last paths of some pairs."""
        if which.any():
            self.energy[-1][which] = self.measure(which)
        self.late &= ~which


def _measured(number: int) -> bool:
    """Whether a path is measured after its move of this number."""
    if number <= _EVERY:
        return True
    return int(math.log(number, _APART)) > int(math.log(number - 1, _APART))


def trace(solver: AbstractSolver, problem: Problem, lam: float, limit: float = math.inf) -> Trace:
    """Solve `problem` with the weight `lam`, for about `limit` seconds at most."""
    recorder = _Recorder(problem, lam, limit)
    limited, status = False, ("cut off",) * len(problem.start)
    try:
        status = solver.solve(
            problem.metric(lam, CountingScore(problem.score)), problem.start, recorder
        ).status
    except _TimeIsUp:
        limited = True
    recorder.catch_up(recorder.late)
    return Trace(
        path=recorder.last,
        energy=torch.stack(recorder.energy),
        own=torch.stack([step.energy for step in recorder.steps]),
        evaluations=torch.stack([step.score_evaluations for step in recorder.steps]),
        seconds=torch.tensor(recorder.seconds),
        status=status,
        limited=limited,
    )

"""The solver's starting paths of a run, and what they cost."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from scoregeo._utils.part import Part
from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.initializer.several import starters
from scoregeo.run.experiment import Experiment
from scoregeo.run.problem.outcome import Shared


@dataclass(frozen=True)
class Starts:
    """Starting paths [pairs, starts, points, *shape], the name of each start, and what all starts
    cost together.

    `prepared`: score evaluations spent once for all pairs of the run; `spent`: for these pairs.
    `seconds`: the batch's."""

    paths: torch.Tensor
    names: tuple[str, ...]
    prepared: int
    spent: int
    seconds: float

    @property
    def score_evaluations(self) -> torch.Tensor:
        """Each pair's share, [pairs] float64."""
        share = (self.prepared + self.spent) / len(self.paths)
        return torch.full((len(self.paths),), share, dtype=torch.float64)

    def shared(self, of: str) -> Shared:
        """The same as all there is of the measure `of`."""
        pairs = len(self.paths)
        return Shared(of, torch.zeros(pairs, dtype=torch.int64), self.prepared, self.spent, pairs)

    def at(self, kept: torch.Tensor) -> torch.Tensor:
        """The path of start `kept` [pairs] of each pair, [pairs, points, *shape]."""
        return self.paths[torch.arange(len(kept)), kept]

    def names_at(self, kept: torch.Tensor) -> tuple[str, ...]:
        """The name of start `kept` [pairs] of each pair."""
        return tuple(self.names[index] for index in kept.tolist())


class StartMaker:
    """Makes starts from each of `initializers`; what they share is prepared once, when first asked.

    `ends` [pairs, 2, *shape]: those of this part of the run. `every_end`: those of all pairs, where
    an initializer is joint; `part`: which of them are this part's. `noisy`: whether they lie at the
    metric's noise level.
    """

    def __init__(
        self,
        experiment: Experiment,
        initializers: Mapping[str, AbstractInitializer],
        references: References,
        *,
        ends: torch.Tensor,
        every_end: torch.Tensor | None,
        part: Part,
        noisy: bool,
    ) -> None:
        self.experiment, self.initializers, self.references = experiment, initializers, references
        self.ends, self.every_end, self.part, self.noisy = ends, every_end, part, noisy

    @torch.no_grad()
    def make(self, num_points: int) -> Starts:
        """Every pair's starting paths of `num_points` points."""
        made, prepared, seconds = self._starters
        began, spent, paths = time.perf_counter(), 0, []
        for name, starter in made.items():
            before = self.experiment.evaluations()
            if self.initializers[name].joint:
                assert self.every_end is not None
                paths.append(starter(self.every_end, num_points)[self.part.rows])
                prepared += self.experiment.evaluations() - before
            else:
                paths.append(starter(self.ends, num_points))
                spent += self.experiment.evaluations() - before
        seconds += time.perf_counter() - began
        return Starts(torch.stack(paths, 1), tuple(made), prepared, spent, seconds)

    @cached_property
    def _starters(self) -> tuple[dict[str, Starter], int, float]:
        """Starters by name, the evaluations and the seconds of preparing them."""
        experiment = self.experiment
        before, began = experiment.evaluations(), time.perf_counter()
        with torch.no_grad():
            made = starters(self.initializers, experiment.metric, self.references, self.noisy)
        return made, experiment.evaluations() - before, time.perf_counter() - began

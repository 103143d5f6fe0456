"""The problem interface: the rows of a run, and the methods that give each row a path."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property

import torch

from scoregeo._utils.part import Part
from scoregeo.dataset.base import Pairs
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.run.experiment import Experiment
from scoregeo.run.problem.outcome import Outcome
from scoregeo.run.sweep_work import sharing
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import Step

TRUTH = "truth"
START, BASELINE, OURS = "start", "baseline", "ours"  # further roles a method may have

OnStep = Callable[[Step], None]
MetricOf = Callable[[ScoreField], AbstractMetric]


class AbstractProblem(ABC):
    """The rows of a run, and the methods that give each row a path.

    `pairs`: one a row. `part`: which of the dataset's pairs they are made of. `noisy`: whether
    solvers meet the ends at a noise level. `end_given`: whether every method's path of a row has
    the same second end; else that end is measured too, and energies, which compare paths between
    the same ends, are not.
    """

    experiment: Experiment
    pairs: Pairs
    part: Part
    noisy: bool
    end_given: bool

    @abstractmethod
    def methods(self) -> dict[str, Callable[[OnStep | None], Outcome]]:
        """Each method's name and the function that runs it, in the order of the tables."""

    @abstractmethod
    def role(self, method: str) -> str:
        """What a method of `methods` is.

        `TRUTH`, `START` (the path a solver began with), `BASELINE` (without the run's metric), or
        `OURS`.
        """

    @property
    def units(self) -> tuple[str, ...]:
        """Which independent pair each row belongs to, by name: intervals and tests count these.

        Each has equally many rows: all units once, in order, then all again, and so on.
        """
        return self.pairs.names

    @property
    def total_rows(self) -> int:
        """Rows of the whole run."""
        return len(self.pairs) // len(self.part) * self.part.total

    @abstractmethod
    def budget(self, method: str) -> int | None:
        """Iterations a method takes at most, for a progress bar; None for a method without
        iterations.
        """

    @abstractmethod
    def truth(self, num_points: int) -> torch.Tensor | None:
        """What every method should give, [pairs, num_points, *shape], on the CPU, or None where it
        is not known.
        """

    def other_truth(self, num_points: int) -> torch.Tensor | None:
        """A second truth, same shape, that rows may have as well
        (`AbstractDataset.other_true_path`); None where none has.
        """
        return None

    def truth_near(self, path: torch.Tensor) -> torch.Tensor | None:
        """What `path` [pairs, points, *shape], on the CPU, is compared with, same shape; None where
        no truth is known.

        Where a row has two truths, the one at the smaller mean squared distance from the row's
        path.
        """
        points = path.shape[1]
        one = self.true_path if points == self.experiment.num_points else self.truth(points)
        other = None if one is None else self.other_truth(points)
        if one is None or other is None:
            return one
        nearer = (path - other).square().flatten(1).sum(1) < (path - one).square().flatten(1).sum(1)
        return torch.where(nearer.view(-1, *[1] * (path.ndim - 1)), other, one)

    @abstractmethod
    def true_length(self) -> torch.Tensor | None:
        """Euclidean length of the truth, [pairs], or None."""

    @abstractmethod
    def pictured(self, frames: Mapping[str, torch.Tensor]) -> tuple[Pairs, dict[str, torch.Tensor]]:
        """Of all clean paths, by method, those that pictures show, and the pairs they are of."""

    def frames(
        self, outcome: Outcome, decode: bool, at: torch.Tensor | None = None
    ) -> torch.Tensor | None:
        """A method's paths as clean frames [pairs, points, *frame], or None where they stay noisy
        for `decode` is false.

        `at` [pairs, points]: how far along its pair each point is, from 0 to 1; evenly by default.
        """
        if not outcome.noisy:
            return outcome.path
        return self.decode(outcome.path) if decode else None

    def measure(
        self, path: torch.Tensor, rule: Quadrature, metric_of: MetricOf | None = None
    ) -> PathMeasure:
        """Energy, length and bound of each of `path` [pairs, points, *shape], a pair at a time.

        In the run's metric, or in the one that `metric_of` makes of the field.
        """
        experiment = self.experiment
        metric = experiment.metric if metric_of is None else metric_of(experiment.field)
        with sharing(experiment.field):
            parts = [metric.measure(one, rule) for one in path.split(1)]
        return PathMeasure(
            *(
                torch.cat(values)
                for values in zip(*(vars(part).values() for part in parts), strict=True)
            )
        )

    def scores(self, points: torch.Tensor) -> torch.Tensor:
        """The score of each row's field at its `points` [pairs, points, *shape]; same shape."""
        with sharing(self.experiment.field):
            return self.experiment.field(points.flatten(0, 1)).reshape(points.shape)

    @cached_property
    def true_path(self) -> torch.Tensor | None:
        """The truth at the number of points of the methods' paths."""
        return self.truth(self.experiment.num_points)

    def decode(self, path: torch.Tensor) -> torch.Tensor:
        """Noisy paths [pairs, points, *shape] to clean frames, same shape."""
        inversion, points = self.experiment.inversion, path.flatten(0, 1)

        def decode() -> torch.Tensor:
            return inversion.decode(points, self.experiment.field)

        if not inversion.decode_evaluations:
            return decode().reshape(path.shape)
        return self.experiment.work.tensor("decoded", decode, points).reshape(path.shape)

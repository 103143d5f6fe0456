"""Parts that go wrong on purpose, named by tests as the target of an option."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.dataset.base import AbstractDataset
from scoregeo.metric.base import AbstractMetric
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import AbstractSolver, Solution, Step
from scoregeo.solver.gauss_newton import GaussNewton


class _Broken(AbstractScore):
    def __init__(self, shape: tuple[int, ...], kind: str) -> None:
        self._shape, self.kind = shape, kind

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        if self.kind == "bug":
            raise KeyError("a mistake in the code")
        return x[:, :-1] if self.kind == "shape" else torch.full_like(x, torch.nan)


def broken_score(
    dataset: AbstractDataset, seed: int, sigma: float, kind: str = "nan"
) -> ScoreField:
    """A score that gives NaN, a wrong shape, or an exception."""
    return ScoreField(_Broken(dataset.shape, kind), sigma)


class FailsAt(AbstractSolver):
    """Gauss-Newton, except for one lam and number of points."""

    def __init__(self, num_points: int, lam: float, points: int) -> None:
        self.num_points, self.lam, self.points = num_points, lam, points

    def check(self, metric: AbstractMetric) -> None:
        GaussNewton(num_points=self.num_points).check(metric)

    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        if getattr(metric, "lam", None) == self.lam and self.num_points == self.points:
            raise ScoreError(f"the score is not finite at point 3 of {self.points}")
        return GaussNewton(num_points=self.num_points).solve(metric, start, on_step)


class KillsOnce(AbstractSolver):
    """Gauss-Newton, except that the first process to come here is killed, as by the system for want
    of memory.
    """

    def __init__(self, num_points: int, marker: str) -> None:
        self.num_points, self.marker = num_points, Path(marker)

    def check(self, metric: AbstractMetric) -> None:
        GaussNewton(num_points=self.num_points).check(metric)

    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return GaussNewton(num_points=self.num_points).solve(metric, start, on_step)


class FailsOnce(AbstractSolver):
    """Gauss-Newton, except that the first call fails."""

    def __init__(self, num_points: int, marker: str) -> None:
        self.num_points, self.marker = num_points, Path(marker)

    def check(self, metric: AbstractMetric) -> None:
        GaussNewton(num_points=self.num_points).check(metric)

    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        if not self.marker.exists():
            self.marker.touch()
            raise ScoreError("fails once")
        return GaussNewton(num_points=self.num_points).solve(metric, start, on_step)


class WaitsFor(AbstractSolver):
    """Gauss-Newton, once a file is there."""

    def __init__(self, num_points: int, marker: str) -> None:
        self.num_points, self.marker = num_points, Path(marker)

    def check(self, metric: AbstractMetric) -> None:
        GaussNewton(num_points=self.num_points).check(metric)

    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        while not self.marker.exists():
            time.sleep(0.05)
        return GaussNewton(num_points=self.num_points).solve(metric, start, on_step)

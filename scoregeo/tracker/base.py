"""The tracker interface: what a run reports while it runs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo.solver.base import Step


class AbstractTracker(ABC):
    """Told of a run's events in order: start, then steps and methods, then finish or fail. Tracks
    one run after another.
    """

    @abstractmethod
    def start(self, folder: Path, config: Mapping[str, Any], group: str | None = None) -> None:
        """A run begins in `folder`, or continues there, with the resolved configuration; `group`:
        the sweep it is a job of.
        """

    @abstractmethod
    def step(self, method: str, step: Step) -> None:
        """A solver finished an iteration."""

    @abstractmethod
    def method(
        self, name: str, lines: Sequence[Mapping[str, Any]], history: Mapping[str, Any]
    ) -> None:
        """A method finished, now or before the run was interrupted.

        `lines`: one a pair, as in `results.jsonl`. `history`: `iteration` [steps], `energy` and
        `score_evaluations` [steps, pairs] as lists, and the number of `points` of a path; empty for
        a method without iterations.
        """

    @abstractmethod
    def finish(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        """The run is done: the rows of `summary.json`, and the figures and strips written, as PNG
        files.
        """

    @abstractmethod
    def fail(self, error: str) -> None:
        """The run ended without its results."""

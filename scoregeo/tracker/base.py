"""The tracker interface: what a run tells the outside as it goes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo.solver.base import Step


class AbstractTracker(ABC):
    """Told of a run's events in order: start, then steps and methods, then finish or fail. Tracks one run after another."""

    @abstractmethod
    def start(self, folder: Path, config: Mapping[str, Any]) -> None:
        """A run begins in `folder` with the resolved configuration."""

    @abstractmethod
    def step(self, method: str, step: Step) -> None:
        """A solver finished an iteration."""

    @abstractmethod
    def method(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """A method finished; one line a pair, as in `results.jsonl`."""

    @abstractmethod
    def finish(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        """The run is done: the rows of `summary.json`, and the figures and strips written, as PNG files."""

    @abstractmethod
    def fail(self, error: str) -> None:
        """The run ended without its results."""

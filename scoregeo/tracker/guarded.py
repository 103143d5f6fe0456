"""A tracker whose trouble is not the run's."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo.solver.base import Step
from scoregeo.tracker.base import AbstractTracker

log = logging.getLogger(__name__)


class GuardedTracker(AbstractTracker):
    """Passes a run's events to `inner`. Whatever that raises is logged once, and the run continues
    without it.
    """

    def __init__(self, inner: AbstractTracker) -> None:
        self.inner, self._lost = inner, False

    def start(self, folder: Path, config: Mapping[str, Any], group: str | None = None) -> None:
        self._lost = False
        self._guard(lambda: self.inner.start(folder, config, group))

    def step(self, method: str, step: Step) -> None:
        self._guard(lambda: self.inner.step(method, step))

    def method(
        self, name: str, lines: Sequence[Mapping[str, Any]], history: Mapping[str, Any]
    ) -> None:
        self._guard(lambda: self.inner.method(name, lines, history))

    def finish(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        self._guard(lambda: self.inner.finish(summary, pictures))

    def fail(self, error: str) -> None:
        self._guard(lambda: self.inner.fail(error))

    def _guard(self, do: Callable[[], None]) -> None:
        if self._lost:
            return
        try:
            do()
        except (
            Exception
        ) as error:  # a full disk, a closed file, a mistake in a tracker of one's own
            self._lost = True
            log.warning(
                "%s stopped (%s: %s); the run continues without it.",
                type(self.inner).__name__,
                type(error).__name__,
                str(error).split("\n")[0],
            )

"""A local log: one JSON object a line."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo._utils.files import finite_or_null
from scoregeo.solver.base import Step
from scoregeo.tracker.base import AbstractTracker


class JsonlTracker(AbstractTracker):
    """Appends to `events.jsonl` in the run's folder. A log to watch, not a result: no later run
    reads it.
    """

    def __init__(self) -> None:
        self._path: Path | None = None

    def start(self, folder: Path, config: Mapping[str, Any], group: str | None = None) -> None:
        self._path = folder / "events.jsonl"
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            self._append("\n")  # a kill left half a line
        self._write("start", config=dict(config))

    def step(self, method: str, step: Step) -> None:
        self._write(
            "step",
            method=method,
            iteration=step.iteration,
            energy=step.energy.tolist(),
            score_evaluations=step.score_evaluations.tolist(),
        )

    def method(
        self, name: str, lines: Sequence[Mapping[str, Any]], history: Mapping[str, Any]
    ) -> None:
        self._write("method", method=name, pairs=list(lines))

    def finish(self, summary: Sequence[Mapping[str, Any]], pictures: Sequence[Path]) -> None:
        self._write("finish", summary=list(summary))

    def fail(self, error: str) -> None:
        self._write("fail", error=error)

    def _write(self, event: str, **facts: Any) -> None:
        self._append(
            json.dumps(finite_or_null({"event": event, "time": round(time.time(), 3), **facts}))
            + "\n"
        )

    def _append(self, text: str) -> None:
        assert self._path is not None, "start comes first"
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(text)

"""A solver's iterations as rows to log: means over the pairs, against score evaluations a point."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scoregeo.solver.base import Step
from scoregeo.tracker.naming import (
    ENERGY,
    EVALUATIONS,
    GREATEST_ENERGY,
    ITERATION,
    STEP_LENGTH,
    curve_key,
)


class StepLengths:
    """Hears of a method's steps as they are made, and says how far each moved the paths.

    The length of a step: the root mean square distance between the points of a path and those
    before the step, at equal places, averaged over the pairs. Known where a solver gives its paths,
    from the second on, as long as their shape stays."""

    def __init__(self) -> None:
        self._before: Any = None
        self._method = ""
        self._lengths: dict[int, tuple[int, float]] = {}

    def hear(self, method: str, step: Step) -> None:
        """Compare a step's paths with those of the step before."""
        if method != self._method:
            self._method, self._before, self._lengths = method, None, {}
        path = None if step.path is None else step.path.detach()
        before, self._before = self._before, path
        if path is None or before is None or before.shape != path.shape:
            return
        moved = (path - before).double().flatten(2).square().sum(2).mean(1).sqrt()
        self._lengths[step.iteration] = (len(moved), float(moved.mean()))

    def of(self, method: str, pairs: int) -> dict[int, float]:
        """Lengths by iteration, of those steps that were steps of all `pairs`."""
        if method != self._method:
            return {}
        return {
            iteration: length
            for iteration, (count, length) in self._lengths.items()
            if count == pairs
        }


def curve(
    method: str, history: Mapping[str, Any], lengths: Mapping[int, float]
) -> list[dict[str, float]]:
    """One row an iteration of a record's `history` (as `AbstractTracker.method` gets it); what is
    not finite is left out.
    """
    points = history.get("points")
    if not points:
        return []
    rows = []
    for iteration, energies, spent in zip(
        history["iteration"], history["energy"], history["score_evaluations"], strict=True
    ):
        found = {
            EVALUATIONS: _mean(spent) / points,
            curve_key(method, ITERATION): float(iteration),
            curve_key(method, ENERGY): _mean(energies),
            curve_key(method, GREATEST_ENERGY): max(map(_number, energies), default=math.nan),
            curve_key(method, STEP_LENGTH): lengths.get(iteration, math.nan),
        }
        rows.append({key: value for key, value in found.items() if math.isfinite(value)})
    return rows


def _mean(values: Sequence[float | None]) -> float:
    """NaN where one of the values is; a record read back from JSON has None for it."""
    return sum(map(_number, values)) / len(values) if values else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)

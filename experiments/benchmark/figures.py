"""The benchmark's figures: energy against evaluations, and growth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmark.suite import Results
from scoregeo.report.curves import Line, energy_curves, sweep_lines


def race_figures(results: Results, folder: Path) -> list[Path]:
    """Least energy so far over the best of all against evaluations, a figure for each problem and
    lam.
    """
    written = []
    for unit, found in results.items():
        best = np.asarray(found["best"])
        curves = {}
        for solver, run in found["solvers"].items():
            energy = np.asarray(run["curve"]["energy"], dtype=np.float64) / best
            curves[solver] = (run["curve"]["evaluations"], np.minimum.accumulate(energy))
        written += energy_curves(
            folder / f"race-{unit}",
            curves,
            title=unit.replace("-lam", ", lam "),
            ylabel="least energy so far / best of all",
            formats=("png",),
        )
    return written


def growth_figures(results: Results, folder: Path) -> list[Path]:
    """Evaluations a point to 1 % of the best energy, a panel for each quantity."""
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for unit, found in results.items():
        quantity, _, value = unit.partition("-")
        for solver, run in found["solvers"].items():
            x, y = panels.setdefault(quantity, {}).setdefault(solver, ([], []))
            x.append(float(value))
            y.append(_median(run["evaluations"], found))
    written = []
    for quantity, lines in panels.items():
        drawn = {solver: Line(x, y) for solver, (x, y) in lines.items()}
        label = "evaluations a point to 1 %, median"
        written += sweep_lines(
            folder / f"growth-{quantity}",
            {"": drawn},
            xlabel=quantity,
            ylabels=label,
            formats=("png",),
        )
    return written


def _median(counts: Sequence[int | None], found: Mapping[str, Any]) -> float:
    """NaN where more than half of the pairs never came there."""
    values = np.asarray([np.inf if count is None else count / found["points"] for count in counts])
    middle = float(np.median(values))
    return middle if np.isfinite(middle) else float("nan")

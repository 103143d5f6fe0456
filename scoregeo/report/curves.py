"""Curves: energy against score evaluations, and sweeps as lines. Arrays or tensors in, files out
(see `figures`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoregeo._utils.errors import DataError
from scoregeo.report.names import method_name, wrapped
from scoregeo.report.style import as_array, drawing, looks, marker, new_figure, save_figure

_LOGARITHMIC = " (log scale)"
_DECADES = 100.0  # a shared axis of values above 0 that span more is logarithmic
_TICK = 34  # characters below a panel of a sweep
_HALF = 32  # characters of a name in half of a legend's width


def energy_curves(
    out: Path,
    curves: Mapping[str, tuple[Any, Any]],
    *,
    title: str = "",
    ylabel: str = "energy by the solver's rule",
    formats: Sequence[str] = ("pdf", "png"),
) -> list[Path]:
    """Energy against score evaluations, both axes logarithmic: each method's median over pairs, and
    a band to its quartiles.

    `curves`: method to (evaluations, energy), both [steps, pairs], as a solver's history gives them
    stacked. Between steps, and after a pair's last one, its energy stays; before its first it has
    none. Values at or below 0 are not drawn."""
    if not curves:
        raise DataError("energy_curves: no curve to draw.")
    columns = 2 if max(len(method_name(name)) for name in curves) <= _HALF else 1
    with drawing():
        figure = new_figure(5.2, 3.6 + 0.2 * -(-len(curves) // columns))
        axes = figure.subplots()
        styles = looks(curves)
        handles: list[Any] = []
        for index, (name, (evaluations, energy)) in enumerate(curves.items()):
            count, quartiles = quartile_curve(
                as_array(evaluations, name, 2), as_array(energy, name, 2)
            )
            visible = np.where(quartiles > 0, quartiles, np.nan)
            look = styles[name]
            line = axes.step(
                count,
                visible[1],
                where="post",
                label=method_name(name),
                marker=marker(index),
                markevery=_spread(count),
                **look,
            )
            band = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
            axes.fill_between(count, visible[0], visible[2], step="post", **band)
            handles += line
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=f"score evaluations a pair{_LOGARITHMIC}",
            ylabel=f"{ylabel}{_LOGARITHMIC}",
            title=title,
        )
        heading = {"title": "median over pairs, band: quartiles", "title_fontsize": 7}
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, **heading)
        return save_figure(figure, out, formats)


def _spread(counts: NDArray[np.float64], most: int = 6) -> list[int]:
    """Indices of a few counts, the last among them, evenly spread on a logarithmic axis: where a
    line's markers stand.
    """
    wanted = np.geomspace(counts[0], counts[-1], most)
    return sorted({int(np.abs(np.log(counts / place)).argmin()) for place in wanted})


def quartile_curve(
    evaluations: NDArray[np.float64], energy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts of evaluations at which some pair took a step, [counts], and the energy's quartiles
    over pairs there, [3, counts].

    A count of 0 (the start) is given as 1, so that a logarithmic axis can show it.
    """
    if evaluations.shape != energy.shape:
        raise DataError(
            f"Evaluations {list(evaluations.shape)} and energy {list(energy.shape)} must have one"
            " shape."
        )
    evaluations = np.maximum(evaluations, 1)
    counts = np.unique(evaluations)
    held = np.full((evaluations.shape[1], len(counts)), np.nan)
    for pair in range(evaluations.shape[1]):
        # Stable by count, so that of several steps at one count the last one stands.
        order = np.argsort(evaluations[:, pair], kind="stable")
        step = np.searchsorted(evaluations[order, pair], counts, side="right") - 1
        held[pair] = np.where(step >= 0, energy[order, pair][np.maximum(step, 0)], np.nan)
    started = np.isfinite(held).all(
        0
    )  # a median over some of the pairs only would jump as others come in
    if not started.any():
        raise DataError("No count of evaluations at which every pair has a finite energy.")
    return counts[started], np.quantile(held[:, started], [0.25, 0.5, 0.75], axis=0)


@dataclass(frozen=True)
class Line:
    """One line of a sweep: `y` against `x`, with intervals where `low` and `high` are given; NaN
    where there is no value.
    """

    x: Sequence[Any]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def _share(grid: Sequence[Any], panels: Sequence[Mapping[str, Line]], ylabel: str) -> None:
    """Let panels of one quantity have one y axis, so that they compare at sight."""
    if len(grid) < 2:
        return
    values = [y for lines in panels for line in lines.values() for y in line.y if np.isfinite(y)]
    for axes in grid[1:]:
        axes.sharey(grid[0])
    if values and min(values) > 0 and max(values) > _DECADES * min(values):
        for axes in grid:
            axes.set(yscale="log", ylabel=f"{ylabel}{_LOGARITHMIC}")
    grid[0].autoscale(axis="y")


def _beside(names: Sequence[str], inches: float) -> int:
    """How many entries of a legend fit beside each other."""
    return max(1, min(len(names), int(inches / (0.75 + 0.068 * max(map(len, names))))))


def sweep_lines(
    out: Path,
    panels: Mapping[str, Mapping[str, Line]],
    *,
    xlabel: str,
    ylabels: Sequence[str] | str,
    legend: str = "",
    names: Mapping[str, str] | None = None,
    below: bool = False,
    columns: int = 3,
    formats: Sequence[str] = ("pdf", "png"),
) -> list[Path]:
    """A panel for each entry of `panels` (title to lines by label), such as a measure against
    lambda for each number of points.

    `ylabels`: one for all panels or one each; panels with the same one share the y axis, on a
    logarithmic scale where it needs one. `names`: of lines by label; else methods have theirs.
    `below`: the legend's place, else on the right. `x` on a logarithmic axis where all its values
    are numbers above 0 that span a decade, as categories where some are none. Bars: intervals.
    """
    if not panels:
        raise DataError("sweep_lines: no panel to draw.")
    ylabels = [ylabels] * len(panels) if isinstance(ylabels, str) else list(ylabels)
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    everything = [x for lines in panels.values() for line in lines.values() for x in line.x]
    numeric = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in everything)
    places = {str(x): i for i, x in enumerate(dict.fromkeys(map(str, everything)))}
    labels = list(dict.fromkeys(label for lines in panels.values() for label in lines))
    shown = {label: (names or {}).get(label, method_name(label)) for label in labels}
    styles = {k: v | {"marker": marker(i)} for i, (k, v) in enumerate(looks(labels).items())}
    with drawing():
        figure = new_figure((0 if below else 1.0) + 3.2 * columns, 0.5 + 2.6 * rows)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, (title, lines), ylabel in zip(grid.flat, panels.items(), ylabels, strict=False):
            for label, line in lines.items():
                y = np.asarray(line.y, dtype=np.float64)
                x = np.asarray(line.x if numeric else [places[str(one)] for one in line.x], float)
                bars = None
                if line.low is not None and line.high is not None:
                    bars = np.nan_to_num(
                        np.maximum([y - np.asarray(line.low), np.asarray(line.high) - y], 0)
                    )
                axes.errorbar(
                    x,
                    y,
                    yerr=bars,
                    label=shown[label],
                    capsize=2,
                    elinewidth=0.8,
                    **styles[label],
                )
            axes.set(title=wrapped(title, _TICK), xlabel=xlabel, ylabel=ylabel)  # in 3.2 inches
            if not numeric:
                width = max(_TICK // len(places), 6)
                axes.set_xticks(range(len(places)), [wrapped(place, width) for place in places])
            elif min(everything) > 0 and max(everything) >= 10 * min(everything):
                axes.set_xscale("log")
                ticks = sorted({float(x) for x in everything})
                axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
                axes.minorticks_off()  # their labels would lie on each other
        for ylabel in dict.fromkeys(ylabels):
            own = [i for i, label in enumerate(ylabels) if label == ylabel]
            _share([grid.flat[i] for i in own], [list(panels.values())[i] for i in own], ylabel)
        if len(labels) > 1:
            drawn: dict[str, Any] = {}  # a panel may lack a line that another has
            for axes in grid.flat:
                handles, names_drawn = axes.get_legend_handles_labels()
                drawn |= dict(zip(names_drawn, handles, strict=True))
            figure.legend(
                [drawn[shown[label]] for label in labels],
                list(shown.values()),
                title=legend or None,
                loc="outside lower center" if below else "outside right center",
                ncols=_beside(list(shown.values()), 3.2 * columns) if below else 1,
            )
        return save_figure(figure, out, formats)

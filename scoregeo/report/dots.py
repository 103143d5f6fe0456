"""Named cases side by side: a row a case, a dot and an interval a method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.names import method_name
from scoregeo.report.style import drawing, looks, marker, new_figure, save_figure

Values = Mapping[str, Mapping[str, Estimate]]  # by case, then method
_SPREAD = 0.6  # of a row's height, over its methods
_DECADES = 100.0  # a span of more than this is drawn on a logarithmic axis


def case_dots(
    out: Path,
    panels: Mapping[str, Values],
    *,
    title: str = "",
    formats: Sequence[str] = ("pdf", "png"),
) -> list[Path]:
    """A panel a measure, side by side; cases from the top as they come, a colour a method."""
    if not panels or not any(any(values.values()) for values in panels.values()):
        raise DataError("case_dots: no value to draw.")
    cases = list(dict.fromkeys(case for values in panels.values() for case in values))
    methods = list(
        dict.fromkeys(m for values in panels.values() for found in values.values() for m in found)
    )
    colours = {method: look["color"] for method, look in looks(methods).items()}
    offsets = np.linspace(-_SPREAD / 2, _SPREAD / 2, len(methods)) if len(methods) > 1 else [0.0]
    with drawing({"axes.grid.axis": "x"}):
        label = 0.2 + 0.065 * max(map(len, cases))
        height = 1.1 + 0.09 * (len(methods) + 2) * len(cases)
        figure = new_figure(label + 2.9 * len(panels), height)
        grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, (measure, values) in zip(grid, panels.items(), strict=True):
            for number, (method, offset) in enumerate(zip(methods, offsets, strict=True)):
                at = [place for place, case in enumerate(cases) if method in values.get(case, {})]
                found = [values[cases[place]][method] for place in at]
                axes.errorbar(
                    [one.mean for one in found],
                    np.asarray(at, dtype=np.float64) + offset,
                    xerr=_bars(found),
                    fmt=marker(number),
                    color=colours[method],
                    label=method_name(method),
                    elinewidth=0.9,
                )
            _scale(axes, [one for by_method in values.values() for one in by_method.values()])
            axes.set(xlabel=measure, ylim=(len(cases) - 0.5, -0.5))
            axes.set_yticks(range(len(cases)), cases)
        if title:
            figure.suptitle(title, fontsize=10)
        figure.legend(
            *grid[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=3,
        )
        return save_figure(figure, out, formats)


def _bars(found: Sequence[Estimate]) -> Any:
    """Lengths to both ends of each interval, [2, values]; 0 where there is none."""
    means = np.asarray([one.mean for one in found])
    ends = np.asarray([[one.low for one in found], [one.high for one in found]])
    return np.nan_to_num(np.maximum([means - ends[0], ends[1] - means], 0))


def _scale(axes: Any, found: Sequence[Estimate]) -> None:
    ends = [x for one in found for x in (one.mean, one.low, one.high) if np.isfinite(x)]
    if ends and min(ends) > 0 and max(ends) > _DECADES * min(ends):
        axes.set_xscale("log")

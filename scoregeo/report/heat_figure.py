"""A heat map of a sweep as a figure. Numbers in, files out (see `figures`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scoregeo._utils.errors import DataError
from scoregeo.report.style import as_array, drawing, new_figure, save_figure

_DECADES = 100.0  # a wider span of values above 0 is coloured logarithmically


def sweep_heatmap(
    out: Path,
    x_values: Sequence[Any],
    y_values: Sequence[Any],
    values: Any,
    *,
    xlabel: str,
    ylabel: str,
    measure: str,
    title: str = "",
    formats: Sequence[str] = ("pdf", "png"),
) -> list[Path]:
    """One measure over two swept keys: `values` [y, x], each written in its cell; NaN (a failed
    job) is grey and says so.

    Colours run logarithmically where all values are above 0 and span more than two decades.
    """
    import matplotlib
    from matplotlib.colors import LogNorm, Normalize

    array = as_array(values, measure, 2)
    if array.shape != (len(y_values), len(x_values)):
        raise DataError(
            f"{measure}: {len(y_values)} x {len(x_values)} values expected; got"
            f" {list(array.shape)}."
        )
    finite = array[np.isfinite(array)]
    if finite.size == 0:
        raise DataError(f"{measure}: no finite value to draw.")
    low, high = float(finite.min()), float(finite.max())
    norm: Normalize = (
        LogNorm(low, high)
        if low > 0 and high > _DECADES * low
        else Normalize(low, high if high > low else low + 1)
    )
    with drawing({"axes.grid": False}):
        figure = new_figure(1.8 + 0.75 * len(x_values), 1.2 + 0.45 * len(y_values))
        axes = figure.subplots()
        colours = matplotlib.colormaps["cividis"].with_extremes(
            bad="#DDDDDD"
        )  # even in grey and for colour-blind eyes
        image = axes.imshow(
            np.ma.masked_invalid(array), cmap=colours, norm=norm, aspect="auto", origin="lower"
        )
        for (row, column), value in np.ndenumerate(array):
            known = bool(np.isfinite(value))
            dark = known and float(norm(value)) < 0.5
            text = f"{value:.3g}" if known else "none"
            ink = "white" if dark else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
        axes.set_xticks(range(len(x_values)), [str(value) for value in x_values])
        axes.set_yticks(range(len(y_values)), [str(value) for value in y_values])
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        figure.colorbar(image, label=measure)
        return save_figure(figure, out, formats)

"""Figures of paths and frames: paths on a surface in 3-D, and strips of frames. Arrays or tensors
in, files out.

`out` is a path without suffix; each figure is written as PDF and PNG (or `formats`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoregeo._utils.errors import DataError, check_number
from scoregeo.report.names import method_name
from scoregeo.report.style import (
    TRUTH,
    as_array,
    as_pictures,
    drawing,
    looks,
    new_figure,
    save_figure,
)

_GAP = 0.05  # between the pictures of a strip, of their width
_CELL = 0.62  # inches, of a picture in a strip


def surface_paths(
    out: Path,
    surface: tuple[Any, Any, Any],
    paths: Mapping[str, Any],
    *,
    title: str = "",
    view: tuple[float, float] | None = None,
    formats: Sequence[str] = ("pdf", "png"),
) -> list[Path]:
    """Paths on a surface in 3-D, one colour a method, the ends as black dots.

    `surface`: x, y, z grids [rows, columns]. `paths`: method to [points, 3] or [pairs, points, 3];
    the method called "truth" is drawn black and dotted, on top. `view`: elevation and azimuth in
    degrees; by default the paths face the reader."""
    x, y, z = (as_array(part, "surface", 2) for part in surface)
    tracks = {name: _tracks(name, path) for name, path in paths.items()}
    if not tracks:
        raise DataError("surface_paths: no path to draw.")
    elevation, azimuth = view or _facing(
        np.concatenate([t.reshape(-1, 3) for t in tracks.values()]), x, y, z
    )
    with drawing():
        figure = new_figure(4.8, 4.6)
        axes: Any = figure.add_subplot(projection="3d", computed_zorder=False)
        axes.plot_surface(x, y, z, color="#F3F3F3", alpha=0.35, linewidth=0, shade=False, zorder=0)
        axes.plot_wireframe(x, y, z, color="#BBBBBB", linewidth=0.4, rcount=24, ccount=36, zorder=1)
        styles = looks(tracks)
        for name, track in tracks.items():
            for number, line in enumerate(track):
                label = method_name(name) if number == 0 else None
                axes.plot(*line.T, label=label, zorder=4 if name == TRUTH else 3, **styles[name])
        ends = next(iter(tracks.values()))[:, [0, -1]].reshape(-1, 3)
        axes.scatter(*ends.T, color="black", s=14, zorder=5, depthshade=False)
        box = [(float(np.nanmin(part)), float(np.nanmax(part))) for part in (x, y, z)]
        axes.set(xlim=box[0], ylim=box[1], zlim=box[2], title=title)
        axes.set_box_aspect([max(high - low, 1e-9) for low, high in box], zoom=1.55)
        axes.view_init(elev=elevation, azim=azimuth)
        axes.set_axis_off()
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=2 if max(len(method_name(name)) for name in tracks) > 12 else 4,
        )
        return save_figure(figure, out, formats)


def frame_strips(
    out: Path,
    rows: Mapping[str, Any],
    *,
    columns: int = 11,
    title: str = "",
    formats: Sequence[str] = ("pdf", "png"),
) -> list[Path]:
    """Strips of frames of one pair: one row a method with its name on the left, the truth on top if
    it is among them.

    `rows`: method to frames [points, channels, height, width] in [-1, 1] (clamped); of each at most
    `columns`, evenly chosen by index, both ends among them. Numbers of points may differ; the
    fraction of the path stands above each column. Raises DataError where sizes of frames differ.
    """
    check_number("columns", columns, at_least=2, integer=True)
    pictures = {name: as_pictures(frames, name) for name, frames in rows.items()}
    if not pictures:
        raise DataError("frame_strips: no row of frames to draw.")
    first, *others = pictures
    for name in others:
        if pictures[name].shape[1:] != pictures[first].shape[1:]:
            sizes = [" x ".join(map(str, pictures[row].shape[1:3])) for row in (first, name)]
            raise DataError(
                f"frame_strips: the frames of {first} have {sizes[0]} pixels, those of {name}"
                f" {sizes[1]}."
            )
    order = [name for name in pictures if name == TRUTH] + [
        name for name in pictures if name != TRUTH
    ]
    columns = min(columns, max(len(frames) for frames in pictures.values()))
    fractions = np.linspace(0, 1, columns)
    height, width = pictures[first].shape[1:3]
    gap = max(1, round(_GAP * width))
    # One picture of them all: with an axes a frame, 11 rows of 11 take three times as long.
    sheet = np.full(
        (len(order) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8
    )
    for row, name in enumerate(order):
        frames = pictures[name]
        for column, fraction in enumerate(fractions):
            top, left = row * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = frames[
                round(fraction * (len(frames) - 1))
            ]
    with drawing():
        names = [method_name(name) for name in order]
        label, top, edge = 0.15 + 0.075 * max(map(len, names)), 0.22 + 0.2 * bool(title), 0.05
        wide, high = _CELL * columns, _CELL * height / width * len(order)  # inches
        whole = (label + wide + edge, top + high + edge)
        figure = new_figure(*whole)
        # A constrained layout cuts names off where frames are few: it measures before the aspect.
        figure.set_layout_engine("none")
        box = (label / whole[0], edge / whole[1], wide / whole[0], high / whole[1])
        axes = figure.add_axes(box, anchor="SE")
        axes.imshow(sheet, interpolation="nearest", aspect="equal")
        axes.set_xticks(
            np.arange(columns) * (width + gap) + width / 2 - 0.5,
            [f"{fraction:.2g}" for fraction in fractions],
        )
        axes.set_yticks(np.arange(len(order)) * (height + gap) + height / 2 - 0.5, names)
        axes.tick_params(length=0, bottom=False, labelbottom=False, labeltop=True)
        axes.tick_params(axis="x", labelsize=7, labelcolor="#666666", pad=2)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        if title:
            figure.suptitle(title, fontsize=10, y=1 - 0.03 / whole[1], va="top")
        return save_figure(figure, out, formats)


def _tracks(name: str, path: Any) -> NDArray[np.float64]:
    """[pairs, points, 3] of [points, 3] or [pairs, points, 3]."""
    array = as_array(path, name, 2 if np.ndim(path) == 2 else 3)
    if array.shape[-1] != 3:
        raise DataError(
            f"{name}: only points in three dimensions can be drawn on a surface; these have"
            f" {array.shape[-1]}."
        )
    return array.reshape(-1, *array.shape[-2:])


def _facing(points: NDArray[np.float64], *surface: NDArray[np.float64]) -> tuple[float, float]:
    """Elevation and azimuth, degrees, from which the paths lie in front of the surface's centre."""
    centre = np.array([np.nanmean(part) for part in surface])
    x, y, z = np.nanmean(points, axis=0) - centre
    size = float(np.hypot(np.hypot(x, y), z))
    if not size > 0:
        return 25.0, -50.0
    elevation = float(np.degrees(np.arcsin(z / size)))
    return float(np.clip(elevation, -60, 60)) + 10, float(np.degrees(np.arctan2(y, x))) + 15

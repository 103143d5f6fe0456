"""Figures are made, hold something, have the expected size and come out the same twice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.report.curves import Line, energy_curves, quartile_curve, sweep_lines
from scoregeo.report.figures import frame_strips, surface_paths
from scoregeo.report.heat_figure import sweep_heatmap
from scoregeo.report.style import as_pictures, looks


def sphere() -> tuple[Any, Any, Any]:
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 37), np.linspace(0, np.pi, 19))
    return np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)


def arc(angle: float) -> torch.Tensor:
    u = torch.linspace(0, angle, 20)
    return torch.stack([u.cos(), u.sin(), torch.zeros(20)], 1)


def check(paths: list[Path], kinds: tuple[str, ...] = ("pdf", "png")) -> tuple[int, int]:
    """All written, nothing else in the folder; the PNG holds more than one colour. Its size in
    pixels.
    """
    assert [path.suffix for path in paths] == [f".{kind}" for kind in kinds]
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)
    assert all(path.stat().st_size > 1000 for path in paths)
    with Image.open(paths[-1]) as picture:
        assert len(picture.convert("RGB").getcolors(10**7) or []) > 10
        return picture.size


def test_surface_paths(tmp_path: Path) -> None:
    pairs = torch.stack([arc(2.0), arc(1.0)])
    paths = surface_paths(
        tmp_path / "s2",
        sphere(),
        {"truth": pairs, "lerp": pairs * 0.9, "stein": arc(2.0)},
        title="Sphere",
    )
    assert check(paths) == (960, 920)  # 4.8 x 4.6 inches, 200 dots each


def test_frame_strips_put_the_truth_on_top(tmp_path: Path) -> None:
    rows = {"lerp": torch.zeros(5, 1, 28, 28), "truth": torch.ones(9, 1, 28, 28)}
    paths = frame_strips(tmp_path / "strip", rows, columns=5)
    width, height = check(paths)
    with Image.open(paths[-1]) as picture:
        column = np.asarray(picture.convert("L"))[:, -40]
    # From the top: white paper and the truth's white frame, then lerp's grey one below the middle.
    assert column[int(0.4 * height)] > 250 and abs(int(column[int(0.8 * height)]) - 128) <= 2
    assert width > height


@pytest.mark.parametrize(
    ("longest", "methods", "shape"),
    [
        ("stein_adam_differentiated", 12, (11, 1, 28, 28)),
        ("stein_gauss_newton", 2, (5, 3, 8, 8)),
        ("stein_gauss_newton", 2, (3, 3, 64, 96)),
    ],
)
def test_frame_strips_hold_the_longest_name(
    tmp_path: Path, longest: str, methods: int, shape: tuple[int, ...]
) -> None:
    names = [longest, *(f"method_{i}" for i in range(methods - 1))]
    rows = {name: torch.zeros(shape) for name in names}
    paths = frame_strips(tmp_path / "strip", rows, title="a pair", formats=("png",))
    with Image.open(paths[-1]) as picture:
        inked = np.any(np.asarray(picture.convert("L")) < 250, axis=0)
    assert inked[:300].any() and not inked[:4].any() and not inked[-4:].any()


def test_frame_strips_show_every_frame_in_its_place(tmp_path: Path) -> None:
    # A grey of its own for each frame of each row: found again where its row and column say, by
    # their order alone.
    greys = torch.linspace(-0.9, 0.7, 12).reshape(3, 4)
    rows = {
        f"method_{i}": grey.reshape(4, 1, 1, 1).expand(4, 3, 6, 9) for i, grey in enumerate(greys)
    }
    paths = frame_strips(tmp_path / "strip", rows, columns=4, title="a pair")
    with Image.open(paths[-1]) as picture:
        image = np.asarray(picture.convert("RGB")).astype(int)
    centres = []
    for grey in greys.flatten().tolist():
        value = round((grey + 1) * 127.5)
        where = np.argwhere((np.abs(image - value) <= 1).all(axis=2))
        assert len(where) > 1000  # a picture, not the edge of a letter
        centres.append(np.median(where, axis=0))
    places = np.array(centres).reshape(3, 4, 2)
    assert (np.diff(places[..., 0], axis=0) > 30).all() and (
        np.ptp(places[..., 0], axis=1) < 2
    ).all()
    assert (np.diff(places[..., 1], axis=1) > 30).all() and (
        np.ptp(places[..., 1], axis=0) < 2
    ).all()


def test_energy_curves(tmp_path: Path) -> None:
    steps = np.arange(1, 9)[:, None] * np.ones((1, 4))
    energy = 10 ** (3 - 0.3 * steps) * np.linspace(1, 2, 4)
    paths = energy_curves(
        tmp_path / "energy", {"adam": (steps * 40, energy), "gauss_newton": (steps * 10, energy)}
    )
    assert check(paths) == (1040, 760)


@pytest.mark.parametrize(
    "names",
    [
        ("stein_gauss_newton", "stein_adam", "stein_gauss_newton_adaptive"),
        ("stein_adam_differentiated", "stein_gauss_newton"),
        ("stein_gauss_newton", "stein_gauss_newton "),
    ],
)
def test_a_legend_is_not_cut(names: tuple[str, ...], tmp_path: Path, drawn: list[Figure]) -> None:
    steps = np.arange(1.0, 4)[:, None]
    energy_curves(tmp_path, dict.fromkeys(names, (steps, 1 / steps)))
    (legend,) = drawn[0].legends
    shown, paper = legend.get_window_extent(), drawn[0].bbox
    assert shown.x0 >= 0 and shown.x1 <= paper.x1 and shown.y0 >= 0


def test_quartiles_hold_each_pairs_last_energy() -> None:
    counts, quartiles = quartile_curve(
        np.array([[0.0, 0.0], [10, 20]]), np.array([[4.0, 8.0], [2.0, 2.0]])
    )
    assert counts.tolist() == [1, 10, 20]
    assert quartiles[1].tolist() == [6.0, 5.0, 2.0]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures of `scoregeo.report.curves`, laid out and not written."""
    figures: list[Figure] = []

    def kept(figure: Figure, out: Path, formats: object) -> list[Path]:
        figure.draw_without_rendering()
        figures.append(figure)
        return []

    monkeypatch.setattr("scoregeo.report.curves.save_figure", kept)
    return figures


def test_axes_of_energy_name_the_quantity_and_the_scale(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    energy_curves(tmp_path, {"adam": ([[1.0], [2.0]], [[3.0], [1.0]])})
    (axes,) = drawn[0].axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlabel() == "score evaluations a pair (log scale)"
    assert axes.get_ylabel() == "energy by the solver's rule (log scale)"
    for axis in (axes.xaxis, axes.yaxis):
        place = axis.label.get_window_extent()
        assert place.x0 >= 0 <= place.y0 and place.y1 <= drawn[0].bbox.y1, "the label is cut"


@pytest.mark.parametrize("high, scale", [(50.0, "linear"), (5000.0, "log")])
def test_panels_of_one_measure_share_an_axis(
    high: float, scale: str, tmp_path: Path, drawn: list[Figure]
) -> None:
    low, wide = {"a": Line([1, 2], [1.0, 2.0])}, {"a": Line([1, 2], [2.0, high])}
    panels = {"one": low, "two": wide, "other": low}
    sweep_lines(tmp_path, panels, xlabel="lam", ylabels=["energy", "energy", "PSNR"])
    one, two, other = drawn[0].axes
    assert one.get_ylim() == two.get_ylim() and one.get_ylim()[1] > high
    assert one.get_yscale() == two.get_yscale() == scale
    assert one.get_ylabel() == "energy" + " (log scale)" * (scale == "log")
    assert other.get_ylim()[1] < 3 and other.get_yscale() == "linear"
    sweep_lines(tmp_path, {"one": wide}, xlabel="lam", ylabels="energy")
    assert drawn[1].axes[0].get_yscale() == "linear"


def test_a_long_title_is_not_cut(tmp_path: Path, drawn: list[Figure]) -> None:
    line = {"x": Line([1, 2], [1.0, 2.0])}
    title = (
        "evaluations per point\nGeodesic (Stein, Gauss-Newton, adaptive refinement), a long group"
    )
    sweep_lines(tmp_path, {title: line, f"{title} ": line}, xlabel="lam", ylabels="energy")
    (figure,) = drawn
    first, second = (axes.title.get_window_extent() for axes in figure.axes)
    assert first.x0 >= 0 and second.x1 <= figure.bbox.x1 and first.x1 < second.x0
    assert first.y1 <= figure.bbox.y1


def test_long_names_of_sweeps_are_not_cut(tmp_path: Path, drawn: list[Figure]) -> None:
    cases = ["exact, of ten digits", "U-Net of these ten digits", "U-Net of all digits, unseen"]
    names = [f"Euclidean graph, {i}th powers, no score" for i in range(5)]
    panels = {
        title: {name: Line(cases, [1.0, 2.0, 3.0]) for name in names} for title in ("one", "two")
    }
    sweep_lines(
        tmp_path / "long", panels, xlabel="score", ylabels="dB", below=True, formats=("png",)
    )
    (figure,) = drawn
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= figure.bbox.x0 and legend.x1 <= figure.bbox.x1
    for axes in figure.axes:
        ticks = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(one.x1 < two.x0 for one, two in zip(ticks, ticks[1:], strict=False))


def test_sweep_lines_and_heatmap(tmp_path: Path) -> None:
    line = Line(
        [1, 10, 100], [3.0, 2.0, float("nan")], [2.5, 1.5, float("nan")], [3.5, 2.5, float("nan")]
    )
    panels = {"stein": {"8": line, "16": line}, "lerp": {"8": line}}
    lines = sweep_lines(
        tmp_path / "a" / "sweep",
        panels,
        xlabel="lam",
        ylabels="PSNR",
        legend="points",
        formats=("svg", "png"),
    )
    assert check(lines, ("svg", "png")) == (1480, 620)
    words = sweep_lines(
        tmp_path / "b" / "words",
        {"": {"x": Line(["a", "b"], [1.0, 2.0])}},
        xlabel="solver",
        ylabels="energy",
    )
    check(words)
    named = sweep_lines(
        tmp_path / "d" / "named",
        panels,
        xlabel="lam",
        ylabels="PSNR",
        names={"8": "eight points", "16": "sixteen points"},
        below=True,
        formats=("svg", "png"),
    )
    assert check(named, ("svg", "png")) == (1280, 620), "no room is kept for a legend on the right"
    values = [[1.0, 10.0, 100.0], [2.0, float("nan"), 1000.0]]
    heat = sweep_heatmap(
        tmp_path / "c" / "heat",
        [1, 10, 100],
        [8, 16],
        values,
        xlabel="lam",
        ylabel="points",
        measure="energy",
    )
    check(heat)


def test_same_figure_twice_is_the_same_file(tmp_path: Path) -> None:
    files = [
        sweep_lines(
            tmp_path / name,
            {"a": {"b": Line([1, 2], [1.0, 2.0])}},
            xlabel="x",
            ylabels="y",
            formats=("pdf", "svg", "png"),
        )
        for name in ("one", "two")
    ]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_looks_are_fixed_and_distinct() -> None:
    names = ["stein", "lerp", "truth", "gauss_newton", *(str(i) for i in range(10))]
    styles = looks(names)
    assert len({tuple(style.values()) for style in styles.values()}) == len(names)
    alone = looks(["lerp"])["lerp"]
    assert styles["lerp"] | {"linewidth": 0} == alone | {
        "linewidth": 0
    }  # the width tells the place in the figure
    assert styles["truth"]["color"] == "black"


def test_pictures_are_clamped_bytes() -> None:
    values = as_pictures(torch.tensor([-3.0, -1.0, 0.0, 1.0]).reshape(1, 1, 2, 2), "x")
    assert values.shape == (1, 2, 2, 3)
    assert values[0, :, :, 0].tolist() == [[0, 0], [128, 255]]


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="three dimensions"):
        surface_paths(tmp_path / "x", sphere(), {"a": torch.zeros(5, 4)})
    with pytest.raises(DataError, match="no path"):
        surface_paths(tmp_path / "x", sphere(), {})
    with pytest.raises(DataError, match="not finite"):
        frame_strips(tmp_path / "x", {"a": torch.full((3, 1, 4, 4), float("nan"))})
    with pytest.raises(DataError, match="1 or 3 channels"):
        frame_strips(tmp_path / "x", {"a": torch.zeros(3, 2, 4, 4)})
    with pytest.raises(DataError, match="a have 4 x 5 pixels, those of b 5 x 4"):
        frame_strips(tmp_path / "x", {"a": torch.zeros(3, 1, 4, 5), "b": torch.zeros(3, 1, 5, 4)})
    with pytest.raises(DataError, match="one shape"):
        energy_curves(tmp_path / "x", {"a": (np.ones((3, 2)), np.ones((3, 1)))})
    with pytest.raises(DataError, match="2 x 1 values"):
        sweep_heatmap(tmp_path / "x", [1], [1, 2], [[1.0]], xlabel="a", ylabel="b", measure="c")
    with pytest.raises(ConfigError, match="formats = 'bmp'"):
        frame_strips(tmp_path / "x", {"a": torch.zeros(3, 1, 4, 4)}, formats=("bmp",))
    assert not list(tmp_path.iterdir())

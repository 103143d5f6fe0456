"""Frame sheets: every frame in its cell, ends included, and back from the file
with what is in it.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scoregeo._utils.errors import DataError
from scoregeo.report.sheet import LARGEST, read_sheet, run_sheets
from tests.report.folders import METHODS, PAIRS, POINTS, level, run_folder


def test_every_frame_in_its_cell(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "x" / "run")
    first, second = run_sheets(run, PAIRS, METHODS)
    assert (first.pair, first.group, second.pair) == ("60deg_000", "60 deg", "120deg_000")
    assert first.methods == METHODS and first.columns == POINTS
    cells = np.asarray(first.image)[14::28, 14::28, 0]
    assert cells.tolist() == [
        [level(row, column) for column in range(POINTS)] for row in range(len(METHODS))
    ]


def test_fewer_columns_keep_both_ends(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "x" / "run")
    sheet = run_sheets(run, PAIRS, METHODS, columns=5)[0]
    assert np.asarray(sheet.image)[14, 14::28, 0].tolist() == [
        level(0, point) for point in (0, 2, 4, 6, 8)
    ]


def test_a_sheet_survives_its_file_and_is_the_same_twice(tmp_path: Path) -> None:
    sheet = run_sheets(run_folder(tmp_path / "x" / "run"), PAIRS, METHODS)[1]
    for name in ("a.webp", "b.webp"):
        sheet.save(tmp_path / name)
    again = read_sheet(tmp_path / "a.webp")
    assert (again.pair, again.group, again.methods, again.columns) == (
        sheet.pair,
        sheet.group,
        sheet.methods,
        sheet.columns,
    )
    assert np.array_equal(
        np.asarray(again.image), np.asarray(sheet.image)
    )  # digits are kept exactly
    assert (tmp_path / "a.webp").read_bytes() == (tmp_path / "b.webp").read_bytes()
    assert again.scrub("p").source == sheet.scrub("p").source


def test_one_pair_of_each_group_before_a_second(tmp_path: Path) -> None:
    groups = {"a": "60", "b": "60", "c": "120"}
    for pair in groups:
        (tmp_path / "frames" / "lerp" / pair).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "frames" / "lerp" / pair / "000.png")
    assert [sheet.pair for sheet in run_sheets(tmp_path, groups, most=2)] == ["a", "c"]


def test_large_frames_are_made_smaller(tmp_path: Path) -> None:
    (tmp_path / "frames" / "lerp" / "a").mkdir(parents=True)
    Image.new("RGB", (512, 256), "red").save(tmp_path / "frames" / "lerp" / "a" / "000.png")
    sheet = run_sheets(tmp_path, {})[0]
    assert sheet.image.size == (LARGEST, LARGEST // 2)


def test_no_frames_no_sheets(tmp_path: Path) -> None:
    assert run_sheets(tmp_path, {}) == []


def test_what_is_no_sheet_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.webp")
    (tmp_path / "text.webp").write_text("no picture")
    for name in ("plain", "text", "missing"):
        with pytest.raises(DataError, match=rf"{name}\.webp is not a frame sheet"):
            read_sheet(tmp_path / f"{name}.webp")


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    (tmp_path / "frames" / "lerp" / "a").mkdir(parents=True)
    (tmp_path / "frames" / "lerp" / "a" / "000.png").write_text("no picture")
    with pytest.raises(DataError, match=r"a/000\.png is not a frame"):
        run_sheets(tmp_path, {})

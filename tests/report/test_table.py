"""Rows of tables: cells as text, marks, round trip through summary entries."""

import json
import math

import pytest

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import finite_or_null
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.table import (
    Row,
    format_estimate,
    rows_from_summary,
    same_as_shown,
    summary_entry,
)

ROWS = [
    Row(
        {"method": "lerp", "group": "60 deg"},
        {"psnr": Estimate(15.4812, 14.9, 16.2, 20), "lpips": NotAvailable("no network")},
    ),
    Row(
        {"method": "stein", "group": "60 deg"},
        {"psnr": Estimate(36.5, 35.8, 37.3, 20), "lpips": NotAvailable("no network")},
    ),
]


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(15.4812, 14.9, 16.2, 20), "15.48 [14.90, 16.20]"),
        (Estimate(1234.5, 1100, 1380, 20), "1234 [1100, 1380]"),
        (Estimate(0.00004, 0.00003, 0.00005, 20), "4e-05 [3e-05, 5e-05]"),
        (Estimate(2.3456789, n=1), "2.346"),
        (Estimate(3.0, 3.0, 3.0, 4), "3"),
        (Estimate(-0.02, -0.035, -0.004, 4), "-0.020 [-0.035, -0.004]"),
        (Estimate(-0.001, -0.5, 0.5, 4), "0.00 [-0.50, 0.50]"),
    ],
)
def test_format(estimate: Estimate, text: str) -> None:
    assert format_estimate(estimate) == text


def test_marks_follow_the_comparisons() -> None:
    entries = [
        summary_entry(method, group, "psnr", Estimate(1.0 if method == "lerp" else 2.0))
        for method in ("lerp", "stein")
        for group in ("all", "60 deg")
    ]
    said = {("stein", "all"): True, ("lerp", "all"): False, ("stein", "60 deg"): None}
    comparisons = [
        {"method": m, "reference": "lerp", "group": g, "measure": "psnr", "better": better}
        for (m, g), better in said.items()
    ]
    rows = rows_from_summary(entries, comparisons=comparisons)
    marked = {(row.labels["method"], row.labels["group"]): set(row.marked) for row in rows}
    assert marked.pop(("stein", "all")) == {"psnr"} and not any(marked.values())


@pytest.mark.parametrize(
    ("ours", "theirs", "marked"),
    [
        (Estimate(0.978, 0.968, 0.988, 9), Estimate(0.9776, 0.967, 0.988, 9), False),
        (Estimate(0.978, 0.968, 0.988, 9), Estimate(0.971, 0.961, 0.981, 9), True),
        # To the digits of the coarser one, 0.978 both.
        (Estimate(0.97832, 0.978, 0.9786, 9), Estimate(0.9776, 0.91, 1.04, 9), False),
        (Estimate(4e-15, 3e-15, 5e-15, 9), Estimate(4e-15, 2e-15, 6e-15, 9), False),
        (Estimate(0.0, n=9), Estimate(0.3, n=9), True),
        (Estimate(-0.001, -0.5, 0.5, 9), Estimate(0.001, -0.5, 0.5, 9), False),
    ],
)
def test_nothing_is_marked_for_a_difference_that_is_not_shown(
    ours: Estimate, theirs: Estimate, marked: bool
) -> None:
    cells = {"stein": ours, "lerp": theirs}
    entries = [summary_entry(name, "all", "ssim", cell) for name, cell in cells.items()]
    names = {"method": "stein", "reference": "lerp", "group": "all", "measure": "ssim"}
    rows = rows_from_summary(entries, comparisons=[names | {"better": True}])
    assert same_as_shown(ours, theirs) != marked
    assert [row.marked for row in rows] == [frozenset({"ssim"} if marked else ()), frozenset()]


def test_summary_entries_survive_json() -> None:
    rows = [
        *ROWS,
        Row({"method": "one", "group": ""}, {"psnr": Estimate(1 / 3, n=1, detail="of one")}),
    ]
    entries = [
        summary_entry(row.labels["method"], row.labels["group"], name, cell)
        for row in rows
        for name, cell in row.cells.items()
    ]
    again = rows_from_summary(json.loads(json.dumps(finite_or_null(entries), allow_nan=False)))
    assert [row.labels for row in again] == [row.labels for row in rows]
    assert again[0].cells == rows[0].cells and again[1].cells == rows[1].cells
    assert isinstance(again[2].cells["psnr"], Estimate) and math.isnan(again[2].cells["psnr"].low)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="lacks low, n"):
        rows_from_summary([{"method": "a", "group": "", "measure": "x", "mean": 1.0, "high": 2.0}])
    with pytest.raises(DataError, match="is 3, not an object"):
        rows_from_summary([3])  # type: ignore[list-item]

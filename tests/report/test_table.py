"""Tables: cells, notes, round trip through summary entries, determinism."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import finite_or_null
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.table import (
    Row,
    csv_table,
    format_estimate,
    markdown_table,
    page,
    rows_from_summary,
    summary_entry,
    write_page,
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
    ],
)
def test_format(estimate: Estimate, text: str) -> None:
    assert format_estimate(estimate) == text


def test_markdown() -> None:
    lines = markdown_table(ROWS, titles={"psnr": "PSNR, dB"}).splitlines()
    assert lines[0] == "| method | group | pairs | PSNR, dB | lpips |"
    assert lines[1] == "| --- | --- | ---: | ---: | ---: |"
    assert lines[2] == "| lerp | 60 deg | 20 | 15.48 [14.90, 16.20] | n/a (1) |"
    assert lines[4:] == ["", "- n/a (1): no network."]  # once for both rows


def test_empty_label_columns_and_pipes() -> None:
    text = markdown_table([Row({"method": "a|b", "group": ""}, {"x": Estimate(1.0, left_out=2)})])
    assert text.splitlines()[0] == "| method | pairs | x |"
    assert "a\\|b" in text
    assert "x of 2 pair(s) was not finite" in text


def test_winners_are_bold_and_details_stand_beside_their_value() -> None:
    cells = {
        "fid": Estimate(117.0, 7.0, 381.0, 6, detail="282 / 2000 frames"),
        "kid": Estimate(51.0, n=6),
    }
    rows = [Row({"method": "lerp"}, cells, frozenset({"fid"})), Row({"method": "stein"}, cells)]
    lines = markdown_table(rows, notes=["a note"]).splitlines()
    assert lines[2] == "| lerp | 6 | **117 [7, 381] (282 / 2000 frames)** | 51 |"
    assert lines[3] == "| stein | 6 | 117 [7, 381] (282 / 2000 frames) | 51 |"
    assert lines[4:] == ["", "- a note"]
    text = page(
        "Both",
        {"a": rows, "b": rows},
        command="c",
        seed=None,
        table_notes=["weights"],
        notes=["once"],
    )
    assert text.count("- weights") == 2 and text.count("- once") == 1


def test_marks_follow_the_comparisons() -> None:
    entries = [
        summary_entry(method, group, "psnr", Estimate(1.0))
        for method in ("lerp", "stein")
        for group in ("all", "60 deg")
    ]
    said = {("stein", "all"): True, ("lerp", "all"): False, ("stein", "60 deg"): None}
    comparisons = [
        {"method": m, "group": g, "measure": "psnr", "better": better}
        for (m, g), better in said.items()
    ]
    rows = rows_from_summary(entries, comparisons=comparisons)
    marked = {(row.labels["method"], row.labels["group"]): set(row.marked) for row in rows}
    assert marked.pop(("stein", "all")) == {"psnr"} and not any(marked.values())


def test_csv_has_every_digit() -> None:
    lines = list(csv.DictReader(io.StringIO(csv_table(ROWS))))
    assert len(lines) == 4
    assert float(lines[0]["mean"]) == 15.4812
    assert (lines[1]["mean"], lines[1]["reason"]) == ("", "no network")


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
    assert csv_table(again) == csv_table(rows)
    assert isinstance(again[2].cells["psnr"], Estimate) and math.isnan(again[2].cells["psnr"].low)


def test_page_holds_command_seed_settings_and_is_deterministic(tmp_path: Path) -> None:
    details = {
        "command": "scoregeo experiment=sphere",
        "seed": 3,
        "settings": {"metric.lam": 1000},
        "notes": ["a note"],
    }
    text = page("Sphere", {"60 deg": ROWS}, **details)  # type: ignore[arg-type]
    for piece in (
        "# Sphere",
        "scoregeo experiment=sphere",
        "`seed 3`",
        "`metric.lam = 1000`",
        "## 60 deg",
        "- a note",
    ):
        assert piece in text
    paths = write_page(tmp_path / "lam=0.5", "Sphere", {"60 deg": ROWS}, **details)
    assert [path.name for path in paths] == ["lam=0.5.md", "lam=0.5.csv"]
    assert paths[0].read_text() == text
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="at least one row"):
        markdown_table([])
    with pytest.raises(DataError, match="lacks low, n"):
        rows_from_summary([{"method": "a", "group": "", "measure": "x", "mean": 1.0, "high": 2.0}])
    with pytest.raises(DataError, match="another version"):
        rows_from_summary([3])  # type: ignore[list-item]

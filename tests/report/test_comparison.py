"""Comparisons in and out of summary.json."""

import json
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import finite_or_null
from scoregeo._utils.results import FORMAT
from scoregeo.evaluation.comparison import Comparison
from scoregeo.evaluation.difference import Difference
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.comparison import (
    COMPARISON_KEYS,
    comparison_entry,
    read_summary,
)
from scoregeo.report.table import summary_entry

ROW = summary_entry("stein", "all", "psnr", Estimate(30.0, 29.0, 31.0, 8))
BETTER = Comparison("stein", "lerp", Difference(15.0, 14.0, 16.0, 0.0078, 1.0, 8), 0.0156, True)


def written(folder: Path, **content: object) -> Path:
    path = folder / "summary.json"
    entries = {
        "format": FORMAT,
        "rows": [ROW],
        "comparisons": [comparison_entry("all", "psnr", BETTER)],
    }
    path.write_text(json.dumps(finite_or_null(entries | content)))
    return path


def test_round_trip_and_keys(tmp_path: Path) -> None:
    rows, comparisons, pairwise = read_summary(written(tmp_path))
    assert rows == [ROW] and pairwise == []
    again = read_summary(written(tmp_path, pairwise=comparisons))
    assert again.pairwise == comparisons
    assert comparisons == [
        {
            "group": "all",
            "measure": "psnr",
            "method": "stein",
            "reference": "lerp",
            "difference": 15.0,
            "low": 14.0,
            "high": 16.0,
            "p": 0.0078,
            "p_corrected": 0.0156,
            "effect": 1.0,
            "n": 8,
            "better": True,
        }
    ]
    assert tuple(comparisons[0]) == COMPARISON_KEYS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"format": 1}, "format 1, this version reads format 3: run its command again"),
        ({"format": None}, "format None"),
        ({"rows": []}, "no rows"),
        ({"comparisons": None}, "no rows and comparisons"),
        ({"pairwise": None}, "no rows and comparisons"),
        ({"pairwise": [{"group": "all"}]}, "lacks measure, method"),
        ({"comparisons": [{"group": "all"}]}, "lacks measure, method"),
    ],
)
def test_another_version_is_told(content: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        read_summary(written(tmp_path, **content))


def test_an_empty_folder_and_a_bare_list_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"summary\.json cannot be read"):
        read_summary(tmp_path / "summary.json")
    (tmp_path / "summary.json").write_text("[]")
    with pytest.raises(DataError, match="holds list, not an object with a format"):
        read_summary(tmp_path / "summary.json")

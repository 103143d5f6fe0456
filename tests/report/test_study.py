"""The page of a study, of runs that are done."""

from pathlib import Path
from typing import Any

import pytest

from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.page_settings import PageSettings
from scoregeo.report.study import Study, study_page
from scoregeo.report.table import summary_entry
from tests.report.folders import run_folder, summary


def test_groups_of_pairs_are_a_table_of_their_own_where_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_groups(psnr: float) -> list[dict[str, Any]]:
        parts = [
            summary_entry("lerp", group, "psnr", Estimate(mean, n=1))
            for group, mean in (("60 deg", 17.0), ("120 deg", 14.0))
        ]
        return [*summary(psnr), *parts]

    monkeypatch.setattr("tests.report.folders.summary", with_groups)
    done = {case: run_folder(tmp_path / case / "abc", psnr=30.0) for case in ("exact", "learned")}
    settings = PageSettings("Scores", measures=["psnr"], groups=True)
    page = study_page(Study("scores", settings, "score", done, {}, "scoregeo"), tmp_path)
    assert page is not None
    whole, parts = page.tables
    assert all("group" not in row.labels for row in whole.rows)
    labels = [(row.labels["score"], row.labels["group"]) for row in parts.rows]
    assert labels == [(case, group) for case in done for group in ("60 deg", "120 deg")]
    cells = [row.cells["psnr"] for row in parts.rows]
    assert [cell.mean for cell in cells if isinstance(cell, Estimate)] == [17.0, 14.0] * 2
    settings.groups = False
    page = study_page(Study("scores", settings, "score", done, {}, "scoregeo"), tmp_path)
    assert page is not None and len(page.tables) == 1

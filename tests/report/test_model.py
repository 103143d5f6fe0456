"""The data model: it comes back from its file as it was, and files that are none are named."""

import json
import math
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import finite_or_null
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.model import Failure, Page, Table, is_page, read_pages, table_of
from scoregeo.report.table import Row
from tests.report.folders import NAME, a_page, results_folder, run_folder

CELLS = {
    "every digit": Estimate(0.1 + 0.2, 1e-300, 1 / 3, 7, 2, "of 12 frames"),
    "whole": Estimate(832),
    "float": Estimate(832.0),
    "one pair": Estimate(-1.5, n=1),
    "none": NotAvailable("why {not} [this]"),
    "text": "4/4",
}
FULL = a_page(
    tables=(
        Table((Row({"method": "a", "group": ""}, CELLS, frozenset({"whole"})),), "One", ("whole",)),
        Table((), "Two", notes=("n",), numbers=(Row({"case": "x"}, {"y": Estimate(1.0)}),)),
    ),
    finding="found",
    about=("a", "b"),
    titles={"x": "X"},
    sheets=("s.webp",),
    failures=(Failure("job 3", "lost\nhere", {"lam": "1"}),),
    swept=("lam",),
)


def test_json_to_page_to_json(tmp_path: Path) -> None:
    for page in (a_page(), FULL):
        page.save(tmp_path)
        again = Page.load(tmp_path)
        assert finite_or_null(again.to_json()) == finite_or_null(page.to_json())
        assert json.loads((tmp_path / "summary.json").read_text()) == finite_or_null(
            json.loads(json.dumps(page.to_json()))
        )
        before = (tmp_path / "summary.json").read_bytes()
        again.save(tmp_path)
        assert (tmp_path / "summary.json").read_bytes() == before


def test_pages_from_before_have_bootstrap_intervals() -> None:
    content = FULL.to_json()
    assert content.pop("intervals") == "t"
    assert Page.from_json(content, "x").intervals == "bootstrap"


def test_cells_keep_every_digit_and_their_kind(tmp_path: Path) -> None:
    FULL.save(tmp_path)
    (row,) = Page.load(tmp_path).tables[0].rows
    assert {name: repr(cell) for name, cell in row.cells.items()} == {
        name: repr(cell) for name, cell in CELLS.items()
    }
    one = row.cells["one pair"]
    assert isinstance(one, Estimate) and math.isnan(one.low)
    assert row.marked == {"whole"} and Page.load(tmp_path).failures == FULL.failures


def test_cells_are_found_by_their_labels() -> None:
    found = a_page().cell("psnr", method="lerp")
    assert isinstance(found, Estimate) and found.mean == 15.5
    with pytest.raises(DataError, match="no row has psnr and .*nobody"):
        a_page().cell("psnr", method="nobody")


def test_tables_of_one_page_are_named_in_its_rows() -> None:
    table = table_of("One", [Row({"a": "b"}, {"x": Estimate(1.0)})])
    assert table.caption == "One" and dict(table.rows[0].labels) == {"table": "One", "a": "b"}


def test_settings_are_plain(tmp_path: Path) -> None:
    a_page(settings={"races": ({"pairs": 4},), "lam": 1000.0}).save(tmp_path)
    assert Page.load(tmp_path).settings == {"races": "({'pairs': 4},)", "lam": 1000.0}


def test_pages_are_told_from_runs(tmp_path: Path) -> None:
    results = results_folder(tmp_path / "results")
    run_folder(results / "abc", frames=False)
    (results / "empty").mkdir()
    assert list(read_pages(results)) == [NAME] and not is_page(results)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "scoregeo page 0"}, "has format 'scoregeo page 0'; 'scoregeo page 1' is read"),
        ({"tables": 3}, "tables = 3 must be a list of objects"),
        ({"title": None}, "title = None must be a text"),
        ({"notes": "x"}, "notes = 'x' must be a list of texts"),
        ({"tables": [{"rows": [{"labels": {}}]}]}, "is no page: .*a row lacks cells"),
        (
            {"tables": [{"rows": [{"labels": {}, "cells": {"psnr": {"mean": "36"}}}]}]},
            "is no page: .*psnr: mean = '36' must be a number",
        ),
        ({"tables": [{"rows": [{"labels": {}, "cells": {"psnr": 36}}]}]}, "psnr is 36, not an"),
        ({"comparisons": [{"group": "all"}]}, r"comparisons\[0\] lacks measure"),
        ({"figures": [{"name": "x"}]}, "is no page: TypeError"),
    ],
)
def test_what_is_no_page_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = a_page().save(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=rf"summary\.json.* {words}"):
        Page.load(tmp_path)


def test_a_page_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    path = a_page().save(tmp_path)
    content = json.loads(path.read_text())
    del content["tables"]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"summary\.json lacks tables"):
        Page.load(tmp_path)
    with pytest.raises(DataError, match=r"summary\.json cannot be read"):
        Page.load(tmp_path / "nowhere")

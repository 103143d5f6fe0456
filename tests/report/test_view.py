"""What is shown: at most eight columns, the page's measures first, winners and reasons."""

import pytest

from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.model import Table
from scoregeo.report.table import Cell, Row, rows_from_summary
from scoregeo.report.verdict import comparison_grids, verdict
from scoregeo.report.view import MOST_COLUMNS, Grid, TableView, table_views
from tests.report.folders import COMPARISON, a_page, summary


def view_of(rows: list[Row], **changes: object) -> TableView:
    (view,) = table_views(a_page(tables=(Table(tuple(rows)),), **changes))
    return view


def texts(grid: Grid) -> list[list[str]]:
    return [[shown.text for shown in row] for row in grid.rows]


def test_the_page_s_measures_stand_first_and_the_costs_last() -> None:
    (view,) = table_views(a_page())
    assert view.main.head == ("method", "PSNR (dB)", "energy", "score evaluations a point")
    assert [row[0] for row in texts(view.main)] == [
        "Truth",
        "LERP",
        "Geodesic (Stein, Gauss-Newton)",
    ]
    assert [grid.head for grid in view.further] == [("method", "iterations")]


@pytest.mark.parametrize("labels", [1, 2, 5, 9])
def test_no_grid_has_more_than_eight_columns(labels: int) -> None:
    cells: dict[str, Cell] = {f"m{i}": Estimate(float(i), n=1 + i) for i in range(30)}
    rows = [Row({f"label {i}": "x" for i in range(labels)}, cells) for _ in range(2)]
    view = view_of(rows)
    grids = [view.main, *view.further]
    assert all(len(grid.head) <= max(MOST_COLUMNS, labels + 2) for grid in grids)
    shown = [name for grid in grids for name in grid.head if name.startswith("m")]
    assert sorted(shown) == sorted(cells)  # each once
    assert all(len(row) == len(grid.head) for grid in grids for row in grid.rows)


def test_pictures_show_lpips_fid_and_kid_even_where_no_one_asked() -> None:
    names = ("psnr", "ssim", "straightness", "lpips", "fid", "kid", "seconds")
    view = view_of([Row({"method": "lerp"}, {n: Estimate(1.0) for n in names})], measures=("psnr",))
    assert view.main.head == ("method", "PSNR (dB)", "LPIPS", "FID", "KID", "seconds a pair")


def test_columns_without_a_value_are_left_out_and_named_once() -> None:
    (view,) = table_views(a_page())
    assert not any("LPIPS" in grid.head for grid in (view.main, *view.further))
    assert view.notes[-1] == "Without a value in any row: LPIPS (no <weights>)."


def test_reasons_are_given_once_under_the_grid() -> None:
    lost = NotAvailable("no network.")
    rows = [
        Row({"method": "a"}, {"psnr": Estimate(1.0), "ssim": lost}),
        Row({"method": "b"}, {"psnr": lost, "ssim": Estimate(1.0)}),
    ]
    view = view_of(rows, measures=("psnr", "ssim"))
    assert texts(view.main) == [["a", "1", "n/a (1)"], ["b", "n/a (1)", "1"]]
    assert view.main.notes == ("n/a (1): no network.",)


def test_bold_follows_the_comparisons_but_not_below_rounding() -> None:
    for better, expected in ((True, ["36.0 [35.0, 37.0]"]), (False, []), (None, [])):
        found = [COMPARISON | {"better": better}]
        view = view_of(rows_from_summary(summary(), comparisons=found))
        assert [s.text for row in view.main.rows for s in row if s.bold] == expected
        assert any(note.startswith("Bold:") for note in view.notes) == bool(expected)
    exact = Row({"method": "lerp"}, {"psnr": Estimate(4e-15)}, frozenset({"psnr"}))
    assert not any(shown.bold for shown in view_of([exact]).main.rows[0])


def test_pairs_are_a_column_only_where_they_differ() -> None:
    same = [Row({"method": m}, {"psnr": Estimate(1.0, 0.5, 1.5, 8)}) for m in "ab"]
    view = view_of(same)
    assert "pairs" not in view.main.head
    assert view.notes[0] == (
        "Means with 95 % t intervals over pairs in brackets; n = 8 pairs a row; intervals of 8"
        " pairs or fewer cover about 0.9 of skewed values."
    )
    more = [Row({"method": "a"}, {"psnr": Estimate(1.0, 0.5, 1.5, 9)})]
    assert view_of(more).notes[0].endswith("brackets; n = 9 pairs a row.")
    one = [Row({"method": "a"}, {"psnr": Estimate(1.0)})]
    assert view_of(one, settings={"pairs": 1}).notes == ("n = 1 pair a row: no intervals.",)
    assert view_of(one, settings={}).notes == ()  # its rows are of no pairs
    before = view_of(same, intervals="bootstrap")
    assert before.notes[0].startswith("Means with 95 % bootstrap intervals")
    other = Row({"method": "c"}, {"psnr": Estimate(1.0, n=3), "ssim": Estimate(1.0, n=4)})
    view = view_of([*same, other], measures=("psnr", "ssim"))
    assert [row[1] for row in texts(view.main)] == ["8", "8", "3 to 4"]


def test_details_and_values_left_out_are_told() -> None:
    cells: dict[str, Cell] = {
        "fid": Estimate(4.0, n=3, detail="12 of 2000 frames", left_out=2),
        "free": "4/4",
    }
    view = view_of([Row({"method": "lerp"}, cells)], measures=("fid", "free"))
    assert texts(view.main) == [["LERP", "4 (12 of 2000 frames)", "4/4"]]
    assert view.main.notes == ("Left out of the mean as not finite: FID on 2 pairs of LERP.",)


def test_labels_that_the_caption_tells_are_not_shown() -> None:
    rows = [Row({"table": "One", "group": "60 deg", "lam": v}, {"x": Estimate(1.0)}) for v in "12"]
    assert view_of(rows).main.head == ("lam", "x")
    assert view_of([*rows, Row({"group": "all"}, {"x": Estimate(1.0)})]).main.head[0] == "table"


def test_comparisons_in_words_a_grid_a_group() -> None:
    found = [
        COMPARISON,
        COMPARISON | {"group": "60 deg", "better": None, "p": None, "low": None, "n": 3},
    ]
    first, second = comparison_grids(a_page(), found)
    assert first.caption == "All pairs (12 pairs)" and len(first.head) == MOST_COLUMNS
    assert texts(first) == [
        [
            "PSNR (dB)",
            "Geodesic (Stein, Gauss-Newton)",
            "LERP",
            "20.5 [18.0, 23.0]",
            "0.001",
            "0.002",
            "1",
            "better",
        ]
    ]
    assert second.caption == "60 deg (3 pairs)"
    (row,) = texts(second)
    assert (row[3], row[4], row[-1]) == ("20.5", "", "no significant difference")
    assert comparison_grids(a_page(), ()) == []


@pytest.mark.parametrize(
    ("better", "words"),
    [
        (True, "significantly better than"),
        (False, "significantly worse than"),
        (None, "not significantly different from"),
    ],
)
def test_the_verdict_is_that_of_the_first_measure(better: bool | None, words: str) -> None:
    said = verdict(a_page(comparisons=(COMPARISON | {"better": better},)))
    assert said == (
        f"PSNR (dB): Geodesic (Stein, Gauss-Newton) has 36, {words} the best baseline, LERP, with"
        " 15.5 (p = 0.002, 12 pairs)."
    )
    assert verdict(a_page(comparisons=())) == ""


def test_the_verdict_takes_the_best_geodesic_in_the_measure_s_direction() -> None:
    other = {"method": "stein_adam", "difference": -1.0}
    rows = rows_from_summary(
        [*summary(), *(e | {"method": "stein_adam"} for e in summary() if e["method"] == "lerp")]
    )
    for measure, best in (("psnr", "Gauss-Newton"), ("energy", "Adam")):
        entry = COMPARISON | {"measure": measure}
        page = a_page(
            tables=(Table(tuple(rows)),), measures=(measure,), comparisons=(entry, entry | other)
        )
        assert f"(Stein, {best})" in verdict(page)


@pytest.mark.parametrize(
    ("better", "words"),
    [
        (True, "significantly better than"),
        (False, "significantly worse than"),
        (None, "not significantly different from"),
    ],
)
def test_the_verdict_compares_the_geodesic_with_its_start(better: bool | None, words: str) -> None:
    ours = [entry for entry in summary() if entry["measure"] == "psnr"]
    own = [
        entry | {"method": "start_graph", "mean": 40.0}
        for entry in ours
        if entry["method"] == "stein_gauss_newton"
    ]
    against_start = COMPARISON | {"reference": "start_graph", "better": better, "difference": -4.0}
    rows = rows_from_summary([*ours, *own])
    page = a_page(tables=(Table(tuple(rows)),), comparisons=(COMPARISON, against_start))
    assert verdict(page) == (
        "PSNR (dB): Geodesic (Stein, Gauss-Newton) has 36, significantly better than the best"
        " baseline, LERP, with 15.5 (p = 0.002, 12 pairs), and"
        f" {words} its own start, Start (graph), with 40 (p = 0.002, 12 pairs)."
    )
    alone = a_page(tables=(Table(tuple(rows)),), comparisons=(against_start,))
    assert f"has 36, {words} its own start" in verdict(alone)


def test_bold_needs_every_comparison_of_a_method() -> None:
    for better, bold in ((True, 1), (None, 0), (False, 0)):
        found = [COMPARISON, COMPARISON | {"reference": "start_graph", "better": better}]
        view = view_of(rows_from_summary(summary(), comparisons=found))
        assert sum(shown.bold for row in view.main.rows for shown in row) == bold

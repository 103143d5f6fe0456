"""Tables of a run: winners only where comparisons say so, reasons once, dots where
the numbers are.
"""

import pytest

from scoregeo.evaluation.comparison import RULE
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.measure_table import comparison_table, dots, run_tables
from scoregeo.report.table import summary_entry
from tests.report.folders import COMPARISON, summary


def test_winners_are_those_of_the_comparisons() -> None:
    for better, expected in ((True, ["36.0 [35.0, 37.0]"]), (False, []), (None, [])):
        (table,) = run_tables(summary(), [COMPARISON | {"better": better}])
        assert [cell.plain for row in table.rows for cell in row if cell.winner] == expected
        assert (RULE in table.notes) == bool(expected)
    other = run_tables(summary(), [COMPARISON | {"group": "60 deg"}])[0]
    assert not any(cell.winner for row in other.rows for cell in row)


def test_head_cells_and_reasons() -> None:
    (table,) = run_tables(summary(), [])
    assert table.head[:3] == ("method", "pairs", "PSNR (dB)") and table.labels == 1
    assert [row[0].plain for row in table.rows] == ["truth", "lerp", "stein_gauss_newton"]
    assert table.rows[1][table.head.index("LPIPS")].plain == "n/a (1)"
    assert table.notes == ("n/a (1): no <weights>.",)


def test_details_stand_behind_the_number() -> None:
    (table,) = run_tables(
        [summary_entry("lerp", "all", "fid", Estimate(4.0, n=3, detail="12 of 2000 frames"))], []
    )
    assert table.rows[0][2].plain == "4 (12 of 2000 frames)"


def test_values_left_out_are_told() -> None:
    (table,) = run_tables(
        [summary_entry("lerp", "all", "psnr", Estimate(1.0, n=3, left_out=2))], []
    )
    assert table.notes == ("lerp: PSNR (dB) of 2 pair(s) was not finite and is left out.",)


def test_comparisons_in_words() -> None:
    table = comparison_table([COMPARISON, COMPARISON | {"better": None, "p": None, "low": None}])
    assert table is not None and table.folded
    first, second = ([cell.plain for cell in row] for row in table.rows)
    assert first == [
        "all",
        "PSNR (dB)",
        "stein_gauss_newton",
        "lerp",
        "20.5",
        "[18, 23]",
        "0.001",
        "0.002",
        "1",
        "12",
        "better",
    ]
    assert (second[5], second[6], second[-1]) == ("", "", "not told apart")
    assert comparison_table([]) is None


def test_dots_stand_where_the_numbers_are() -> None:
    panels = {panel.measure: panel for panel in dots(summary())}
    psnr = panels["PSNR (dB)"]
    assert (psnr.left, psnr.right, psnr.logarithmic) == ("14.5", "37", False)
    assert [(d.low, d.at, d.high) for d in psnr.dots] == [
        (0, pytest.approx(100 / 22.5, abs=0.01), pytest.approx(200 / 22.5, abs=0.01)),
        (pytest.approx(20.5 / 0.225, abs=0.01), pytest.approx(21.5 / 0.225, abs=0.01), 100),
    ]
    energy = panels["energy"]
    assert energy.logarithmic and energy.dots[0].method == "truth"
    # From 8 to 3e5: 10 lies log(10/8) / log(3e5/8) of the way.
    assert energy.dots[0].at == pytest.approx(2.12, abs=0.01)
    assert "score evaluations a point" not in panels  # one method alone has nothing to stand beside

"""Tables of the page from a run's rows: means with intervals and winners, and the comparisons
behind them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scoregeo.evaluation.columns import TITLES, headlines, present
from scoregeo.evaluation.comparison import RULE
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.page import Dot, Dots, Table, Text
from scoregeo.report.style import TRUTH
from scoregeo.report.table import Cell, Row, format_estimate, rows_from_summary

_SPENT = "evaluations_per_point"
_DECADES = 100.0  # a span of more than this is drawn on a logarithmic axis


def measure_table(
    caption: str,
    rows: Sequence[Row],
    measures: Sequence[str],
    *,
    folded: bool = False,
) -> Table:
    """A row for each of `rows`, its labels first, then pairs and a column a measure; reasons for
    "n/a" as notes.

    Cells of measures that a row marks are bold; the rule by which they are is told below.
    """
    keys = [
        key
        for key in dict.fromkeys(key for row in rows for key in row.labels)
        if any(row.labels.get(key) for row in rows)
    ]
    reasons: dict[str, int] = {}
    notes: list[str] = []
    lines = []
    for row in rows:
        cells = [row.cells.get(name) for name in measures]
        texts = [Text(row.labels.get(key, "")) for key in keys] + [Text(_pairs(cells))]
        for name, cell in zip(measures, cells, strict=True):
            texts.append(Text(_text(cell, reasons), winner=name in row.marked))
            if isinstance(cell, Estimate) and cell.left_out:
                whose = ", ".join(filter(None, row.labels.values()))
                notes.append(
                    f"{whose}: {TITLES.get(name, name)} of {cell.left_out} pair(s) was not finite"
                    " and is left out."
                )
        lines.append(tuple(texts))
    head = (*keys, "pairs", *(TITLES.get(name, name) for name in measures))
    told = [f"n/a ({number}): {reason}." for reason, number in reasons.items()] + notes
    return Table(
        caption,
        head,
        tuple(lines),
        len(keys),
        tuple(told + ([RULE] if any(row.marked for row in rows) else [])),
        folded,
    )


def run_tables(
    entries: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]
) -> list[Table]:
    """A table for each group of a run's rows, "all" first as it comes."""
    tables = []
    for group in dict.fromkeys(str(entry["group"]) for entry in entries):
        own = [entry for entry in entries if entry["group"] == group]
        found = rows_from_summary(own, comparisons=comparisons)
        rows = [
            Row({k: v for k, v in row.labels.items() if k != "group"}, row.cells, row.marked)
            for row in found
        ]
        name = "All pairs" if group in ("all", "") else group
        tables.append(
            measure_table(f"{name}: means over pairs with 95 % intervals", rows, present(own))
        )
    return tables


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> Table | None:
    """Every paired comparison, folded; None where there is none."""
    if not comparisons:
        return None
    head = (
        "group",
        "measure",
        "method",
        "against",
        "difference",
        "95 % interval",
        "p",
        "p, corrected",
        "effect",
        "pairs",
        "verdict",
    )
    verdicts = {True: "better", False: "worse", None: "not told apart"}
    rows = []
    for c in comparisons:
        interval = (
            ""
            if c["low"] is None or c["high"] is None
            else f"[{_number(c['low'])}, {_number(c['high'])}]"
        )
        words = [
            str(c["group"]),
            TITLES.get(str(c["measure"]), str(c["measure"])),
            str(c["method"]),
            str(c["reference"]),
        ]
        numbers = [
            _number(c["difference"]),
            interval,
            _number(c["p"]),
            _number(c["p_corrected"]),
            _number(c["effect"]),
        ]
        rows.append(
            tuple(Text(word) for word in [*words, *numbers, str(c["n"]), verdicts[c["better"]]])
        )
    return Table("Paired comparisons with the best baseline", head, tuple(rows), 4, folded=True)


def dots(entries: Sequence[Mapping[str, Any]]) -> list[Dots]:
    """The few measures that tell methods apart, side by side: a dot and an interval a method, over
    all pairs.
    """
    first = next((str(entry["group"]) for entry in entries), "")
    own = [entry for entry in entries if entry["group"] == first]
    wanted = list(dict.fromkeys([*headlines(own), *present(own, (_SPENT,))]))
    rows = rows_from_summary(own)
    return [panel for panel in (_panel(name, rows) for name in wanted) if panel is not None]


def _panel(measure: str, rows: Sequence[Row]) -> Dots | None:
    cells = {row.labels["method"]: row.cells.get(measure) for row in rows}
    known = {method: cell for method, cell in cells.items() if isinstance(cell, Estimate)}
    if len([method for method in known if method != TRUTH]) < 2:
        return None
    ends = [v for c in known.values() for v in (c.mean, c.low, c.high) if math.isfinite(v)]
    low, high = min(ends), max(ends)
    logarithmic = low > 0 and high > _DECADES * low
    # A count that is 0 for some methods and thousands for others: the logarithm of one more.
    shifted = not logarithmic and low == 0 and high > _DECADES

    def place(value: float) -> float:
        a, b, v = (
            math.log(x) if logarithmic else math.log1p(x) if shifted else x
            for x in (low, high, value)
        )
        return round(100 * (v - a) / (b - a), 2) if b > a else 50.0

    found = []
    for method, cell in known.items():
        bar = (
            (cell.low, cell.high)
            if math.isfinite(cell.low) and math.isfinite(cell.high)
            else (cell.mean, cell.mean)
        )
        found.append(
            Dot(method, format_estimate(cell), place(cell.mean), place(bar[0]), place(bar[1]))
        )
    return Dots(
        TITLES.get(measure, measure),
        tuple(found),
        f"{low:.3g}",
        f"{high:.3g}",
        logarithmic or shifted,
    )


def _text(cell: Cell | None, reasons: dict[str, int]) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Estimate):
        return format_estimate(cell) + (f" ({cell.detail})" if cell.detail else "")
    return f"n/a ({reasons.setdefault(cell.reason.rstrip('.'), len(reasons) + 1)})"


def _pairs(cells: Iterable[Cell | None]) -> str:
    counts = sorted({cell.n for cell in cells if isinstance(cell, Estimate)})
    return (
        "" if not counts else str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    )


def _number(value: Any) -> str:
    return "" if value is None else f"{float(value):.3g}"

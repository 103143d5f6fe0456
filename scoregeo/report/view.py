"""What of a page is shown, and how: grids of at most eight columns, the page's own measures first.

Both renderers draw these grids; nothing here is HTML or Markdown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scoregeo._utils.words import count
from scoregeo.evaluation.columns import TITLES, own
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.model import Page, Table
from scoregeo.report.names import method_name
from scoregeo.report.table import Cell, Row, format_estimate

MOST_COLUMNS = 8
_PICTURES = ("lpips", "fid", "kid")
_COSTS = ("evaluations_per_point", "seconds")
_NAMED = ("table", "group")  # given by a caption where all rows have the same
_METHODS = ("method", "solver")  # label columns that hold ids
_ROUNDING = 1e-6  # a value below it is 0 up to rounding, and wins nothing; 0 itself may
_FEW_PAIRS = 8  # t intervals of skewness 2 cover 0.90 of as many (`mean_with_interval`)
_BOLD = "Bold: significantly better than the best baseline and the start; the rule is under Notes."


@dataclass(frozen=True)
class Shown:
    """A cell as text."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Grid:
    """A table as it is drawn: the `labels` leading columns are names, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    labels: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableView:
    """A table of a page: its main columns, and the other measures in grids of their own."""

    caption: str
    main: Grid
    further: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Reasons:
    """Reasons for "n/a", numbered as they come."""

    known: dict[str, int] = field(default_factory=dict)

    def number(self, reason: str) -> int:
        return self.known.setdefault(reason.rstrip("."), len(self.known) + 1)


def table_views(page: Page) -> list[TableView]:
    """Every table of a page, in order."""
    return [_table_view(page, table) for table in page.tables if table.rows]


def title_of(page: Page, measure: str) -> str:
    """The heading of a column."""
    return page.titles.get(measure) or TITLES.get(measure, measure)


def _table_view(page: Page, table: Table) -> TableView:
    rows = table.rows
    keys = [key for key in _keys(rows) if _says_something(key, rows)]
    everything = dict.fromkeys([*TITLES, *(name for row in rows for name in row.cells)])
    present = [name for name in everything if any(name in row.cells for row in rows)]
    if page.titles:  # columns of its own stand as they come
        present = list(dict.fromkeys(name for row in rows for name in row.cells))
    shown = [name for name in present if any(_has_value(row.cells.get(name)) for row in rows)]
    counts = {cell.n for row in rows for cell in _estimates(row, shown)}
    counted = len(counts) > 1
    room = max(MOST_COLUMNS - len(keys) - counted, 1)
    first = _first(page, table, shown)[:room]
    rest = [name for name in shown if name not in first]
    reasons = _Reasons()

    def grid(names: Sequence[str]) -> Grid:
        return _grid(page, rows, keys, names, counted, reasons)

    main = grid(first)
    further = tuple(grid(rest[start : start + room]) for start in range(0, len(rest), room))
    lost = [name for name in present if name not in shown]
    notes = [
        *_what(page, rows, first, counts, counted),
        *([_BOLD] if any(cell.bold for line in main.rows for cell in line) else []),
        *_empty(page, rows, lost),
        *table.notes,
    ]
    return TableView(table.caption, main, further, tuple(notes))


def _first(page: Page, table: Table, shown: Sequence[str]) -> list[str]:
    """The measures of a module of one's own, the page's, then of pictures LPIPS, FID and KID, then
    costs; where a page names none, its columns as they come.
    """
    wanted = table.measures or page.measures
    asked = [] if page.titles else [name for name in own(shown) if name not in wanted]
    if not wanted:
        return list(dict.fromkeys((*asked, *shown)))
    order = dict.fromkeys((*asked, *wanted, *_PICTURES, *_COSTS))
    return [name for name in order if name in shown] or list(shown)


def _keys(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row.labels))


def _says_something(key: str, rows: Sequence[Row]) -> bool:
    values = {row.labels.get(key, "") for row in rows}
    return values != {""} and not (key in _NAMED and len(values) == 1)


def _has_value(cell: Cell | None) -> bool:
    return isinstance(cell, Estimate) or bool(cell and isinstance(cell, str))


def _estimates(row: Row, names: Sequence[str]) -> list[Estimate]:
    found = [row.cells.get(name) for name in names]
    return [cell for cell in found if isinstance(cell, Estimate)]


def _grid(
    page: Page,
    rows: Sequence[Row],
    keys: Sequence[str],
    names: Sequence[str],
    counted: bool,
    reasons: _Reasons,
) -> Grid:
    lines, used = [], dict[int, str]()
    left_out: dict[str, list[str]] = {}
    for row in rows:
        line = [Shown(_label(key, row.labels.get(key, ""))) for key in keys]
        line += [Shown(_pairs(_estimates(row, names)))] if counted else []
        for name in names:
            cell = row.cells.get(name)
            line.append(Shown(_text(cell, reasons), _is_bold(row, name, cell)))
            if isinstance(cell, NotAvailable):
                used[reasons.number(cell.reason)] = cell.reason.rstrip(".")
            if isinstance(cell, Estimate) and cell.left_out:
                whose = ", ".join(shown.text for shown in line[: len(keys)])
                left_out.setdefault(name, []).append(f"{count(cell.left_out, 'pair')} of {whose}")
        lines.append(tuple(line))
    titles = [title_of(page, name) for name in names]
    head = (*(page.titles.get(key, key) for key in keys), *["pairs"] * counted, *titles)
    unavailable = [f"n/a ({number}): {reason}." for number, reason in sorted(used.items())]
    notes = [
        f"Left out of the mean as not finite: {title_of(page, name)} on {'; '.join(found)}."
        for name, found in left_out.items()
    ]
    return Grid(", ".join(titles), head, tuple(lines), max(len(keys), 1), (*unavailable, *notes))


def _label(key: str, value: str) -> str:
    return method_name(value) if key in _METHODS else value


def _pairs(cells: Sequence[Estimate]) -> str:
    counts = sorted({cell.n for cell in cells})
    return f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else "".join(map(str, counts))


def _text(cell: Cell | None, reasons: _Reasons) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    if isinstance(cell, NotAvailable):
        return f"n/a ({reasons.number(cell.reason)})"
    return format_estimate(cell) + (f" ({cell.detail})" if cell.detail else "")


def _is_bold(row: Row, name: str, cell: Cell | None) -> bool:
    rounding = isinstance(cell, Estimate) and 0 < abs(cell.mean) < _ROUNDING
    return name in row.marked and isinstance(cell, Estimate) and not rounding


def _what(
    page: Page, rows: Sequence[Row], names: Sequence[str], counts: set[int], counted: bool
) -> list[str]:
    """What the numbers are, in a line."""
    cells = [cell for row in rows for cell in _estimates(row, names)]
    said = []
    wide = [cell.n for cell in cells if math.isfinite(cell.low) and cell.high > cell.low]
    if wide:
        said.append(f"Means with 95 % {page.intervals} intervals over pairs in brackets")
    if not counted and counts and max(counts) > 1:
        said.append(f"n = {max(counts)} pairs a row")
    elif not counted and counts and "pairs" in page.settings:
        said.append("n = 1 pair a row: no intervals")
    if wide and min(wide) <= _FEW_PAIRS and page.intervals == "t":
        said.append(f"intervals of {_FEW_PAIRS} pairs or fewer cover about 0.9 of skewed values")
    return ["; ".join(said) + "."] if said else []


def _empty(page: Page, rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Names the columns that have no value in any row, by reason."""
    by_reason: dict[str, list[str]] = {}
    for name in names:
        cells = [row.cells[name] for row in rows if name in row.cells]
        reasons = [cell.reason.rstrip(".") for cell in cells if isinstance(cell, NotAvailable)]
        by_reason.setdefault("; ".join(dict.fromkeys(reasons)), []).append(title_of(page, name))
    return [
        f"Without a value in any row: {', '.join(titles)}" + (f" ({reason})." if reason else ".")
        for reason, titles in by_reason.items()
    ]

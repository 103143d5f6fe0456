"""Tables of estimates as Markdown and CSV, with the command that made them. Deterministic: no
dates, no paths of a machine.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_text
from scoregeo.evaluation.statistics import Estimate, NotAvailable

Cell = Estimate | NotAvailable
SUMMARY_KEYS = ("method", "group", "measure", "mean", "low", "high", "n")


@dataclass(frozen=True)
class Row:
    """One line of a table: what it is of, by column ("method", "group", a swept key), and its cell
    for each measure.

    `marked`: the measures shown in bold, by the rule of `scoregeo.evaluation.comparison`.
    """

    labels: Mapping[str, str]
    cells: Mapping[str, Cell]
    marked: frozenset[str] = frozenset()


def summary_entry(method: str, group: str, measure: str, cell: Cell) -> dict[str, Any]:
    """One entry of `summary.json`: `SUMMARY_KEYS`, `left_out`, `detail`, and `reason` (null where
    there is a value).
    """
    names: dict[str, Any] = {"method": method, "group": group, "measure": measure}
    if isinstance(cell, NotAvailable):
        return names | {
            "mean": None,
            "low": None,
            "high": None,
            "n": 0,
            "left_out": 0,
            "detail": "",
            "reason": cell.reason,
        }
    values = {
        "mean": cell.mean,
        "low": cell.low,
        "high": cell.high,
        "n": cell.n,
        "left_out": cell.left_out,
        "detail": cell.detail,
    }
    return names | values | {"reason": None}


def rows_from_summary(
    entries: Iterable[Mapping[str, Any]],
    labels: Mapping[str, str] | None = None,
    comparisons: Iterable[Mapping[str, Any]] = (),
) -> list[Row]:
    """The rows of `summary.json` entries, one for each method and group, in order; `labels` go in
    front of each row's own.

    `comparisons`: those of the same file; whichever method they find better is marked.
    Raises DataError for an entry that lacks a key, naming it: a file of another version.
    """
    gathered: dict[tuple[str, str], dict[str, Cell]] = {}
    for entry in entries:
        missing = (
            [key for key in SUMMARY_KEYS if key not in entry]
            if isinstance(entry, Mapping)
            else list(SUMMARY_KEYS)
        )
        if missing:
            raise DataError(
                f"A summary entry lacks {', '.join(missing)}: it was written by another version."
            )
        cells = gathered.setdefault((str(entry["method"]), str(entry["group"])), {})
        cells[str(entry["measure"])] = _cell(entry)
    better = {(c["method"], c["group"], c["measure"]) for c in comparisons if c["better"] is True}
    return [
        Row(
            {**(labels or {}), "method": method, "group": group},
            cells,
            frozenset(name for name in cells if (method, group, name) in better),
        )
        for (method, group), cells in gathered.items()
    ]


def markdown_table(
    rows: Sequence[Row],
    *,
    measures: Sequence[str] | None = None,
    titles: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """A GitHub table: labels, the number of pairs, and for each measure its value and interval;
    bold where the row is marked.

    Below it the reasons for "n/a", each once, what was left out, and `notes`.

    `measures` picks and orders the columns (default: all, as they come); `titles` gives headings
    for labels and measures. A label column that is empty in every row is left out. Raises DataError
    for no rows.
    """
    if not rows:
        raise DataError("A table needs at least one row.")
    names = list(measures) if measures is not None else _measures(rows)
    keys = [
        key
        for key in dict.fromkeys(key for row in rows for key in row.labels)
        if any(row.labels.get(key) for row in rows)
    ]
    head = [(titles or {}).get(key, key) for key in [*keys, "pairs", *names]]
    reasons: dict[str, int] = {}
    left_out: list[str] = []
    lines = [head, ["---"] * len(keys) + ["---:"] * (1 + len(names))]
    for row in rows:
        cells = [row.cells.get(name) for name in names]
        left_out += [
            f"{', '.join(filter(None, row.labels.values()))}: {name} of {cell.left_out} pair(s) was"
            " not finite and is left out."
            for name, cell in zip(names, cells, strict=True)
            if isinstance(cell, Estimate) and cell.left_out
        ]
        lines.append(
            [row.labels.get(key, "") for key in keys]
            + [_pairs(cells)]
            + [
                f"**{text}**" if name in row.marked else text
                for name, text in zip(names, (_text(cell, reasons) for cell in cells), strict=True)
            ]
        )
    table = "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
    below = (
        [f"n/a ({number}): {reason}." for reason, number in reasons.items()]
        + left_out
        + list(notes)
    )
    return table + "\n" + "".join(f"\n- {note}" for note in below) + ("\n" if below else "")


def csv_table(rows: Sequence[Row], *, measures: Sequence[str] | None = None) -> str:
    """One line for each row and measure, with every digit: labels, measure, mean, low, high, n,
    left_out, detail, reason.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row.labels))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*keys, "measure", "mean", "low", "high", "n", "left_out", "detail", "reason"])
    for row in rows:
        for name in measures if measures is not None else row.cells:
            cell = row.cells.get(name)
            if isinstance(cell, Estimate):
                numbers = [
                    repr(value) if math.isfinite(value) else ""
                    for value in (cell.mean, cell.low, cell.high)
                ]
                values = [*numbers, str(cell.n), str(cell.left_out), cell.detail, ""]
            else:
                values = ["", "", "", "0", "0", "", cell.reason if cell else ""]
            writer.writerow([row.labels.get(key, "") for key in keys] + [name, *values])
    return buffer.getvalue()


def page(
    title: str,
    tables: Mapping[str, Sequence[Row]],
    *,
    command: str,
    seed: int | None,
    settings: Mapping[str, object] | None = None,
    measures: Sequence[str] | None = None,
    titles: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    table_notes: Sequence[str] = (),
) -> str:
    """A Markdown page: title, the exact command, seed and settings, then each table under its
    caption (none for "").

    `table_notes` stand under every table, `notes` once at the end.
    """
    parts = [f"# {title}", f"```bash\n{command}\n```"]
    facts = ([f"seed {seed}"] if seed is not None else []) + [
        f"{key} = {value}" for key, value in (settings or {}).items()
    ]
    if facts:
        parts.append("Settings: " + ", ".join(f"`{fact}`" for fact in facts) + ".")
    parts.append("Means over pairs, with 95 % bootstrap intervals in brackets.")
    for caption, rows in tables.items():
        shown = (
            None
            if measures is None
            else [name for name in measures if any(name in row.cells for row in rows)]
        )
        parts += ([f"## {caption}"] if caption else []) + [
            markdown_table(rows, measures=shown, titles=titles, notes=table_notes).rstrip()
        ]
    parts += ["\n".join(f"- {note}" for note in notes)] if notes else []
    return "\n\n".join(parts) + "\n"


def write_page(
    out: Path, title: str, tables: Mapping[str, Sequence[Row]], **details: Any
) -> tuple[Path, Path]:
    """`page(title, tables, **details)` as `out.md` and all its rows with full numbers as `out.csv`,
    each whole or not at all.
    """
    markdown, numbers = out.with_name(f"{out.name}.md"), out.with_name(f"{out.name}.csv")
    write_text(markdown, page(title, tables, **details))
    captioned = [
        Row(
            {"table": caption, **row.labels} if len(tables) > 1 else row.labels,
            row.cells,
            row.marked,
        )
        for caption, rows in tables.items()
        for row in rows
    ]
    write_text(numbers, csv_table(captioned))
    return markdown, numbers


def format_estimate(estimate: Estimate) -> str:
    """`36.5 [35.9, 37.2]`: to two digits of the interval's half-width; the value alone, to four,
    where there is no interval.
    """
    mean, low, high = estimate.mean, estimate.low, estimate.high
    if not (math.isfinite(low) and math.isfinite(high)) or not high > low:
        return f"{mean:.4g}"
    largest, half = max(abs(mean), abs(low), abs(high)), (high - low) / 2
    if largest >= 1e6 or largest < 1e-3:
        return f"{mean:.3g} [{low:.3g}, {high:.3g}]"
    decimals = min(max(1 - math.floor(math.log10(half)), 0), 6)
    return f"{mean:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def _cell(entry: Mapping[str, Any]) -> Cell:
    if entry["mean"] is None:
        return NotAvailable(str(entry.get("reason") or "no value was recorded"))
    low, high = (math.nan if entry[key] is None else float(entry[key]) for key in ("low", "high"))
    left_out, detail = int(entry.get("left_out") or 0), str(entry.get("detail") or "")
    return Estimate(float(entry["mean"]), low, high, int(entry["n"]), left_out, detail)


def _measures(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def _pairs(cells: Iterable[Cell | None]) -> str:
    counts = sorted({cell.n for cell in cells if isinstance(cell, Estimate)})
    return (
        "" if not counts else str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    )


def _text(cell: Cell | None, reasons: dict[str, int]) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Estimate):
        return format_estimate(cell) + (f" ({cell.detail})" if cell.detail else "")
    number = reasons.setdefault(cell.reason.rstrip("."), len(reasons) + 1)
    return f"n/a ({number})"

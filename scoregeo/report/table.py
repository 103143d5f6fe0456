"""Rows of tables: labels, and a cell for each measure, as in `summary.json` and as text."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scoregeo._utils.results import CELL, ENTRY
from scoregeo._utils.schema import check_fields
from scoregeo.evaluation.statistics import Estimate, NotAvailable

Cell = Estimate | NotAvailable | str  # a free text


@dataclass(frozen=True)
class Row:
    """One line of a table: what it is of, by column ("method", "group", a swept key), and its cell
    for each measure.

    `marked`: the measures shown in bold, by the rule of `scoregeo.evaluation.comparison`.
    """

    labels: Mapping[str, str]
    cells: Mapping[str, Cell]
    marked: frozenset[str] = frozenset()


def summary_entry(
    method: str, group: str, measure: str, cell: Estimate | NotAvailable
) -> dict[str, Any]:
    """One entry of a run's `summary.json`: the fields of `ENTRY`, `reason` null where there is a
    value.
    """
    names: dict[str, Any] = {"method": method, "group": group, "measure": measure}
    if isinstance(cell, NotAvailable):
        empty = {"mean": None, "low": None, "high": None, "n": 0, "left_out": 0, "detail": ""}
        return names | empty | {"reason": cell.reason}
    keys = ("mean", "low", "high", "n", "left_out", "detail")
    return names | {key: getattr(cell, key) for key in keys} | {"reason": None}


def rows_from_summary(
    entries: Iterable[Mapping[str, Any]],
    labels: Mapping[str, str] | None = None,
    comparisons: Iterable[Mapping[str, Any]] = (),
) -> list[Row]:
    """The rows of `summary.json` entries, one for each method and group, in order; `labels` go in
    front of each row's own.

    `comparisons`: those of the same file; a method is marked where each of its own finds it better,
    and differs from its reference in the digits shown.
    Raises DataError for an entry that lacks a key, naming it: a file of another version.
    """
    gathered: dict[tuple[str, str], dict[str, Cell]] = {}
    for entry in entries:
        check_fields(entry, ENTRY, "A summary entry")
        cells = gathered.setdefault((str(entry["method"]), str(entry["group"])), {})
        mean = None if entry["mean"] is None else float(entry["mean"])
        cells[str(entry["measure"])] = read_cell({**entry, "mean": mean})
    verdicts: dict[tuple[Any, ...], list[bool]] = {}
    for entry in comparisons:
        key = (entry["method"], entry["group"], entry["measure"])
        found = entry["better"] is True and _differ(gathered, entry)
        verdicts.setdefault(key, []).append(found)
    better = {key for key, each in verdicts.items() if all(each)}
    return [
        Row(
            {**(labels or {}), "method": method, "group": group},
            cells,
            frozenset(name for name in cells if (method, group, name) in better),
        )
        for (method, group), cells in gathered.items()
    ]


def read_cell(entry: Mapping[str, Any], where: str = "a cell") -> Estimate | NotAvailable:
    """The value of an entry, or why there is none; null bounds are no interval. Raises DataError
    for one that holds another kind of value than a number.
    """
    check_fields(entry, CELL, where)
    if entry.get("mean") is None:
        return NotAvailable(str(entry.get("reason") or "no value was recorded"))
    low, high = (math.nan if entry.get(key) is None else entry[key] for key in ("low", "high"))
    left_out, detail = int(entry.get("left_out") or 0), str(entry.get("detail") or "")
    return Estimate(entry["mean"], low, high, int(entry.get("n", 1)), left_out, detail)


def format_estimate(estimate: Estimate) -> str:
    """`36.5 [35.9, 37.2]`: to two digits of the interval's half-width; the value alone, to four,
    where there is no interval.
    """
    mean, low, high = estimate.mean, estimate.low, estimate.high
    form = f"z{_form(estimate)}"  # no -0.00
    shown = f"{mean:{form}}"
    return f"{shown} [{low:{form}}, {high:{form}}]" if _has_interval(estimate) else shown


def same_as_shown(first: Estimate, second: Estimate) -> bool:
    """Whether two values are the same to the digits that tables show, of the coarser one."""
    forms = f"z{_form(first)}", f"z{_form(second)}"
    return any(f"{first.mean:{form}}" == f"{second.mean:{form}}" for form in forms)


def _has_interval(estimate: Estimate) -> bool:
    low, high = estimate.low, estimate.high
    return math.isfinite(low) and math.isfinite(high) and high > low


def _form(estimate: Estimate) -> str:
    """The format that a value and its bounds are written in."""
    if not _has_interval(estimate):
        return ".4g"
    mean, low, high = estimate.mean, estimate.low, estimate.high
    largest = max(abs(mean), abs(low), abs(high))
    if largest >= 1e6 or largest < 1e-3:
        return ".3g"
    return f".{min(max(1 - math.floor(math.log10((high - low) / 2)), 0), 6)}f"


def _differ(
    gathered: Mapping[tuple[str, str], Mapping[str, Cell]], comparison: Mapping[str, Any]
) -> bool:
    """Whether the two values of a comparison differ as they are shown."""
    names, group = (comparison["method"], comparison["reference"]), comparison["group"]
    first, second = (gathered.get((name, group), {}).get(comparison["measure"]) for name in names)
    if not (isinstance(first, Estimate) and isinstance(second, Estimate)):
        return True
    return not same_as_shown(first, second)

"""Paired comparisons in words: every one in a grid, and the page's main one in a sentence."""

import math
from collections.abc import Mapping
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.columns import HIGHER, NEARER_ZERO, TITLES, direction
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.model import Page
from scoregeo.report.names import METRICS, method_name
from scoregeo.report.table import format_estimate
from scoregeo.report.view import Grid, Shown, title_of

_VERDICTS = {True: "better", False: "worse", None: "no significant difference"}
_AGAINST = {
    True: "significantly better than",
    False: "significantly worse than",
    None: "not significantly different from",
}


def comparison_grids(page: Page) -> list[Grid]:
    """Every paired comparison, a grid a group of pairs; measures in the order of their titles."""
    head = ("measure", "method", "against", "difference", "p", "p, corrected", "effect", "")
    places = {name: place for place, name in enumerate(TITLES)}
    grids = []
    for group in dict.fromkeys(str(entry["group"]) for entry in page.comparisons):
        own = [entry for entry in page.comparisons if entry["group"] == group]
        own.sort(key=lambda entry: places.get(str(entry["measure"]), len(places)))
        counts = sorted({int(entry["n"]) for entry in own})
        of_pairs = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        name = "All pairs" if group in ("all", "") else group
        rows = tuple(_comparison(page, entry) for entry in own)
        grids.append(Grid(f"{name} ({of_pairs} pairs)", head, rows, 3))
    return grids


def _comparison(page: Page, entry: Mapping[str, Any]) -> tuple[Shown, ...]:
    low, high = (math.nan if entry[key] is None else entry[key] for key in ("low", "high"))
    words = [
        title_of(page, str(entry["measure"])),
        method_name(str(entry["method"])),
        method_name(str(entry["reference"])),
        format_estimate(Estimate(entry["difference"], low, high, entry["n"])),
        *(
            "" if entry[key] is None else f"{entry[key]:.2g}"
            for key in ("p", "p_corrected", "effect")
        ),
        _VERDICTS[entry["better"]],
    ]
    return tuple(map(Shown, words))


def verdict(page: Page) -> str:
    """The page's first measure that was compared, in a sentence: the best geodesic against the best
    baseline over all pairs; empty where nothing was compared.
    """
    for measure in page.measures:
        entries = [
            entry
            for entry in page.comparisons
            if entry["measure"] == measure
            and entry["group"] == "all"
            and str(entry["method"]).partition("_")[0] in METRICS
            and "_" in str(entry["method"])
        ]
        if entries:
            break
    else:
        return ""
    sign = -1 if direction(measure) == HIGHER else 1
    best = min(entries, key=lambda entry: sign * entry["difference"])
    pair = [str(best[key]) for key in ("method", "reference")]
    try:
        ours, theirs = (page.cell(measure, method=method, group="all") for method in pair)
    except DataError:  # compared, but not in a table
        return ""
    if not (isinstance(ours, Estimate) and isinstance(theirs, Estimate)):
        return ""
    names = [method_name(method) for method in pair]
    p = "" if best["p_corrected"] is None else f"p = {best['p_corrected']:.2g}, "
    title = title_of(page, measure)
    said = f"{title[:1].upper()}{title[1:]}: {names[0]} has {ours.mean:.3g}"
    return (
        f"{said}, {_AGAINST[best['better']]} the best baseline, {names[1]}, with {theirs.mean:.3g}"
        f" ({p}{best['n']} pairs).{_better_start(page, measure, ours)}"
    )


def _better_start(page: Page, measure: str, ours: Estimate) -> str:
    """What the start has, where its mean is better than the geodesic's: then the lead over a
    baseline is the start's.
    """
    way = direction(measure)
    for row in page.numbers():
        method, cell = row.labels.get("method", ""), row.cells.get(measure)
        whole = row.labels.get("group", "all") == "all"
        if whole and method.startswith("start_") and isinstance(cell, Estimate):
            start, own = cell.mean, ours.mean
            if way == NEARER_ZERO:
                start, own = -abs(start), -abs(own)
            elif way != HIGHER:
                start, own = -start, -own
            name, shown = method_name(method), f"{cell.mean:.3g}"
            if start > own and shown != f"{ours.mean:.3g}":
                return f" The solver's start, not compared by a test, has {shown} ({name})."
    return ""

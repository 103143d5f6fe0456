"""Paired comparisons in words: every one in a grid, and the page's main one in a sentence."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.words import count
from scoregeo.evaluation.columns import HIGHER, TITLES, direction
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


def comparison_grids(page: Page, entries: Sequence[Mapping[str, Any]]) -> list[Grid]:
    """Paired comparisons, a grid a group of pairs; measures in the order of their titles."""
    head = ("measure", "method", "against", "difference", "p", "p, corrected", "effect", "")
    places = {name: place for place, name in enumerate(TITLES)}
    grids = []
    for group in dict.fromkeys(str(entry["group"]) for entry in entries):
        own = [entry for entry in entries if entry["group"] == group]
        own.sort(key=lambda entry: places.get(str(entry["measure"]), len(places)))
        counts = sorted({int(entry["n"]) for entry in own})
        fewest = f"{counts[0]} to " if len(counts) > 1 else ""
        of_pairs = fewest + count(counts[-1], "pair")
        name = "All pairs" if group in ("all", "") else group
        rows = tuple(_comparison(page, entry) for entry in own)
        grids.append(Grid(f"{name} ({of_pairs})", head, rows, 3))
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
    """The page's first measure that was compared, in words: the best geodesic against the best
    baseline and against its own start, over all pairs; empty where nothing was compared.
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
    first = str(entries[0]["reference"])
    best = min(
        (entry for entry in entries if entry["reference"] == first),
        key=lambda entry: sign * entry["difference"],
    )
    ours = _mean(page, measure, str(best["method"]))
    said = [
        _against(page, measure, entry) for entry in entries if entry["method"] == best["method"]
    ]
    if ours is None or not all(said):
        return ""
    title = title_of(page, measure)
    name = method_name(str(best["method"]))
    return f"{title[:1].upper()}{title[1:]}: {name} has {ours:.3g}, {', and '.join(said)}."


def _against(page: Page, measure: str, entry: Mapping[str, Any]) -> str:
    """One comparison of a geodesic, to stand behind its value; empty where its reference is in no
    table.
    """
    reference = str(entry["reference"])
    value = _mean(page, measure, reference)
    if value is None:
        return ""
    role = "its own start" if reference.startswith("start_") else "the best baseline"
    p = "" if entry["p_corrected"] is None else f"p = {entry['p_corrected']:.2g}, "
    return (
        f"{_AGAINST[entry['better']]} {role}, {method_name(reference)}, with {value:.3g}"
        f" ({p}{count(int(entry['n']), 'pair')})"
    )


def _mean(page: Page, measure: str, method: str) -> float | None:
    try:
        cell = page.cell(measure, method=method, group="all")
    except DataError:  # compared, but not in a table
        return None
    return cell.mean if isinstance(cell, Estimate) else None

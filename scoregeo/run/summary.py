"""From the methods' records to `summary.json`: means with intervals, every method against the
best baseline, and geodesics against their start.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from scoregeo.evaluation.columns import TITLES, direction
from scoregeo.evaluation.comparison import (
    Difference,
    compare,
    compare_each,
    jackknife_difference,
    paired_difference,
)
from scoregeo.evaluation.registry import NEARER_ZERO
from scoregeo.evaluation.statistics import NotAvailable, mean_with_interval
from scoregeo.report.comparison import comparison_entry
from scoregeo.report.table import summary_entry
from scoregeo.run.problem.base import BASELINE, OURS, START

ALL = "all"  # the group of every pair

Record = Mapping[str, Any]


def summarise(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Rows of `summary.json`: every measure's mean over each group of pairs, and over all of them.

    A pair with several rows in a group counts once, with their mean; it is left out where one of
    them is not finite."""
    rows = []
    for record in records:
        for group in _groups(record):
            for name in record["pairs"][0]["measures"]:
                estimate = mean_with_interval(_by_unit(record, group, name))
                rows.append(summary_entry(record["method"], group, name, estimate))
            for name, reason in record["not_available"].items():
                rows.append(summary_entry(record["method"], group, name, NotAvailable(reason)))
            if group == ALL:
                rows += record["distribution"]
    return rows


def compare_methods(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Entries "comparisons" of `summary.json`, for each group and each measure with a better
    direction. One pair shows no difference: what would compare a single one is left out.

    Candidates are baselines, the solver's start and the run's own methods, not the truth. Values of
    pairs first; then, for all pairs, FID, KID and recall by their values without each pair, which
    the records hold.
    """
    known = [record for record in records if record["role"] in (BASELINE, START, OURS)]
    baselines = [record["method"] for record in known if record["role"] == BASELINE]
    start = _start(known)
    return [
        comparison_entry(group, measure, one)
        for group in (_groups(known[0]) if known else [])
        for measure, way, means, between in _measured(known, group)
        for one in compare(means, baselines, way, between, start)
        if one.difference.n > 1
    ]


def compare_pairwise(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Entries "pairwise" of `summary.json`: over all pairs, each of the run's own methods against
    each baseline and the start, for each measure with a better direction.
    """
    known = [record for record in records if record["role"] in (BASELINE, START, OURS)]
    ours = [record["method"] for record in known if record["role"] == OURS]
    start = _start(known)
    return [
        comparison_entry(ALL, measure, one)
        for measure, way, means, between in (_measured(known, ALL) if ours else ())
        for one in compare_each(ours, means, way, between, start)
        if one.difference.n > 1
    ]


def _measured(
    records: Sequence[Record], group: str
) -> Iterator[tuple[str, str, dict[str, float], Callable[[str, str], Difference]]]:
    """Every measure of a group that has a better direction: its name, the direction, each method's
    value, and the function that compares two methods by it.
    """
    for measure in TITLES:
        way = direction(measure)
        if way is None:
            continue
        found = dict(_values(records, group, measure, absolute=way == NEARER_ZERO))
        if found:
            yield measure, way, _common_means(found), partial(_between, found)
        elif group == ALL:
            yield measure, way, *_of_sets(records, measure)


def _start(records: Sequence[Record]) -> str | None:
    return next((record["method"] for record in records if record["role"] == START), None)


def _groups(record: Record) -> list[str]:
    """All pairs first, then each group where there are several."""
    groups = list(dict.fromkeys(line["group"] for line in record["pairs"]))
    return [ALL] + [group for group in groups if len(groups) > 1 and group != ALL]


def _by_unit(record: Record, group: str, measure: str) -> torch.Tensor:
    """One value for each pair of a group, [units]: the mean over its rows, NaN where one of them
    is.
    """
    values: dict[str, list[float]] = {}
    for line in record["pairs"]:
        if group in (ALL, line["group"]):
            value = line["measures"][measure]
            values.setdefault(line["unit"], []).append(
                float("nan") if value is None else float(value)
            )
    return torch.tensor([sum(found) / len(found) for found in values.values()], dtype=torch.float64)


def _values(
    records: Sequence[Record], group: str, measure: str, absolute: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """Each method's values, [units], of those that have the measure and a finite value of it."""
    for record in records:
        if measure in record["pairs"][0]["measures"]:
            values = _by_unit(record, group, measure)
            if bool(values.isfinite().any()):
                yield record["method"], values.abs() if absolute else values


def _common_means(values: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Means over the pairs of which every method has a finite value; NaN, which excludes all, where
    there is none.
    """
    common = torch.stack([found.isfinite() for found in values.values()]).all(0)
    return {method: float(found[common].mean()) for method, found in values.items()}


def _between(values: Mapping[str, torch.Tensor], method: str, reference: str) -> Difference:
    return paired_difference(values[method], values[reference])


def _of_sets(
    records: Sequence[Record], measure: str
) -> tuple[dict[str, float], Callable[[str, str], Difference]]:
    """Values of a measure of all frames together, and the function that compares two methods by
    them.
    """
    cells = {
        record["method"]: (
            entry["mean"],
            torch.tensor(record["jackknife"][measure], dtype=torch.float64),
        )
        for record in records
        for entry in record["distribution"]
        if entry["measure"] == measure
        and entry["mean"] is not None
        and measure in record["jackknife"]
    }

    def between(method: str, reference: str) -> Difference:
        (value, without), (other, others) = cells[method], cells[reference]
        return jackknife_difference(value, other, without, others)

    return {method: value for method, (value, _) in cells.items()}, between

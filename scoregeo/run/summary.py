"""From the methods' records to `summary.json`: means with intervals, every method against the
best baseline, and geodesics against their start.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from scoregeo.evaluation.columns import TITLES, counts_points, direction
from scoregeo.evaluation.comparison import MOST_PAIRS, compare, compare_each
from scoregeo.evaluation.difference import (
    NOT_COMPARED,
    Difference,
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
        comparison_entry(group, by.measure, one)
        for group in (_groups(known[0]) if known else [])
        for by in _measured(known, group)
        for one in compare(by.means, baselines, by.direction, by.between, start, by.eligible)
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
        comparison_entry(ALL, by.measure, one)
        for by in (_measured(known, ALL) if ours else ())
        for one in compare_each(ours, by.means, by.direction, by.between, start)
        if one.difference.n > 1
    ]


@dataclass(frozen=True)
class _Measured:
    """A measure that has a better direction, in a group: each method's value, the baselines of
    which the best is taken, and the function that compares two methods.
    """

    measure: str
    direction: str
    means: Mapping[str, float]
    eligible: Sequence[str]
    between: Callable[[str, str], Difference]


def _measured(records: Sequence[Record], group: str) -> Iterator[_Measured]:
    """Every measure of a group that has a better direction."""
    baselines = [record["method"] for record in records if record["role"] == BASELINE]
    for measure in TITLES:
        way = direction(measure)
        if way is None:
            continue
        found = dict(_values(records, group, measure, absolute=way == NEARER_ZERO))
        between: Callable[[str, str], Difference] = partial(_between, found)
        if found:
            means, eligible = _means(found, baselines)
        elif group == ALL:
            (means, between), eligible = _of_sets(records, measure), baselines
        else:
            continue
        if counts_points(measure):
            points = {record["method"]: record.get("points") for record in records}
            between = partial(_of_equal_points, points, between)
        yield _Measured(measure, way, means, eligible, between)


def _start(records: Sequence[Record]) -> str | None:
    return next((record["method"] for record in records if record["role"] == START), None)


def _groups(record: Record) -> list[str]:
    """All pairs first, then each group where there are several."""
    groups = list(dict.fromkeys(line["group"] for line in record["pairs"]))
    return [ALL] + [group for group in groups if len(groups) > 1 and group != ALL]


def _by_unit(record: Record, group: str, measure: str, *, absolute: bool = False) -> torch.Tensor:
    """One value for each pair of a group, [units]: the mean over its rows, of their absolute values
    where `absolute`; NaN where one of them is.
    """
    values: dict[str, list[float]] = {}
    for line in record["pairs"]:
        if group in (ALL, line["group"]):
            value = line["measures"][measure]
            number = float("nan") if value is None else float(value)
            values.setdefault(line["unit"], []).append(abs(number) if absolute else number)
    return torch.tensor([sum(found) / len(found) for found in values.values()], dtype=torch.float64)


def _values(
    records: Sequence[Record], group: str, measure: str, absolute: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """Each method's values, [units], of those that have the measure and a finite value of it."""
    for record in records:
        if measure in record["pairs"][0]["measures"]:
            values = _by_unit(record, group, measure, absolute=absolute)
            if bool(values.isfinite().any()):
                yield record["method"], values


def _means(
    values: Mapping[str, torch.Tensor], baselines: Sequence[str]
) -> tuple[dict[str, float], list[str]]:
    """Each method's mean over its finite values, [units] each, and the baselines of which the best
    is taken: theirs are over the pairs for which all of these have a value, where there are such.
    """
    finite = {method: found.isfinite() for method, found in values.items()}
    known = [name for name in baselines if name in finite]
    most = max((int(finite[name].sum()) for name in known), default=0)
    eligible = [name for name in known if int(finite[name].sum()) >= MOST_PAIRS * most]
    common = torch.stack([finite[name] for name in eligible]).all(0) if eligible else None
    if common is not None and bool(common.any()):
        finite |= dict.fromkeys(eligible, common)
    return {name: float(found[finite[name]].mean()) for name, found in values.items()}, eligible


def _between(values: Mapping[str, torch.Tensor], method: str, reference: str) -> Difference:
    return paired_difference(values[method], values[reference])


def _of_equal_points(
    points: Mapping[str, int | None],
    between: Callable[[str, str], Difference],
    method: str,
    reference: str,
) -> Difference:
    return between(method, reference) if points[method] == points[reference] else NOT_COMPARED


def _of_sets(
    records: Sequence[Record], measure: str
) -> tuple[dict[str, float], Callable[[str, str], Difference]]:
    """Values of a measure of all frames together, computed as those without each pair, and the
    function that compares two methods by them.
    """
    cells = {
        record["method"]: (
            record.get("whole", {}).get(measure, entry["mean"]),
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

"""Comparisons as entries of a run's `summary.json`, and the file's reader."""

from pathlib import Path
from typing import Any, NamedTuple

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo._utils.results import COMPARISON, check_format, check_summary
from scoregeo.evaluation.comparison import Comparison

COMPARISON_KEYS = tuple(COMPARISON)


def comparison_entry(group: str, measure: str, found: Comparison) -> dict[str, Any]:
    """One entry of `summary.json`: `COMPARISON_KEYS`. Method less reference; of absolute values
    where nearer zero is better.
    """
    d = found.difference
    values = (
        group,
        measure,
        found.method,
        found.reference,
        d.mean,
        d.low,
        d.high,
        d.p,
        found.p_corrected,
        d.effect,
        d.n,
        found.better,
    )
    return dict(zip(COMPARISON_KEYS, values, strict=True))


class Summary(NamedTuple):
    """Entries of a run's `summary.json`; `pairwise` is empty in those of earlier versions."""

    rows: list[dict[str, Any]]
    comparisons: list[dict[str, Any]]
    pairwise: list[dict[str, Any]]


def read_summary(path: Path) -> Summary:
    """The entries of a `summary.json`.

    Raises DataError, naming the file, where it is missing or damaged, has another format, holds no
    rows, or an entry lacks a field or holds another kind of value."""
    content = check_format(read_json(path), str(path))
    entries = [content.get("rows"), content.get("comparisons"), content.get("pairwise", [])]
    if not all(isinstance(one, list) for one in entries) or not entries[0]:
        raise DataError(
            f"{path} holds no rows and comparisons: it was not written by a run that finished."
        )
    found = Summary(*entries)
    check_summary(found.rows, [*found.comparisons, *found.pairwise], str(path))
    return found

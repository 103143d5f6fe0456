"""Comparisons as entries of a run's `summary.json`, and the file's reader."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo._utils.results import check_format
from scoregeo.evaluation.comparison import Comparison

COMPARISON_KEYS = (
    "group",
    "measure",
    "method",
    "reference",
    "difference",
    "low",
    "high",
    "p",
    "p_corrected",
    "effect",
    "n",
    "better",
)


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


def read_summary(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and comparisons of a `summary.json`.

    Raises DataError, naming the file, where it is missing or damaged, has another format, holds no
    rows, or an entry lacks a key."""
    content = check_format(read_json(path), str(path))
    rows, comparisons = content.get("rows"), content.get("comparisons")
    if not isinstance(rows, list) or not rows or not isinstance(comparisons, list):
        raise DataError(
            f"{path} holds no rows and comparisons: it was not written by a run that finished."
        )
    for entry in comparisons:
        missing = [
            key for key in COMPARISON_KEYS if not isinstance(entry, Mapping) or key not in entry
        ]
        if missing:
            raise DataError(
                f"A comparison in {path} lacks {', '.join(missing)}: it was written by another"
                " version."
            )
    return rows, comparisons

"""The measures that tables and plots of runs show: their order, their titles, and which way of each
is better, as they are declared (`scoregeo.evaluation.registry`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import scoregeo.evaluation.measures  # noqa: F401  declares them
from scoregeo.evaluation.registry import (
    COLUMNS,
    HIGHER,
    LOWER,
    NEARER_ZERO,
    TITLES,
    is_built_in,
)

__all__ = ["COLUMNS", "HIGHER", "LOWER", "NEARER_ZERO", "TITLES"]
__all__ += ["counts_points", "direction", "headlines", "iterated", "own", "present"]

_HEADLINES = ("length_error", "psnr", "metric_length", "evaluations_per_point", "energy")
_MOST_HEADLINES = 3


def direction(measure: str) -> str | None:
    """Which way of a measure is better; None where neither is, and for measures
    that are not known.
    """
    return COLUMNS[measure].direction if measure in COLUMNS else None


def counts_points(measure: str) -> bool:
    """Whether a measure depends on the number of points of a path."""
    return measure in COLUMNS and COLUMNS[measure].counts_points


def present(rows: Iterable[Mapping[str, Any]], wanted: Sequence[str] | None = None) -> list[str]:
    """Those of `wanted` that rows of `summary.json` hold for some method but the truth, in the
    order of `wanted`.

    By default all: known measures in the order of the tables, then those of a module of one's own
    that this process has not imported.
    """
    found = list(dict.fromkeys(row["measure"] for row in rows if row["method"] != "truth"))
    if wanted is None:
        wanted = [*COLUMNS, *(name for name in found if name not in COLUMNS)]
    return [name for name in wanted if name in found]


def own(names: Iterable[str]) -> list[str]:
    """Those of `names` that modules of one's own declare: tables show them first, since a user has
    asked for each.
    """
    return [name for name in names if name in COLUMNS and not is_built_in(name)]


def iterated(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The methods that iterate: those a sweep of solver or metric settings changes."""
    spent = [row["method"] for row in rows if row["measure"] == "iterations" and row["mean"]]
    return list(dict.fromkeys(spent))


def headlines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The few measures a sweep is plotted by: how good, how short, how dear."""
    return present(rows, _HEADLINES)[:_MOST_HEADLINES]

"""Comparisons as entries of `summary.json`, and the table and notes that show them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo._utils.results import check_format
from scoregeo.evaluation.comparison import Comparison
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.table import format_estimate

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
_WORDS = {True: "better", False: "worse", None: "not told apart"}


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


def comparison_table(
    entries: Iterable[Mapping[str, Any]], titles: Mapping[str, str], measures: Sequence[str]
) -> str:
    """A GitHub table of comparisons, by measure in the order of `measures`, with a column for the
    group where there are several.

    Empty for none.
    """
    known = sorted(
        (e for e in entries if e["measure"] in measures), key=lambda e: measures.index(e["measure"])
    )
    if not known:
        return ""
    grouped = len({entry["group"] for entry in known}) > 1
    head = [
        *(["group"] if grouped else []),
        "measure",
        "method",
        "against",
        "pairs",
        "difference",
        "p",
        "p, corrected",
        "effect",
        "",
    ]
    numeric = {"pairs", "difference", "p", "p, corrected", "effect"}
    lines = [head, ["---:" if name in numeric else "---" for name in head]]
    for entry in known:
        low, high = (float("nan") if entry[key] is None else entry[key] for key in ("low", "high"))
        text = format_estimate(Estimate(entry["difference"], low, high, entry["n"]))
        lines.append(
            [
                *([entry["group"]] if grouped else []),
                titles.get(entry["measure"], entry["measure"]),
                entry["method"],
                entry["reference"],
                str(entry["n"]),
                text,
                *(
                    "" if entry[key] is None else f"{entry[key]:.2g}"
                    for key in ("p", "p_corrected", "effect")
                ),
                _WORDS[entry["better"]],
            ]
        )
    return (
        "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
        )
        + "\n"
    )

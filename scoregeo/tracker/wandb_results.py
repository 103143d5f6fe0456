"""A run's results as Weights & Biases shows them: tables, with pictures in their cells, figures,
and values by name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo._utils.files import finite_or_null
from scoregeo.tracker.naming import (
    ANIMATION,
    MOST_PICTURES,
    PAIRS,
    STRIP,
    SUMMARY,
    picture_key,
    value_key,
)

_KEYS = (
    "method",
    "pair",
    "group",
    "status",
    "reason",
    "start",
    "score_evaluations",
    "seconds",
)  # of a line of results.jsonl
_ALL = "all"  # the group of every pair


def results(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    summary: Sequence[Mapping[str, Any]],
    pictures: Sequence[Path],
) -> dict[str, Any]:
    """What is logged at the end of a run, by name: the table of pairs, the table of the summary,
    figures (PNG).
    """
    import wandb

    columns, rows = pairs_table(lines)
    for name, find in ((STRIP, _strip), (ANIMATION, _animation)):
        cells = [find(folder / "frames" / line["method"] / line["pair"]) for line in lines]
        if any(cell is not None for cell in cells):
            columns, rows = (
                [*columns, name],
                [[*row, cell] for row, cell in zip(rows, cells, strict=True)],
            )
    keys = list(dict.fromkeys(key for row in summary for key in row))
    return {
        PAIRS: wandb.Table(columns=columns, data=rows),
        SUMMARY: wandb.Table(
            columns=keys, data=finite_or_null([[row.get(key) for key in keys] for row in summary])
        ),
        **{picture_key(path.stem): wandb.Image(str(path)) for path in pictures[:MOST_PICTURES]},
    }


def pairs_table(lines: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows, one a line of `results.jsonl`: what it says of the pair, then its measures;
    None for no value.
    """
    keys = [key for key in _KEYS if any(key in line for line in lines)]
    measures = [
        name
        for name in dict.fromkeys(n for line in lines for n in line["measures"])
        if name not in keys
    ]
    rows = [
        [line.get(key) for key in keys] + [line["measures"].get(name) for name in measures]
        for line in lines
    ]
    return [*keys, *measures], finite_or_null(rows)


def values(summary: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The means over all pairs, by `METHOD/MEASURE`; those that are not available are left out."""
    means = {
        value_key(row["method"], row["measure"]): row["mean"]
        for row in summary
        if row["group"] == _ALL
    }
    return {key: value for key, value in finite_or_null(means).items() if value is not None}


def _strip(folder: Path) -> Any:
    import wandb

    path = folder / "strip.png"
    return wandb.Image(str(path)) if path.is_file() else None


def _animation(folder: Path) -> Any:
    """MP4 rather than GIF; both are files already, so that the library needs no encoder."""
    import wandb

    films = [
        path for path in (folder / "animation.mp4", folder / "animation.gif") if path.is_file()
    ]
    return wandb.Video(str(films[0])) if films else None

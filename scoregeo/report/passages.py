"""Which landmarks paths pass, as a table of names and as a figure: for data with named points in an
order, such as sentences.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.files import read_json, write_json
from scoregeo.dataset.landmarks import Landmarks
from scoregeo.evaluation.landmarks import passed
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.model import Table
from scoregeo.report.table import Row

PASSAGES = "passages.json"
FIGURE = "passages"
_MOST = 13  # names of one path in a table; of more the middle ones are left out
_COLUMN = "passed, in order"


def write_passages(
    folder: Path, landmarks: Landmarks, pairs: Sequence[str], frames: Mapping[str, torch.Tensor]
) -> list[Path]:
    """Write the names that each path passes to `passages.json`, and `figures/passages.*`.

    `frames`: by method, [pairs, points, *shape]. Gives the figure's files.
    """
    rows: list[dict[str, Any]] = []
    panels: dict[str, dict[str, Line]] = {}
    for index, pair in enumerate(pairs):
        lines = panels.setdefault(pair, {})
        for method, paths in frames.items():
            path = paths[index]
            rows.append({"pair": pair, "method": method, "names": passed(path, landmarks)})
            near = landmarks.nearest(path)
            rank = landmarks.ranks(near[None], near[:1], near[-1:])[0]
            at = torch.linspace(0, 1, len(path)).tolist()
            line = Line(at, rank.double().tolist())
            if line not in lines.values():  # the second of two that are one would hide the first
                lines[method] = line
    write_json(folder / PASSAGES, rows)
    return sweep_lines(
        folder / "figures" / FIGURE,
        panels,
        xlabel="share of the path",
        ylabels="steps from the first end",
    )


def passages_table(folder: Path) -> Table | None:
    """The table of a run's `passages.json`; None for a run without."""
    if not (folder / PASSAGES).is_file():
        return None
    found = read_json(folder / PASSAGES)
    names = [name for one in found for name in one["names"]]
    before, after = _common(names)
    rows = [
        Row(
            {"pair": str(one["pair"]), "method": str(one["method"])},
            {_COLUMN: _shown([n[len(before) : len(n) - len(after)] for n in one["names"]])},
        )
        for one in found
    ]
    gap = f": \u201c{before}\u2026{after}\u201d" if before or after else ""
    return Table(tuple(rows), f"What the paths pass{gap}")


def _common(names: Sequence[str]) -> tuple[str, str]:
    """Whole words that all names begin and end with."""
    if len(set(names)) < 2:
        return "", ""
    before = os.path.commonprefix(list(names))
    before = before[: before.rfind(" ") + 1]
    rest = [name[len(before) :][::-1] for name in names]
    after = os.path.commonprefix(rest)[::-1]
    kept = after.find(" ")
    return before, after[kept:] if kept >= 0 else ("." if after.endswith(".") else "")


def _shown(names: Sequence[str]) -> str:
    if len(names) <= _MOST:
        return " → ".join(names)
    half = _MOST // 2
    left_out = len(names) - 2 * half
    return " → ".join([*names[:half], f"({left_out} more)", *names[-half:]])

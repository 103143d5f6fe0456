"""What two runs of one configuration must agree on."""

import json
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.files import load_tensors, read_json


def tables(folder: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """The rows and comparisons of `summary.json` and the lines of `results.jsonl`,
    without seconds.
    """
    summary = read_json(folder / "summary.json")
    rows, compared = (
        [row for row in summary[key] if row["measure"] != "seconds"]
        for key in ("rows", "comparisons")
    )
    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for line in lines:
        line.pop("seconds")
        line["measures"].pop("seconds", None)
    return rows, compared, lines


def same_paths(one: Path, other: Path) -> bool:
    """Whether two run folders hold the same methods' tensors, bit by bit."""
    first, second = (
        {p.name: load_tensors(p) for p in (folder / "paths").glob("[!.]*")}
        for folder in (one, other)
    )
    return first.keys() == second.keys() and all(
        first[name].keys() == second[name].keys()
        and all(torch.equal(first[name][k], second[name][k]) for k in first[name])
        for name in first
    )

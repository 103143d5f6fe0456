"""What runs logged to Weights & Biases, as their folders say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json
from scoregeo._utils.jobs import read_jobs
from scoregeo.report.model import is_page
from scoregeo.tracker.naming import (
    MOST_PICTURES,
)
from scoregeo.tracker.wandb_memory import Memory
from scoregeo.tracker.wandb_results import values

SWEPT = {"Lambda": "metric.lam", "Steps": "solver.num_points"}


@dataclass(frozen=True)
class Logged:
    """What runs logged: rows of their summaries, names of values, of curves by method, of figures,
    and settings with a number.
    """

    rows: tuple[dict[str, Any], ...]
    values: frozenset[str]
    curves: dict[str, frozenset[str]]
    figures: tuple[str, ...]
    settings: frozenset[str]


def read(folders: Sequence[Path]) -> Logged:
    """What the runs in these folders logged. Raises DataError where one holds no finished run, or
    an untracked one, naming it.
    """
    runs: list[Path] = []
    for folder in folders:
        jobs = [job.run for job in read_jobs(folder)] or sorted(
            path for path in folder.glob("*") if not path.is_symlink()
        )
        places = (one for one in (folder, *jobs) if (one / "summary.json").is_file())
        found = [one for one in places if not is_page(one)]  # such as a sweep's own
        if not found:
            raise DataError(
                f"{folder} holds no summary.json: the folder of a finished run, or of a sweep with"
                " one, is expected."
            )
        runs += found
    rows = [row for run in runs for row in read_json(run / "summary.json")["rows"]]
    curves: dict[str, frozenset[str]] = {}
    for run in runs:
        for method, names in _memory(run).curves.items():
            curves[method] = curves.get(method, frozenset()) | frozenset(names)
    configs = [yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")) for run in runs]
    figures = [sorted(path.stem for path in (run / "figures").glob("*.png")) for run in runs]
    return Logged(
        rows=tuple(rows),
        values=frozenset(values(rows)),
        curves=curves,
        # Of more than are logged one does not know which were.
        figures=tuple(
            dict.fromkeys(
                name for names in figures if len(names) <= MOST_PICTURES for name in names
            )
        ),
        settings=frozenset(
            key for key in SWEPT.values() if any(_number_at(config, key) for config in configs)
        ),
    )


def _memory(run: Path) -> Memory:
    try:
        return Memory.read(run)
    except DataError:
        raise DataError(
            f"{run} was not tracked by Weights & Biases: run it with 'tracker=[jsonl,wandb]'."
        ) from None


def _number_at(config: Any, key: str) -> bool:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return isinstance(config, (int, float)) and not isinstance(config, bool)

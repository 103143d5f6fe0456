"""The record of a multirun, as its parent and its jobs leave it in its folder."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scoregeo.core.errors import DataError
from scoregeo.core.files import read_json

SWEEP, JOB = "sweep.json", "job.json"
RUNNING, DONE, FAILED, MISSING = "running", "done", "failed", "missing"
_NOT_STARTED = "it did not start; the same command starts it"


@dataclass(frozen=True)
class RecordedJob:
    """One job of a multirun: its number, its own folder, that of its results, its overrides in order, and how it ended.

    `page`: the page settings of its configuration. `reason`: why it failed or is missing, else "".
    """

    name: str
    folder: Path
    run: Path
    overrides: tuple[str, ...]
    status: str
    reason: str = ""
    page: Mapping[str, Any] = field(default_factory=dict)

    def choice(self, group: str) -> str | None:
        """The option that the job's overrides choose of a group, or None."""
        chosen = [one.partition("=")[2] for one in self.overrides if one.partition("=")[0] == group]
        return chosen[-1] if chosen else None


def read_jobs(folder: Path) -> list[RecordedJob]:
    """The jobs of a multirun's folder, by number: those that have begun, and those that its record names and that have not."""
    told = _read(folder / SWEEP).get("jobs") or []
    begun = [path.parent.name for path in folder.glob(f"*/{JOB}")]
    names = sorted({*begun, *(str(number) for number in range(len(told)))}, key=_by_number)
    return [_job(folder / name, told[int(name)] if name.isdigit() and int(name) < len(told) else ()) for name in names]


def _job(folder: Path, told: Any) -> RecordedJob:
    record = _read(folder / JOB)
    own = _yaml(folder / ".hydra" / "overrides.yaml")
    overrides = tuple(str(one) for one in (own if isinstance(own, list) and record else told))
    config = _yaml(folder / ".hydra" / "config.yaml")
    page = config.get("page") if isinstance(config, dict) and record else None
    run = folder / str(record.get("run") or ".")
    status = str(record.get("status") or MISSING)
    reason = str(record.get("reason") or "") if record else _NOT_STARTED
    return RecordedJob(folder.name, folder, run, overrides, status, reason, page if isinstance(page, dict) else {})


def _read(path: Path) -> dict[str, Any]:
    """A record; empty where there is none, or none that can be read."""
    try:
        found = read_json(path)
    except DataError:
        return {}
    return found if isinstance(found, dict) else {}


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None


def _by_number(name: str) -> list[tuple[int, float, str]]:
    return [(0, float(part), "") if part.isdigit() else (1, 0.0, part) for part in re.split(r"(\d+)", name) if part]

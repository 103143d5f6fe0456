"""The record of a multirun, as its parent and its jobs leave it in its folder."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import Absent, load_yaml, read_json

log = logging.getLogger(__name__)

SWEEP, JOB = "sweep.json", "job.json"
RUNNING, DONE, FAILED, MISSING = "running", "done", "failed", "missing"
_NOT_STARTED = "it did not start; the same command starts it"


@dataclass(frozen=True)
class RecordedJob:
    """One job of a multirun: its number, its own folder, that of its results, its overrides in
    order, and how it ended.

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
    """The jobs of a multirun's folder, by number: those that have begun, and those that its record
    names and that have not.
    """
    planned = read_record(folder / SWEEP).get("jobs")
    planned = planned if isinstance(planned, list) else []
    begun = [path.parent.name for path in folder.glob(f"*/{JOB}")]
    names = sorted({*begun, *(str(number) for number in range(len(planned)))}, key=_by_number)
    return [
        _job(
            folder / name, planned[int(name)] if name.isdigit() and int(name) < len(planned) else ()
        )
        for name in names
    ]


def wholes(jobs: Sequence[RecordedJob]) -> list[RecordedJob]:
    """The jobs, with the shards of one run as one job: the first's name, no shard among its
    overrides.

    It is done where all are; else its reason names each shard that is not.
    """
    runs: dict[Path, list[RecordedJob]] = {}
    for job in jobs:
        key = job.folder if job.choice("shard") is None else job.run
        runs.setdefault(key, []).append(job)
    return [_whole(found) for found in runs.values()]


def _whole(jobs: Sequence[RecordedJob]) -> RecordedJob:
    first = jobs[0]
    if first.choice("shard") is None:
        return first
    lost = [job for job in jobs if job.status != DONE]
    reason = "; ".join(
        f"shard {job.choice('shard')}: {job.reason.rstrip('.') or 'it has not finished'}"
        for job in lost
    )
    overrides = tuple(one for one in first.overrides if not one.startswith("shard="))
    return replace(first, overrides=overrides, status=FAILED if lost else DONE, reason=reason)


def _job(folder: Path, planned: Any) -> RecordedJob:
    record = read_record(folder / JOB)
    own = _yaml(folder / ".hydra" / "overrides.yaml")
    found = own if isinstance(own, list) and record else planned
    overrides = tuple(str(one) for one in (found if isinstance(found, (list, tuple)) else ()))
    config = _yaml(folder / ".hydra" / "config.yaml")
    page = config.get("page") if isinstance(config, dict) and record else None
    run = Path(os.path.normpath(folder / str(record.get("run") or ".")))
    status = str(record.get("status") or MISSING)
    reason = str(record.get("reason") or "") if record else _NOT_STARTED
    return RecordedJob(
        folder.name, folder, run, overrides, status, reason, page if isinstance(page, dict) else {}
    )


def read_record(path: Path) -> dict[str, Any]:
    """A record; empty where there is none, and, with a warning, where it cannot be read."""
    try:
        found = read_json(path)
    except Absent:
        return {}
    except DataError as error:
        log.warning("%s", error)
        return {}
    return found if isinstance(found, dict) else {}


def _yaml(path: Path) -> Any:
    try:
        return load_yaml(path)
    except Absent:
        return None
    except DataError as error:
        log.warning("%s", error)
        return None


def _by_number(name: str) -> list[tuple[int, float, str]]:
    return [
        (0, float(part), "") if part.isdigit() else (1, 0.0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]

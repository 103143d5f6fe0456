"""The record of a multirun, as its parent and its jobs leave it in its folder."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import Absent, load_yaml, read_json
from scoregeo._utils.lock import NAME as LOCK

log = logging.getLogger(__name__)

SWEEP, JOB = "sweep.json", "job.json"
# In a multirun's folder, until all jobs are done: what they share, COMMON/KIND/KEY/FOUND
COMMON, FOUND = ".common", "found.safetensors"
RUNNING, DONE, FAILED, MISSING = "running", "done", "failed", "missing"
PARTIAL = "partial"  # of the shards of one run: all that were asked for are done, others were not
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
    planned = dict(enumerate(planned)) if isinstance(planned, list) else {}
    jobs = {}
    for path in records(folder):
        record, name = read_record(path), path.parent.relative_to(folder).as_posix()
        number = record.get("number", int(name) if name.isdigit() else None)
        jobs[name] = _job(path.parent, name, record, planned.pop(number, ()))
    for number, overrides in planned.items():
        jobs.setdefault(str(number), _job(folder / str(number), str(number), {}, overrides))
    return [jobs[name] for name in sorted(jobs, key=_by_number)]


def records(folder: Path) -> list[Path]:
    """The records that the jobs of a multirun left, at any depth: a job's folder may be named by
    its overrides, which may hold slashes.
    """
    return sorted(folder.rglob(JOB))


def clear_common(folder: Path) -> None:
    """Remove what the jobs of a multirun have shared, and nothing else."""
    places = list((folder / COMMON).glob("*/*"))
    for place in places:
        for path in (place / FOUND, place / LOCK, *place.glob(".found.*.partial*")):
            path.unlink(missing_ok=True)
    for place in (*places, *(folder / COMMON).glob("*"), folder / COMMON):
        with suppress(OSError):  # it holds something else, or is not there
            place.rmdir()


def wholes(jobs: Sequence[RecordedJob]) -> list[RecordedJob]:
    """The jobs, with the shards of one run as one job: the first's name, no shard among its
    overrides.

    It is done where all are; else its reason names each shard that is not, or says that not all
    were asked for.
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
    status = FAILED if lost else DONE
    asked = dict.fromkeys(str(job.choice("shard")) for job in jobs)
    if not lost and len(asked) < int(first.choice("shards") or 0):
        status, listed = PARTIAL, ", ".join(asked)
        reason = f"only of shard {listed} of {first.choice('shards')}: run the others as well"
    return replace(first, overrides=overrides, status=status, reason=reason)


def _job(folder: Path, name: str, record: Mapping[str, Any], planned: Any) -> RecordedJob:
    own = _yaml(folder / ".hydra" / "overrides.yaml")
    found = own if isinstance(own, list) and record else planned
    overrides = tuple(str(one) for one in (found if isinstance(found, (list, tuple)) else ()))
    config = _yaml(folder / ".hydra" / "config.yaml")
    page = config.get("page") if isinstance(config, dict) and record else None
    run = Path(os.path.normpath(folder / str(record.get("run") or ".")))
    status = str(record.get("status") or MISSING)
    reason = str(record.get("reason") or "") if record else _NOT_STARTED
    return RecordedJob(
        name, folder, run, overrides, status, reason, page if isinstance(page, dict) else {}
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

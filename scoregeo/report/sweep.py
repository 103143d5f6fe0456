"""Reads the jobs of a sweep: the keys it varied, each job's rows, or why it has none."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import is_folder, read_json
from scoregeo._utils.jobs import FAILED as JOB_FAILED
from scoregeo._utils.jobs import MISSING, PARTIAL, RecordedJob, read_jobs, wholes
from scoregeo._utils.results import check_format, check_summary
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.curves import Line
from scoregeo.report.run import DONE, FAILED, unfinished
from scoregeo.report.table import Row, rows_from_summary


@dataclass(frozen=True)
class Job:
    """One job: its name in the sweep, the values of the swept keys, its rows, or why it has none;
    the folder of its run.
    """

    name: str
    values: Mapping[str, Any]
    rows: tuple[Row, ...]
    folder: Path
    failure: str | None = None

    @property
    def title(self) -> str:
        """Its number and the values it has of the swept keys."""
        given = [f"{k} = {show(v)}" for k, v in self.values.items() if v is not None]
        return f"job {self.name}" + (f" ({', '.join(given)})" if given else "")


@dataclass(frozen=True)
class _Place:
    """Where a job's results lie, its overrides by key, and why it has none, as far as its record
    says.
    """

    name: str
    run: Path
    overrides: Mapping[str, Any]
    failure: str | None = None


def read_sweep(folder: Path, keys: Sequence[str] | None = None) -> tuple[list[str], list[Job]]:
    """The swept keys and the jobs of a multirun's folder, ordered by their values.

    A job's run holds `manifest.json`, `config.yaml`, `summary.json` or `.hydra/overrides.yaml`.
    `keys`: the swept keys, dotted; by default those of the overrides that differ between jobs.
    Raises DataError for a folder without jobs, ConfigError for a key that no job has.
    """
    places = _places(folder)
    names = list(keys) if keys else _swept([place.overrides for place in places])
    jobs = [_read(place, names) for place in places]
    jobs.sort(key=lambda job: [order_of(job.values[name]) for name in names])
    for name in keys or ():
        if all(job.values[name] is None for job in jobs):
            swept = ", ".join(_swept([place.overrides for place in places]))
            raise ConfigError(
                f"keys: no job of {folder.name} has a value at {name!r}; swept: {swept}."
            )
    return names, jobs


def _places(folder: Path) -> list[_Place]:
    """From the multirun's record, or from the folders below where it has none."""
    recorded = wholes(read_jobs(folder)) if folder.is_dir() else []
    if not recorded:
        return [
            _Place(str(path.relative_to(folder)), path, _overrides(path))
            for path in find_jobs(folder)
        ]
    return [
        _Place(job.name, job.run, _parsed(job.overrides), job.reason if _without(job) else None)
        for job in recorded
    ]


def _without(job: RecordedJob) -> bool:
    """Whether a job has no results of its own."""
    merged = (job.run / "manifest.json").is_file()  # by this command or another
    return job.status in (JOB_FAILED, MISSING) or (job.status == PARTIAL and not merged)


def find_jobs(folder: Path) -> list[Path]:
    """The job folders below `folder`, in the order of the numbers in their names. Raises DataError
    where there is none.
    """
    if not is_folder(folder):
        raise DataError(f"{folder} is not a folder: the folder of a multirun is expected.")
    found = {
        path.parent
        for name in ("manifest.json", "config.yaml", "summary.json")
        for path in folder.rglob(name)
    }
    found = {path for path in found if path.name != ".hydra"}
    found |= {path.parent.parent for path in folder.rglob(".hydra/overrides.yaml")}
    found.discard(folder)
    if not found:
        raise DataError(
            f"{folder} holds no job: no folder in it has a manifest.json, config.yaml or"
            " .hydra/overrides.yaml."
        )
    return sorted(
        found,
        key=lambda path: [
            order_of(part) for part in re.split(r"(\d+)", str(path.relative_to(folder)))
        ],
    )


def _read(place: _Place, keys: Sequence[str]) -> Job:
    config = _yaml(place.run / "config.yaml") if place.failure is None else None
    values = {key: _value(key, config, place.overrides) for key in keys}
    try:
        # A runner of its own writes no summary.
        own = isinstance(config, dict) and config.get("runner") is not None
        failure = place.failure or _failure(place.run, own)
        if failure is None and own:
            return Job(place.name, values, (), place.run)
        if failure is None:
            labels = {key: show(value) for key, value in values.items()}
            return Job(
                place.name,
                values,
                tuple(rows_from_summary(_entries(place.run / "summary.json"), labels)),
                place.run,
            )
    except DataError as error:
        failure = str(error).replace(str(place.run), "its folder")
    return Job(place.name, values, (), place.run, failure)


def _failure(job: Path, own: bool) -> str | None:
    """Why the job's results cannot be used, or None. `own`: it has a runner of its own."""
    if not (job / "manifest.json").is_file():
        return "no manifest.json: it ended before its run began"
    manifest = read_json(job / "manifest.json")
    status = manifest.get("status") if isinstance(manifest, dict) else None
    if status == DONE:
        return (
            None
            if own or (job / "summary.json").is_file()
            else "it is marked done, but has no summary.json"
        )
    if status == "running":
        return unfinished()
    return (
        str(manifest.get("error") or "no reason was recorded")
        if status == FAILED
        else f"unknown status {status!r}"
    )


def _entries(path: Path) -> list[Any]:
    """Rows of a summary: a list, or an object of this format that holds it as "rows"."""
    content = read_json(path)
    rows = check_format(content, path.name).get("rows") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path.name} holds no rows.")
    check_summary(rows, (), path.name)
    return rows


def _yaml(path: Path) -> Any:
    """Plain contents of a YAML file; None where it is missing or damaged, which the manifest then
    explains.
    """
    if not path.is_file():
        return None
    from omegaconf import OmegaConf
    from yaml import YAMLError  # OmegaConf's own dependency and error

    try:
        return OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OSError, ValueError):
        return None


def _overrides(job: Path) -> dict[str, Any]:
    return _parsed(_yaml(job / ".hydra" / "overrides.yaml") or [])


def _parsed(overrides: Sequence[str]) -> dict[str, Any]:
    """Overrides by key; values parsed as JSON where they can be, else left as text."""
    given = {}
    for line in overrides:
        key, _, text = str(line).partition("=")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        given[key.lstrip("+~")] = value
    return given


def _swept(overrides: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values differ between jobs."""
    keys = dict.fromkeys(key for given in overrides for key in given)
    return [key for key in keys if len({repr(given.get(key)) for given in overrides}) > 1]


def _value(key: str, config: Any, overrides: Mapping[str, Any]) -> Any:
    """The value at a dotted key of the resolved configuration; the override where that is missing
    or a whole group.
    """
    node = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return overrides.get(key) if node is None or isinstance(node, (dict, list)) else node


def order_of(value: Any) -> tuple[int, float, str]:
    """Numbers by size before words by letter, as a key to sort by."""
    try:
        return (0, float(value), "")
    except (TypeError, ValueError):
        return (1, 0.0, str(value))


def show(value: Any) -> str:
    """A swept value in words."""
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def line_of(points: Sequence[tuple[Any, Estimate]]) -> Line:
    """Points (x, estimate) of one method as a line with its bars."""
    # An estimate without an interval gets a bar of no length.
    low = [e.low if np.isfinite(e.low) else e.mean for _, e in points]
    high = [e.high if np.isfinite(e.high) else e.mean for _, e in points]
    return Line([x for x, _ in points], [e.mean for _, e in points], low, high)


def number_of(text: str) -> float | str:
    """A label's number, for an axis; the label itself where it is none."""
    try:
        return float(text)
    except ValueError:
        return text

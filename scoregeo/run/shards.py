"""Runs larger than a machine: `shards=N` divides a run's pairs among N jobs, `shard=0` to `N-1`,
and then merges them.

Shard k of a run in the folder PATH works in `PATH/shards/k_of_N`; the merge writes PATH, as one run
of all pairs would have."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError, ScoregeoError
from scoregeo._utils.files import read_json
from scoregeo._utils.part import part_of
from scoregeo._utils.words import count
from scoregeo.run.build import trackers_of
from scoregeo.run.folder_state import DONE, FAILED, INCOMPLETE, OUTDATED, damage_of, state_of
from scoregeo.run.inputs import inputs_of
from scoregeo.run.instantiate import make
from scoregeo.run.merge import merge
from scoregeo.run.run_folder import RunFolder
from scoregeo.run.settings import check_shards, settings_of


def shard_folder(path: Path, shard: int, shards: int) -> Path:
    """Where a shard of the run in `path` works."""
    return path / "shards" / f"{shard}_of_{shards}"


def merges(config: Mapping[str, Any]) -> bool:
    """Whether a configuration's job is to merge shards."""
    return int(config["shards"]) > 1 and config["shard"] is None


def folder_of(config: Mapping[str, Any], path: Path) -> Path:
    """The folder that a configuration's job writes, of the run in `path`: that itself, or its
    shard's.

    A shard whose run is done as a whole, merged or never divided, has nothing to do, and is led to
    that folder. Raises ConfigError for numbers of shards that cannot be.
    """
    check_shards(config["shards"], config["shard"])
    if config["shard"] is None or (
        not config["overwrite"] and state_of(path, config, inputs_of(config)) == DONE
    ):
        return path
    return shard_folder(path, config["shard"], config["shards"])


def check_pairs(config: Mapping[str, Any]) -> None:
    """Raise ConfigError where a run has fewer pairs than shards; each job would say so after the
    other. What is wrong with the dataset is for the jobs to say.
    """
    try:
        pairs = len(make("dataset", config["dataset"]).pairs(config["seed"]))
    except (ScoregeoError, NotImplementedError):
        return
    part_of(pairs, 0, config["shards"])


def merge_shards(
    config: Mapping[str, Any], path: Path, command: Sequence[str] = (), group: str | None = None
) -> None:
    """Write the folder `path` of a run from its `config["shards"]` finished shards. One that is
    done is left as it is.

    Raises DataError, naming each, where shards are missing or failed, before anything is written;
    any other ScoregeoError where the folder cannot be used.
    """
    check_shards(config["shards"], config["shard"])
    inputs = inputs_of(config)
    if not config["overwrite"] and state_of(path, config, inputs) == DONE:
        return
    parts = [shard_folder(path, shard, config["shards"]) for shard in range(config["shards"])]
    _check_done(config, parts, command, inputs)
    folder = RunFolder(
        path, config, bool(config["overwrite"]), command, inputs, wait=group is not None
    )
    if folder.done:  # by another process, in the meantime
        return
    trackers = trackers_of(config)
    try:
        merge(
            make("dataset", config["dataset"]), settings_of(config), trackers, folder, parts, group
        )
    except BaseException as error:
        reason = (
            "interrupted" if isinstance(error, KeyboardInterrupt) else " ".join(str(error).split())
        )
        folder.fail(reason, traceback.format_exc())
        for tracker in trackers:
            tracker.fail(reason)
        raise


def _check_done(
    config: Mapping[str, Any],
    parts: Sequence[Path],
    command: Sequence[str],
    inputs: Mapping[str, str],
) -> None:
    """Raise DataError where shards are not done: which, why, and how to repeat each."""
    found = [(shard, _reason(config, part, inputs)) for shard, part in enumerate(parts)]
    missing = [(shard, reason) for shard, reason in found if reason is not None]
    if not missing:
        return
    whole = [word for word in command if word.partition("=")[0] not in ("shards", "shard")]
    repeat = " ".join(["scoregeo", *whole, f"shards={len(parts)}"])
    reasons = "; ".join(
        f"shard {shard} ({parts[shard]}): {reason}, run {repeat} shard={shard}"
        for shard, reason in missing
    )
    raise DataError(
        f"{len(missing)} of {count(len(parts), 'shard')} not done, and the run cannot be merged:"
        f" {reasons}."
    )


def _reason(config: Mapping[str, Any], part: Path, inputs: Mapping[str, str]) -> str | None:
    """Why a shard is not done, or None where it is."""
    state = state_of(part, config, inputs)
    if state == DONE:
        return None
    if state == FAILED:
        return f"failed ({_error(part)})"
    if state == INCOMPLETE:
        return f"is damaged ({damage_of(part, read_json(part / 'manifest.json'))})"
    if state == OUTDATED:
        return "is of other weights or data, or of another version"
    return "has not been run" if state is None else "is unfinished"


def _error(part: Path) -> str:
    try:
        return str(read_json(part / "manifest.json")["error"]).rstrip(".")
    except (ScoregeoError, KeyError):
        return "no reason was recorded"

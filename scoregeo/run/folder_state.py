"""What lies in a run's folder: how far it came, and the records of its finished methods."""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoregeo._utils.configuration import identity
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import Absent, check_tensors, load_tensors, load_yaml, read_json
from scoregeo._utils.results import LINE, RECORD, check_format, read_manifest
from scoregeo._utils.schema import check_all, check_fields
from scoregeo._utils.yaml_text import read_yaml, yaml_text

KEPT = "kept"  # folder of what a shard keeps for the merge
UNFINISHED = "unfinished"  # folder of the finished pairs of a method that is not
FIRST, LAST = "first.png", "last.png"  # the decoded ends of a run of one pair
_WRITTEN = (
    *("methods", "paths", "frames", "figures", "sounds", KEPT, UNFINISHED),
    *("results.jsonl", "summary.json", "table.md", "report.html", "passages.json"),
    *("events.jsonl", "wandb.json", "error.txt"),
    *(FIRST, LAST, "strip.png", "animation.gif", "animation.mp4"),
)
_CONFIGURED = {"dataset", "score", "metric", "solver", "evaluation"}  # some keys of every run's

RUNNING, DONE, FAILED = "running", "done", "failed"
# What lies there has another format, or was of other weights or data: computed anew
OUTDATED = "outdated"
# The manifest says "done", and a file of the results is missing or damaged: rebuilt from records
INCOMPLETE = "incomplete"
# The configuration there cannot be read: it is not known whose results they are
DAMAGED = "damaged"

CODE = "code."  # before the module of a user's code, among the inputs
# Settings that may name a file or a folder of data.
DATA_FILES = {
    "dataset": ("first", "second", "list", "root", "references", "sentences"),
    "score": ("references", "index"),
}


def read_method(folder: Path, name: str) -> dict[str, Any]:
    """The record of a finished method in a run's folder, with its tensors.

    Raises DataError where a file is missing or damaged, of another format or another method's, or
    where record and tensors are of different pairs.
    """
    place = folder / "methods" / f"{name}.json"
    record = check_fields(check_format(read_json(place), str(place)), RECORD, str(place))
    check_all(record["pairs"], LINE, f"{place}: pairs")
    tensors = load_tensors(folder / "paths" / f"{name}.safetensors")
    if record["method"] != name or len(tensors.get("points", ())) != len(record["pairs"]):
        raise DataError(f"{place} is damaged: another method's, or not of the pairs of its paths.")
    return {**record, "tensors": tensors}


def state_of(path: Path, config: Mapping[str, Any], inputs: Mapping[str, str]) -> str | None:
    """Status of what lies in a folder of this configuration: the manifest's; "incomplete" where
    that says "done" and results are missing or damaged; "outdated" where it is of other inputs or
    of another format, or has no manifest that can be read; "damaged" where the configuration cannot
    be read.

    None where nothing lies there, or what is of another configuration.
    """
    try:
        found = load_yaml(path / "config.yaml")
    except Absent:
        return None
    except DataError:
        return DAMAGED
    if not isinstance(found, dict):
        return DAMAGED
    if identity(found) != identity(as_yaml(config)):
        return None
    try:
        manifest = read_manifest(path)
    except DataError:
        return OUTDATED  # which weights the records are of is lost with it
    if _are_of_others(manifest.get("inputs"), inputs):
        return OUTDATED
    status = str(manifest["status"])
    return INCOMPLETE if status == DONE and damage_of(path, manifest) else status


def _are_of_others(found: Mapping[str, str] | None, inputs: Mapping[str, str]) -> bool:
    """Whether results of the inputs `found` are of others than `inputs`. Data and code that only
    one of the two knows, deleted since or recorded by an older version, say nothing.
    """
    first, second = dict(found or {}), dict(inputs)
    for one, other in ((first, second), (second, first)):
        for group, names in DATA_FILES.items():
            for key in (f"{group}.{name}" for name in names):
                if key not in other:
                    one.pop(key, None)
        for key in [key for key in one if key.startswith(CODE) and key not in other]:
            del one[key]
    return first != second


def damage_of(path: Path, manifest: Mapping[str, Any]) -> str | None:
    """What of a done run's results is missing or damaged, or None: of a shard the methods' records,
    else `results.jsonl` and `summary.json`. What a runner of one's own writes is not known.
    """
    from scoregeo.report.run import read_run

    methods = manifest.get("methods") or []
    try:
        if "shard" in manifest:
            for name in methods:
                check_format(read_json(path / "methods" / f"{name}.json"), name)
                check_tensors(path / "paths" / f"{name}.safetensors")
            return None
        lines = read_run(path).lines if methods else ()
    except DataError as error:
        return str(error)
    counts = Counter(line["method"] for line in lines)
    whole = all(counts[name] == manifest.get("pairs") for name in methods)
    return None if whole else f"{path / 'results.jsonl'} lacks lines"


def seconds_of(path: Path) -> float:
    """What the manifest in a folder says was spent; nothing where that is no number."""
    return float(read_manifest(path).get("seconds") or 0.0)


def as_yaml(config: Any) -> Any:
    """As read back from YAML: tuples are lists."""
    return read_yaml(yaml_text(json.loads(json.dumps(config))))


def check_ours(path: Path) -> None:
    """Raise ConfigError, naming them, where a folder has files of names that a run writes, and no
    manifest or configuration of a run: they are somebody's own.
    """
    own = [name for name in ("manifest.json", "config.yaml", *_WRITTEN) if (path / name).exists()]
    if own and not _is_a_run(path):
        raise ConfigError(
            f"output: the folder {path} holds {', '.join(own)}, and no manifest.json or config.yaml"
            " of a run: give another output."
        )


def _is_a_run(path: Path) -> bool:
    """Whether a folder has a run's manifest, of any format, or configuration."""
    with contextlib.suppress(DataError):
        manifest = read_json(path / "manifest.json")
        if isinstance(manifest, Mapping) and {"format", "status"} <= set(manifest):
            return True
    with contextlib.suppress(DataError):
        config = load_yaml(path / "config.yaml")
        return isinstance(config, Mapping) and set(config) >= _CONFIGURED
    return False


def clear(path: Path) -> None:
    """Remove what earlier runs wrote in a folder of a run, and nothing else."""
    for name in _WRITTEN:
        target = path / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


def remove_empty(folder: Path) -> None:
    """Remove a folder where it is empty."""
    with contextlib.suppress(OSError):
        folder.rmdir()

"""What lies in a run's folder: how far it came, and the records of its finished methods."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scoregeo._utils.configuration import identity
from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_tensors, read_json
from scoregeo._utils.results import FORMAT, check_format
from scoregeo._utils.yaml_text import read_yaml, yaml_text

RUNNING, DONE, FAILED = "running", "done", "failed"
# What lies there has another format, or was computed with other weights: computed anew
OUTDATED = "outdated"


def read_method(folder: Path, name: str) -> dict[str, Any]:
    """The record of a finished method in a run's folder, with its tensors.

    Raises DataError where a file is missing or damaged, or of another format.
    """
    place = folder / "methods" / f"{name}.json"
    record = dict(check_format(read_json(place), str(place)))
    return {**record, "tensors": load_tensors(folder / "paths" / f"{name}.safetensors")}


def state_of(path: Path, config: Mapping[str, Any], inputs: Mapping[str, str]) -> str | None:
    """Status of what lies in a folder of this configuration, "outdated" where it is of other
    weights or of another format.

    None where nothing does that can be read.
    """
    try:
        manifest = read_json(path / "manifest.json")
        found = read_yaml((path / "config.yaml").read_text(encoding="utf-8"))
    except (DataError, OSError, yaml.YAMLError):
        return None
    if (
        not isinstance(found, dict)
        or not isinstance(manifest, dict)
        or identity(found) != identity(as_yaml(config))
    ):
        return None
    current = manifest.get("format") == FORMAT and manifest.get("inputs") == dict(inputs)
    return str(manifest.get("status")) if current else OUTDATED


def as_yaml(config: Any) -> Any:
    """As read back from YAML: tuples are lists."""
    return read_yaml(yaml_text(json.loads(json.dumps(config))))


def remove_empty(folder: Path) -> None:
    """Remove a folder where it is empty."""
    with contextlib.suppress(OSError):
        folder.rmdir()

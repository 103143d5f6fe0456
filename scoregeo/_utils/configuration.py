"""Where the configs are, and what identifies a resolved configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoregeo._utils.cache import content_hash

# What says where results go, how they are shown and in which parts they are computed, not what they
# are.
_NOT_HASHED = (
    *("output", "overwrite", "results", "profile", "page"),
    *("memory_gib", "shards", "shard"),
)


def config_dir() -> Path:
    """The folder of the configs: inside an installed package, at the top of a clone."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    return inside if (inside / "config.yaml").is_file() else package.parent / "configs"


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved configuration that says what is computed."""
    return {key: value for key, value in config.items() if key not in (*_NOT_HASHED, "hydra")}


def config_hash(config: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits of a resolved configuration's identity."""
    return digest(identity(config))


def digest(value: Any) -> str:
    """Ten hexadecimal digits of a JSON value's content hash."""
    return content_hash(value, digits=10)

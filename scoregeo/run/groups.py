"""The groups of a configuration, and what can be said of its shape. Imports no torch."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from scoregeo._utils.errors import ConfigError, bad_value
from scoregeo._utils.names import check_name
from scoregeo.run.settings import Settings

GROUPS = ("dataset", "score", "inversion", "initializer", "metric", "solver")
# Groups of which several options stand side by side, by name, and what each holds.
MAPPINGS = {
    "rivals": "solver",
    "baseline": "baseline",
    "extrapolation": "extrapolation",
    "tracker": "tracker",
}


def check_root(config: Mapping[str, Any]) -> None:
    """Raise ConfigError for a key that the configuration does not have, or lacks, for a group
    without an option, and for a method's name that cannot name its files.
    """
    allowed = [item.name for item in fields(Settings)]
    missing = [name for name in allowed if name not in config]
    if missing:
        raise ConfigError(f"{missing[0]} is missing: ~{missing[0]} takes away what a run needs.")
    for key in config:
        if key not in allowed:
            raise ConfigError(
                f"{key} is not a key of this configuration; its keys are {', '.join(allowed)}."
            )
    for group in GROUPS:
        node = config.get(group)
        if not is_option(node):
            raise ConfigError(
                f"{group} = {node!r} is not allowed: {group} must be one of its options, such as"
                f" {group}=NAME."
            )
    for group, kind in MAPPINGS.items():
        if not isinstance(config[group], Mapping):
            raise bad_value(group, config[group], f"{kind}s by name, or {{}}")
        for name, node in config[group].items():
            check_name(f"{group}.{name}", name)
            if not is_option(node):
                raise ConfigError(
                    f"{group}.{name} = {node!r} is not allowed: it must be a {kind} with a"
                    " _target_."
                )


def is_option(node: Any) -> bool:
    """Whether a node names a class or function to be called."""
    return isinstance(node, Mapping) and "_target_" in node

"""The groups of a configuration, and what can be said of its shape. Imports no torch."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from scoregeo._utils.errors import ConfigError
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
    """Raise ConfigError for a key that the configuration does not have, and for a group without an
    option.
    """
    allowed = [item.name for item in fields(Settings)]
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
        for name, node in config[group].items():
            if not is_option(node):
                raise ConfigError(
                    f"{group}.{name} = {node!r} is not allowed: it must be a {kind} with a"
                    " _target_."
                )


def is_option(node: Any) -> bool:
    """Whether a node names a class or function to be called."""
    return isinstance(node, Mapping) and "_target_" in node

"""A function of one's own in the runner's place, and what of a configuration it reads."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from scoregeo._utils.errors import bad_value
from scoregeo._utils.targets import resolve
from scoregeo.run.groups import GROUPS, MAPPINGS
from scoregeo.run.instantiate import PASSED, check_keys, target_keys
from scoregeo.run.leftovers import typed_places
from scoregeo.run.settings import Settings

_READ_BY_PARTS = {*GROUPS, *MAPPINGS, "seed", "device", "memory_gib", "evaluation", "reach"}

Function = TypeVar("Function", bound=Callable[..., None])


def reads(*keys: str) -> Callable[[Function], Function]:
    """States which keys of the configuration a runner with a parameter `config` reads, so that a
    user is told where an override has no effect. Unsaid, it reads all. Raises ConfigError for what
    is no key.
    """
    allowed = [item.name for item in fields(Settings)]
    for key in keys:
        if not isinstance(key, str) or key.split(".")[0] not in allowed:
            raise bad_value("reads", key, f"one of {', '.join(allowed)}, or a key within it")

    def mark(function: Function) -> Function:
        setattr(function, "reads", keys)  # noqa: B010 - a function has no declared attributes
        return function

    return mark


def own_runner(config: Mapping[str, Any]) -> Callable[[Path], None]:
    """The function that takes the runner's place, to be called with the run's folder.

    It is given the whole configuration where it has a parameter `config`. Raises ConfigError for
    one that is no function.
    """
    node = config["runner"]
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise bad_value("runner", node, "null, or a function by its _target_")
    check_keys("runner", node, PASSED["runner"])
    if config["threads"]:
        import torch

        torch.set_num_threads(config["threads"])
    settings = {key: value for key, value in node.items() if not key.startswith("_")}
    function, takes_config = _function(node)
    deferred = (
        inspect.iscoroutinefunction(function),
        inspect.isgeneratorfunction(function),
        inspect.isasyncgenfunction(function),
    )
    if any(deferred):
        allowed = "a plain function: what is async, or yields, does nothing when it is called"
        raise bad_value("runner._target_", node["_target_"], allowed)
    return partial(function, **({"config": config} if takes_config else {}), **settings)


def unread(node: object, typed: Sequence[str]) -> list[str]:
    """The places that overrides `typed` set and a runner of one's own does not read. `node`: the
    runner's, its interpolations as they are: it reads what these name.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        return []
    try:
        function, takes_config = _function(node)
    except Exception:  # a module of one's own may raise anything
        return []  # said where the runner is called
    if takes_config and not hasattr(function, "reads"):
        return []
    read = {key.split(".")[0] for key in getattr(function, "reads", ())}
    read.update(re.findall(r"\$\{\s*(\w+)", str(node)))
    places = typed_places(typed)
    return [place for place in places if place.split(".")[0] in _READ_BY_PARTS - read]


def _function(node: Mapping[str, Any]) -> tuple[Callable[..., None], bool]:
    """The runner's, and whether it is given the configuration."""
    target = node["_target_"]
    return resolve(target, "runner"), "config" in target_keys(target, (), "runner")

"""Settings that an experiment's file has for one option, where the command line chooses another:
left out, for nobody typed them. Imports no torch unless there are some.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from scoregeo._utils.configuration import config_dir
from scoregeo._utils.files import load_yaml
from scoregeo.run.groups import MAPPINGS, is_option

KEPT = "_"  # before the keys that are Hydra's, such as _target_


def drop_leftovers(config: dict[str, Any], typed: Sequence[str]) -> list[str]:
    """Remove them from a resolved configuration; gives their dotted places.

    `typed`: the overrides of the command line. Removed is a setting of an option that these choose
    where the option's target does not take it, another option of the group does, and no override
    sets it; and the settings of a method that these leave out, `baseline=[lerp]`. A misspelt key is
    a setting of no option: it stays, and is refused.
    """
    chosen, keys = _parsed(tuple(typed))
    found: list[str] = []
    for place, (group, option) in chosen.items():
        node = _at(config, place)
        if place in MAPPINGS:
            found += [f"{place}.{name}" for name, one in node.items() if not is_option(one)]
        elif is_option(node):
            found += [f"{place}.{key}" for key in _foreign(group, option, node)]
    found = [one for one in found if not any(_within(key, one) for key in keys)]
    for place in found:
        parent, _, key = place.rpartition(".")
        del _at(config, parent)[key]
    return found


def inherited(config: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """The settings, "score.sigma = 0.05", that a `_target_` of one's own has from the file of the
    option whose target it replaces, for nobody typed them.
    """
    _, keys = _parsed(tuple(typed))
    places = [key.removesuffix("._target_") for key in keys if key.endswith("._target_")]
    return [
        f"{place}.{key} = {value!r}"
        for place in places
        for key, value in _at(config, place).items()
        if not key.startswith(KEPT) and f"{place}.{key}" not in keys
    ]


def typed_places(typed: Sequence[str]) -> list[str]:
    """The places of a configuration that overrides set, groups first."""
    chosen, keys = _parsed(tuple(typed))
    return [*chosen, *keys]


def keys_of(group: str, option: str) -> frozenset[str]:
    """The settings in an option's file, and in those that it is made of."""
    return _files(group).get(option, frozenset())


def owners(group: str, key: str) -> list[str]:
    """The options of a group that have a setting, in order."""
    return sorted(option for option, keys in _files(group).items() if key in keys)


def _foreign(group: str, option: str, node: Mapping[str, Any]) -> list[str]:
    """A node's settings that are another option's, and not its own, `option`'s."""
    from scoregeo._utils.errors import ConfigError
    from scoregeo.run.instantiate import PASSED, level_keys, target_keys

    own = [key for key in node if not key.startswith(KEPT)]
    if keys_of(group, option).issuperset(own):
        return []
    try:
        known = target_keys(node["_target_"], PASSED.get(group, ()))
        known += level_keys(node["_target_"]) if group == "score" else ()
    except ConfigError:
        return []  # said where the configuration is checked
    return [key for key in own if key not in known and owners(group, key)]


@cache
def _files(group: str) -> dict[str, frozenset[str]]:
    """The settings of each option of a group."""
    contents = {path.stem: load_yaml(path) for path in (config_dir() / group).glob("*.yaml")}

    def keys(option: str) -> frozenset[str]:
        content = contents.get(option) or {}
        above = [one for one in content.get("defaults", ()) if one in contents]
        own = {key for key in content if key != "defaults" and not key.startswith(KEPT)}
        return frozenset(own.union(*(keys(one) for one in above)))

    return {option: keys(option) for option in contents}


@lru_cache(maxsize=128)
def _parsed(typed: tuple[str, ...]) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """The groups that overrides choose an option of, each with the option, by the place in the
    configuration; and the keys that they set.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    chosen: dict[str, tuple[str, str]] = {}
    keys = []
    for one in OverridesParser.create().parse_overrides(list(typed)):
        place = one.package or one.key_or_group
        if (config_dir() / one.key_or_group).is_dir():
            chosen[place] = one.key_or_group, str(one.value())
        else:
            keys.append(place)
    return chosen, keys


def _at(config: Any, place: str) -> Any:
    """What lies at a dotted place; an empty mapping where nothing does."""
    for key in place.split("."):
        config = config.get(key) if isinstance(config, Mapping) else None
    return config if isinstance(config, dict) else {}


def _within(key: str, place: str) -> bool:
    """Whether a typed key is a place, or within it."""
    return key == place or key.startswith(f"{place}.")


def typed_overrides(task: Any) -> list[str]:
    """Hydra's `overrides.task` as typed: `rivals.again=${solver}` is a text, not the solver."""
    from omegaconf import OmegaConf

    found: Any = OmegaConf.to_container(task, resolve=False)
    return list(found)

"""Objects from the nodes of a configuration: the only user of Hydra's instantiate."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.targets import option_of, resolve
from scoregeo._utils.words import did_you_mean
from scoregeo.run.groups import GROUPS, MAPPINGS
from scoregeo.run.overrides import escaped
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import field_at

Config = Mapping[str, Any]

# What is passed to an option's target, on top of its YAML.
PASSED = {
    "dataset": ("painter",),
    "score": ("dataset", "seed"),
    "metric": ("field",),
    "runner": ("path", "config"),
}
LEVEL = ("sigma", "timestep")  # keys that say at which noise level a score is taken


def make(group: str, node: Config, where: str | None = None, **passed: Any) -> Any:
    """The object of one node. Errors of the project come through as they are, but that they call
    the settings of a node outside its group, `where`, as they were typed.
    """
    try:
        # Partial, since instantiate would turn the dataclasses among `passed` into dicts.
        return instantiate({**_literal(node), "_partial_": True})(**passed)
    except ConfigError as error:
        raise ConfigError(
            _placed(str(error), group, node, where) if where else str(error)
        ) from error
    except (InstantiationException, TypeError) as error:
        if isinstance(error.__cause__, ConfigError):  # of a node within this one
            inner = re.search(r"full_key: (\S+)", str(error))
            place = ".".join(filter(None, [where or group, inner and inner[1]]))
            said = str(error.__cause__)
            kind = said.partition(".")[0]
            said = _placed(said, kind if kind in GROUPS else place, {}, place)
            raise ConfigError(said) from error
        reason = str(error.__cause__ or error).split("\n")[0]
        raise ConfigError(
            f"{where or group} = {option_name(node)!r} cannot be built: {reason}"
        ) from error


def _placed(said: str, group: str, node: Config, place: str) -> str:
    """An error of the node at `place` with the keys that were typed: a part calls its settings by
    its group, `solver.tolerance`, one of a mapping by its option too, `baseline.lerp.space`.
    """
    own = rf"{group}\.\w+" if group in MAPPINGS else group
    first = said.partition(".")[0]
    named, typed = (first, f"{place}.{first}") if first in node else (own, place)
    found, times = re.subn(rf"(?<![\w.]){named}(?=\.[a-z_])", lambda _: typed, said)
    return found if times else f"{said} (at {place})"


def _literal(value: Any) -> Any:
    """A node whose texts `instantiate` leaves as they are: it resolves `${...}` twice, and what
    comes from a composed configuration is a text that holds it, as a prompt may.
    """
    if isinstance(value, Mapping):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_literal(inner) for inner in value]
    return escaped(escaped(value)) if isinstance(value, str) else value


def make_score(node: Config, **passed: Any) -> Any:
    """The score of a node, at its noise level: what its target returns (a `ScoreField` or a
    `TextModel`), or, where the target is an `AbstractScore`, its field at `sigma` or `timestep`.

    `passed` (the dataset, the seed): those that the target has parameters for.
    """
    known, level = target_keys(node["_target_"]), level_keys(node["_target_"])
    own = {key: value for key, value in node.items() if key not in level}
    made = make("score", own, **{key: value for key, value in passed.items() if key in known})
    return field_at(made, **{key: node.get(key) for key in LEVEL}) if level else made


def level_keys(target: str, where: str = "") -> tuple[str, ...]:
    """The keys of a score node that its target does not take itself: the noise level, where the
    target is an `AbstractScore`.
    """
    found = resolve(target, where)
    own = isinstance(found, type) and issubclass(found, AbstractScore)
    return LEVEL if own else ()


def option_name(node: Config) -> str:
    """The option a node came from (`option_of`)."""
    return option_of(node["_target_"])


def check_keys(
    where: str,
    node: Config,
    passed: tuple[str, ...],
    also: tuple[str, ...] = (),
    *,
    within: bool = False,
) -> None:
    """Raise ConfigError where a node, or one within it, has a key that its target's signature does
    not know, or lacks one that it needs. `passed`: parameters that are no settings; `also`:
    settings beside the signature's; `within`: of a node in another, whose target may give the rest.
    """
    known = [*target_keys(node["_target_"], passed, where), *also]
    for key in node:
        if key.startswith("_") or key in known:
            _check_inner(f"{where}.{key}", node[key])
            continue
        hint = did_you_mean(str(key), known, 1)
        takes = ", ".join(known) or "none"
        if where == "score" and key in LEVEL:
            hint += " (a class of your own takes it where it is one of scoregeo.AbstractScore)"
        raise ConfigError(
            f"{where}.{key} is not a setting of {where}={option_name(node)}{hint}; it takes"
            f" {takes}. Where an experiment's file has set it for another option,"
            f" ~{where}.{key} takes it away."
        )
    lacks = [name for name in _needed(node["_target_"]) if name not in (*node, *passed)]
    if lacks and not node.get("_partial_", within):
        if where == "score" and _is_score(node["_target_"], lacks[0]):
            raise ConfigError(_no_factory(node["_target_"], lacks[0]))
        later = f", or {where}._partial_=true, for it to be given later" * ("_partial_" in node)
        raise ConfigError(
            f"{where}={option_name(node)} needs {', '.join(lacks)}: set {where}.{lacks[0]}{later}."
        )


def _is_score(target: str, lacking: str) -> bool:
    """Whether a function looks like a score itself, of points, which it lacks, and noise level."""
    first, *rest = _needed(target)
    return inspect.isfunction(resolve(target)) and (
        lacking == first and (first == "x" or rest[:1] == ["sigma"])
    )


def _no_factory(target: str, lacking: str) -> str:
    return (
        f"score._target_ = {target!r} needs {lacking}: it must name a class, or a function that"
        f" returns a score. Where {target} is a score itself, a function of points and noise level,"
        f" take score._target_=scoregeo.FunctionScore +score.function._target_={target}"
        f" +score.function._partial_=true '+score.shape=[3]', the shape of a point; else set"
        f" score.{lacking}."
    )


def _check_inner(where: str, value: object) -> None:
    """Check the nodes within a setting, at any depth."""
    if not isinstance(value, Mapping):
        return
    if "_target_" in value:
        check_keys(where, value, (), within=True)
        return
    for key, inner in value.items():
        _check_inner(f"{where}.{key}", inner)


def target_keys(target: str, passed: tuple[str, ...] = (), where: str = "") -> list[str]:
    """The settings a target takes from YAML. Raises as `resolve`."""
    found = resolve(target, where)
    try:
        parameters = inspect.signature(found).parameters
    except (ValueError, TypeError) as error:
        key = f"{where}._target_" if where else "_target_"
        raise ConfigError(f"{key} = {target!r} has no signature: {error}.") from error
    return [name for name in parameters if name not in passed]


def _needed(target: str) -> list[str]:
    """The parameters of a target that have no default."""
    one = inspect.Parameter
    return [
        name
        for name, parameter in inspect.signature(resolve(target)).parameters.items()
        if parameter.default is one.empty
        and parameter.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]

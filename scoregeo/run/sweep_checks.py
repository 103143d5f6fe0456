"""Checks of a multirun's jobs before the first of them starts. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scoregeo._utils.errors import ConfigError, bad_value, check_number
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.run.points import empty_sweeps, ends_of_sweeps, is_group
from scoregeo.run.settings import RunSettings, Settings, check_scalars

if TYPE_CHECKING:
    from omegaconf import DictConfig

_SCALARS = {item.name for item in fields(RunSettings)} - {"evaluation"}
# Groups whose options are made from their settings alone, with what stands for the rest.
_PARTS: dict[str, dict[str, Any]] = {"solver": {}, "metric": {"field": None}, "initializer": {}}
_EVALUATION = {item.name for item in fields(EvaluationSettings)}


def check_jobs(config: "DictConfig", jobs: Sequence[Sequence[str]] | None) -> None:
    """Raise ConfigError where a command has no jobs, or where those would share one folder."""
    sweep = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    assert isinstance(sweep, dict)
    if jobs is not None and not jobs:
        raise ConfigError(
            "the sweep has no jobs: range() and glob() of"
            f" {', '.join(empty_sweeps(config)) or 'the command'} stand for no values."
        )
    most = OmegaConf.select(config, "hydra.sweeper.max_batch_size")
    if isinstance(most, int):
        check_number("hydra.sweeper.max_batch_size", most, at_least=1, integer=True)
    for key in ("dir", "subdir"):
        if not str(sweep[key]).strip():
            raise bad_value(f"hydra.sweep.{key}", "", "a folder")
    if len(jobs or ()) > 1 and "${" not in str(sweep["subdir"]):
        raise ConfigError(
            f"hydra.sweep.subdir = {sweep['subdir']!r} is not allowed: the jobs would share a"
            " folder; it must have ${hydra.job.num} in it."
        )


def check_swept(config: "DictConfig") -> None:
    """Raise ConfigError for a value that a run's scalar, or the only swept setting of a part that
    needs no data, is swept over and may not have, such as a seed of -1 or a path of 1 point: else
    only its job would say so, after those before it.
    """
    from scoregeo.run.command import plain

    swept = ends_of_sweeps(config)
    scalars = {key: values for key, values in swept.items() if _is_scalar(key)}
    alike = not any(key == "profile" or is_group(key) for key in swept)  # the jobs' options
    parts = {key: values for key, values in swept.items() if alike and _is_alone(key, swept)}
    try:
        found = plain(config) if scalars or parts else {}
        given = [(key, _read(key, value)) for key, values in scalars.items() for value in values]
    except OmegaConfBaseException:
        return  # raised again, and explained, where the jobs are composed
    for key, value in given:
        root, _, inner = key.partition(".")
        check_scalars({**found, root: {**found[root], inner: value} if inner else value})
    if parts and found["runner"] is None:
        _check_parts(found, parts)


def _is_alone(key: str, swept: Mapping[str, Any]) -> bool:
    """Whether it is a setting of a part, and the part's only one that is swept."""
    root, _, inner = key.partition(".")
    others = (one for one in swept if one.partition(".")[0] == root)
    return root in _PARTS and "." not in inner and list(others) == [key]


def _check_parts(found: Mapping[str, Any], parts: Mapping[str, Sequence[Any]]) -> None:
    """Make each part with each of its values."""
    from scoregeo.run.instantiate import make

    for key, values in parts.items():
        group, _, name = key.partition(".")
        for value in values:
            if "${" not in str(value) and isinstance(found.get(group), Mapping):
                make(group, {**found[group], name: value}, **_PARTS[group])


def _is_scalar(key: str) -> bool:
    root, _, inner = key.partition(".")
    return inner in _EVALUATION if root == "evaluation" else key in _SCALARS


def _read(key: str, value: Any) -> Any:
    """A value as the configuration has it: '1' of a seed is a number."""
    schema = OmegaConf.structured(Settings)
    OmegaConf.update(schema, key, value)
    found: Any = OmegaConf.to_object(OmegaConf.create([OmegaConf.select(schema, key)]))
    return found[0]

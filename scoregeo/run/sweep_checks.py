"""Checks of a multirun's jobs before the first of them starts. Imports no torch."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scoregeo._utils.errors import ConfigError, bad_value, check_number
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.run.points import empty_sweeps, ends_of_sweeps
from scoregeo.run.settings import RunSettings, Settings, check_scalars

if TYPE_CHECKING:
    from omegaconf import DictConfig

_SCALARS = {item.name for item in fields(RunSettings)} - {"evaluation"}
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
    """Raise ConfigError for a value that a run's scalar is swept over and may not have, such as a
    seed of -1: else only its job would say so. A job's other settings its parts check.
    """
    from scoregeo.run.command import plain

    scalars = {key: values for key, values in ends_of_sweeps(config).items() if _is_scalar(key)}
    try:
        found = plain(config) if scalars else {}
        given = [(key, _read(key, value)) for key, values in scalars.items() for value in values]
    except OmegaConfBaseException:
        return  # raised again, and explained, where the jobs are composed
    for key, value in given:
        root, _, inner = key.partition(".")
        check_scalars({**found, root: {**found[root], inner: value} if inner else value})


def _is_scalar(key: str) -> bool:
    root, _, inner = key.partition(".")
    return inner in _EVALUATION if root == "evaluation" else key in _SCALARS


def _read(key: str, value: Any) -> Any:
    """A value as the configuration has it: '1' of a seed is a number."""
    schema = OmegaConf.structured(Settings)
    OmegaConf.update(schema, key, value)
    found: Any = OmegaConf.to_object(OmegaConf.create([OmegaConf.select(schema, key)]))
    return found[0]

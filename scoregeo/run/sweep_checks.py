"""Checks of a multirun's jobs before the first of them starts. Imports no torch."""

from collections.abc import Mapping, Sequence
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
# Groups whose options are made from their settings alone, with what stands for the rest.
_PARTS: dict[str, dict[str, Any]] = {"solver": {}, "metric": {"field": None}, "initializer": {}}
_MOST_COMPOSED = 16  # composing takes a fraction of a second
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
    seed of -1: else only its job would say so, after those before it.
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


def check_parts(config: "DictConfig", jobs: Sequence[Sequence[str]]) -> None:
    """Raise ConfigError where a part that needs no data refuses a value that it is swept over, as a
    path of 1 point. The jobs that have a value first are composed, at most `_MOST_COMPOSED`.
    """
    from hydra.core.global_hydra import GlobalHydra

    from scoregeo.run.command import plain

    loader = GlobalHydra.instance().config_loader()
    for job, groups in _first_of_values(jobs):
        try:
            found = plain(loader.load_sweep_config(config, list(job)))
        except Exception:  # of Hydra, or of a module of one's own: the job says it again
            return
        if found["runner"] is None:
            _make_parts(found, groups)


def _first_of_values(jobs: Sequence[Sequence[str]]) -> list[tuple[Sequence[str], list[str]]]:
    """The jobs that are the first with a value of a part's setting, and the parts."""
    seen: set[str] = set()
    found = []
    for job in jobs:
        own = [one for one in job if one.partition(".")[0] in _PARTS and one not in seen]
        if own:
            seen.update(own)
            found.append((job, sorted({one.partition(".")[0] for one in own})))
    return found[:_MOST_COMPOSED]


def _make_parts(found: Mapping[str, Any], groups: Sequence[str]) -> None:
    from scoregeo.run.build import check_group
    from scoregeo.run.groups import is_option
    from scoregeo.run.instantiate import make

    for group in groups:
        if not is_option(found.get(group)):
            continue
        try:
            check_group(group, found[group])
            make(group, found[group], **_PARTS[group])
        except ConfigError:
            raise
        except Exception:  # a part of one's own: its job says what it raised
            continue


def _is_scalar(key: str) -> bool:
    root, _, inner = key.partition(".")
    return inner in _EVALUATION if root == "evaluation" else key in _SCALARS


def _read(key: str, value: Any) -> Any:
    """A value as the configuration has it: '1' of a seed is a number."""
    schema = OmegaConf.structured(Settings)
    OmegaConf.update(schema, key, value)
    found: Any = OmegaConf.to_object(OmegaConf.create([OmegaConf.select(schema, key)]))
    return found[0]

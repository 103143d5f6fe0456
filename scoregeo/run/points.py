"""The jobs that a command line stands for."""

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from scoregeo._utils.configuration import config_dir
from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import path_of

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

MOST_JOBS = 100_000  # of a multirun: its parent lists them, and reads the record of each
_OUTPUT = "outputs"  # the default of `output`
_FOLDERS = ("output", "results", "hydra.run.dir", "hydra.sweep.dir")
_LISTS = ("baseline", "extrapolation", "tracker")  # groups of which several options stand together


def sharded(arguments: Sequence[str]) -> list[str]:
    """A command line with `shards=N` as the sweep over its N shards; any other as it is."""
    arguments = emptied(arguments)
    given = [one.partition("=")[2] for one in arguments if one.startswith("shards=")]
    if (
        not given
        or not given[-1].isdigit()
        or int(given[-1]) < 2
        or any(one.startswith("shard=") for one in arguments)
    ):
        return list(arguments)
    return [*arguments, f"shard=range({given[-1]})"]


def emptied(arguments: Sequence[str]) -> list[str]:
    """A command line in which `rivals={}` leaves none: Hydra merges an empty mapping into what is
    there, without effect. Ends the command for what Hydra ignores, or answers with a traceback.
    """
    none = re.compile(r"rivals=\{\s*\}")
    found = ["rivals=null" if none.fullmatch(one) else one for one in expanded(arguments)]
    for one in found:
        key, _, value = one.partition("=")
        if one.lstrip("+~").startswith("="):
            _refuse(f"{one!r} is not of the form key=value: it has no key before its =.")
        if one.lstrip("+~").partition("=")[0] == "hydra":
            _refuse("hydra is not allowed by itself: its settings are hydra.KEY=VALUE.")
        if not key.lstrip("+~"):
            _refuse(
                f"{one!r} is not of the form key=value: a key is words with points between, such as"
                " metric.lam=10."
            )
        if is_group(key):
            _check_option(key, value)
        if re.fullmatch(r"\{\s*\}", value) and not key.startswith(("+", "~")):
            _refuse(
                f"{key} = {{}} is not allowed: an empty mapping changes nothing; {key} must be"
                f" null, or its keys set one by one, {key}.KEY=VALUE."
            )
    if "--resolve" in found and not {"--cfg", "-c"} & set(found):
        _refuse("--resolve goes with --cfg job, which shows the configuration.")
    return found


def is_group(key: str) -> bool:
    """Whether a key chooses an option of a group, as `solver`, `solver@rivals.adam`,
    `case/starts`.
    """
    return (config_dir() / key).is_dir() or bool(re.fullmatch(r"[a-z_/]*[/@][\w/.]+", key))


def _check_option(group: str, value: str) -> None:
    """End the command where a group is given null, a number or a mapping for an option."""
    if not re.fullmatch(r"null|true|false|[-+.\d]+|\{.*\}", value, re.IGNORECASE):
        return
    found = sorted(path.stem for path in (config_dir() / group.split("@")[0]).glob("*.yaml"))
    options = ", ".join(found) or "its options"
    several = f", a list of them, or [] as in {group}=[]" if group in _LISTS else ""
    _refuse(f"{group} = {value} is not allowed: {group} must be one of {options}{several}.")


def expanded(arguments: Sequence[str]) -> list[str]:
    """A command line with `~` in the folders that it names as a shell would have expanded it. Ends
    the command for that of a user who is not there.
    """
    found = []
    for one in arguments:
        key, _, value = one.partition("=")
        try:
            known = key in _FOLDERS and value.startswith("~")
            found.append(f"{key}={path_of(key, value)}" if known else one)
        except ConfigError as error:
            _refuse(str(error))
    return found


def _refuse(reason: str) -> NoReturn:
    sys.exit(f"scoregeo: error: {reason}")


def at_home(arguments: Sequence[str]) -> list[str]:
    """A command line whose jobs may run elsewhere, with an absolute `output`: a cluster's workers
    have folders of their own.
    """
    launchers = [one.partition("=")[2] for one in arguments if one.startswith("hydra/launcher=")]
    if not launchers or launchers[-1] in ("basic", "local", "joblib"):
        return list(arguments)
    given = [one.partition("=")[2] for one in arguments if one.startswith("output=")]
    rest = [one for one in arguments if not one.startswith("output=")]
    return [*rest, f"output={Path(given[-1] if given else _OUTPUT).resolve()}"]


def expand(config: "DictConfig") -> list[list[str]] | None:
    """The overrides of each job that Hydra's basic sweeper will make of a multirun's configuration;
    None for another sweeper. Raises ConfigError for more than `MOST_JOBS`.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return None
    given = _given(config)
    _check_count(given)
    return [list(job) for batch in BasicSweeper.split_arguments(given, None) for job in batch]


def _check_count(given: "Sequence[Override]") -> None:
    """Raise ConfigError for overrides that stand for too many jobs, without listing these."""
    last = {one.get_key_element(): one for one in given}  # of a key given twice, as Hydra has it
    swept = [one for one in last.values() if one.is_discrete_sweep()]
    if math.prod(map(_length, swept)) > MOST_JOBS:
        typed = ", ".join(str(one.input_line) for one in swept)
        raise ConfigError(
            f"the sweep has too many jobs: {typed}. It must have at most {MOST_JOBS:,}."
        )


def _length(swept: "Override") -> int:
    """How many values an override sweeps over, counted to one above `MOST_JOBS`."""
    value: Any = swept.value()
    if not swept.is_range_sweep():
        return sum(1 for _ in swept.sweep_iterator())
    span, step = float(value.stop) - float(value.start), float(value.step)
    if step == 0 or math.isnan(span / step):
        return 1  # Hydra refuses it
    return math.ceil(min(max(span / step, 0), MOST_JOBS + 1))


def empty_sweeps(config: "DictConfig") -> list[str]:
    """The sweeps of a multirun's configuration that stand for no value, as they were typed."""
    swept = [one for one in _given(config) if one.is_sweep_override()]
    return [str(one.input_line) for one in swept if not list(one.sweep_string_iterator())]


def ends_of_sweeps(config: "DictConfig") -> dict[str, list[Any]]:
    """The values that each key of a multirun's configuration is swept over; of a range, whose
    values lie between them, the first and the last.
    """
    found: dict[str, list[Any]] = {}
    for one in _given(config):
        found.pop(one.key_or_group, None)
        if one.is_discrete_sweep():
            values = [getattr(value, "text", value) for value in one.sweep_iterator()]
            ends = slice(None, None, max(len(values) - 1, 1) if one.is_range_sweep() else 1)
            found[one.key_or_group] = values[ends]
    return found


def _given(config: "DictConfig") -> "list[Override]":
    """The overrides of a multirun, those that a study's file sweeps over first."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from scoregeo.run.leftovers import typed_overrides

    loader = (
        GlobalHydra.instance().config_loader() if GlobalHydra.instance().is_initialized() else None
    )
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    task = typed_overrides(config.hydra.overrides.task)
    return OverridesParser.create(loader).parse_overrides([*params, *task])

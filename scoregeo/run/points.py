"""The jobs that a command line stands for."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from scoregeo._utils.configuration import config_dir
from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import path_of

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

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
        if not key:
            _refuse(
                f"{one!r} is not of the form key=value: a key is words with points between, such as"
                " metric.lam=10."
            )
        if (config_dir() / key).is_dir() or re.fullmatch(r"[a-z_/]*[/@][\w/.]+", key):
            _check_option(key, value)
        if re.fullmatch(r"\{\s*\}", value) and not key.startswith(("+", "~")):
            _refuse(
                f"{key} = {{}} is not allowed: an empty mapping changes nothing; {key} must be"
                f" null, or its keys set one by one, {key}.KEY=VALUE."
            )
    if "--resolve" in found and not {"--cfg", "-c"} & set(found):
        _refuse("--resolve goes with --cfg job, which shows the configuration.")
    return found


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
    None for another sweeper.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return None
    return [
        list(job) for batch in BasicSweeper.split_arguments(_given(config), None) for job in batch
    ]


def empty_sweeps(config: "DictConfig") -> list[str]:
    """The sweeps of a multirun's configuration that stand for no value, as they were typed."""
    swept = [one for one in _given(config) if one.is_sweep_override()]
    return [str(one.input_line) for one in swept if not list(one.sweep_string_iterator())]


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

"""The jobs that a multirun's command stands for, and a command in both profiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hydra
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, flag_override

from scoregeo._utils.configuration import config_dir
from scoregeo.run import command
from scoregeo.run.command import plain, register
from scoregeo.run.points import expand
from scoregeo.run.settings import Profile
from tests.composing import nothing_kept


def points(*overrides: str) -> list[list[str]]:
    """Each job's overrides, as Hydra's basic sweeper makes them."""
    return points_in_profiles(*overrides)["quick"]


def points_in_profiles(*overrides: str) -> dict[str, list[list[str]]]:
    """Each job's overrides in each profile."""
    register()
    main = Hydra.create_main_hydra2("scoregeo", create_config_search_path(str(config_dir())))
    try:
        mode = RunMode.MULTIRUN
        config = main.compose_config("config", list(overrides), mode, with_log_configuration=False)
        found = {}
        for name, changed in _profiles(config):
            jobs = expand(changed)
            assert jobs is not None
            found[name] = jobs
        return found
    finally:
        GlobalHydra.instance().clear()


def in_profiles(*overrides: str) -> dict[str, tuple[dict[str, Any], Path]]:
    """What `compose` gives in each profile, composed once: a profile is read by interpolations
    alone.
    """
    register()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        config = hydra.compose("config", list(overrides), return_hydra_config=True)
    return {name: _with_folder(changed) for name, changed in _profiles(config)}


def composed_anew(*overrides: str) -> tuple[dict[str, Any], Path]:
    """What `scoregeo.run.command.compose` gives, with nothing kept from before."""
    with nothing_kept():
        return command.compose(overrides)


def _with_folder(config: DictConfig) -> tuple[dict[str, Any], Path]:
    """The plain configuration, made once: the folder's hash asks for it again."""
    found = plain(config)
    with patch.object(command, "plain", lambda root: found):
        return found, Path(config.hydra.run.dir)


def _profiles(config: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    for profile in Profile:
        with flag_override(config, ["struct", "readonly"], False):
            config.profile = profile
        yield profile.value, config

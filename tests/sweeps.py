"""The jobs that a multirun's command stands for, and a command in both profiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, flag_override

from scoregeo._utils.configuration import config_dir
from scoregeo.run.command import plain, register
from scoregeo.run.points import expand
from scoregeo.run.settings import Profile


def points(*overrides: str) -> list[list[str]]:
    """Each job's overrides, as Hydra's basic sweeper makes them."""
    return points_in_profiles(*overrides)["quick"]


def points_in_profiles(*overrides: str) -> dict[str, list[list[str]]]:
    """Each job's overrides in each profile."""
    found = {}
    for name, config in _in_profiles(overrides, RunMode.MULTIRUN):
        jobs = expand(config)
        assert jobs is not None
        found[name] = jobs
    return found


def in_profiles(*overrides: str) -> dict[str, tuple[dict[str, Any], Path]]:
    """What `compose` gives in each profile, composed once: a profile is read by interpolations
    alone.
    """
    return {
        name: (plain(config), Path(config.hydra.run.dir))
        for name, config in _in_profiles(overrides, RunMode.RUN)
    }


def _in_profiles(overrides: tuple[str, ...], mode: RunMode) -> Iterator[tuple[str, DictConfig]]:
    register()
    hydra = Hydra.create_main_hydra2("scoregeo", create_config_search_path(str(config_dir())))
    try:
        config = hydra.compose_config("config", list(overrides), mode, with_log_configuration=False)
        for profile in Profile:
            with flag_override(config, ["struct", "readonly"], False):
                config.profile = profile
            yield profile.value, config
    finally:
        GlobalHydra.instance().clear()

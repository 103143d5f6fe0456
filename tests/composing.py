"""Hydra's `compose` with its options kept: what options of groups compose to is made once a
session, and the values of a command are applied to a copy of it, by Hydra's own function. What is
composed anew reads each file of a process once.
"""

import hashlib
import os
import pickle
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, flag_override

ANEW = hydra.compose
READ_ANEW = CachingConfigRepository.load_config
_KEPT: dict[str, bytes] = {}
_FILES: dict[tuple[object, ...], bytes] = {}


def read_once(repository: CachingConfigRepository, config_path: str) -> ConfigResult | None:
    """For `CachingConfigRepository.load_config`, which reads a file once a composition: a copy of
    what an earlier one read.
    """
    sources = tuple((one.provider, one.path) for one in repository.get_sources())
    key, name = (config_path, *sources), f"config_path={config_path}"
    if name in repository.cache:
        return repository.cache[name]
    if key not in _FILES:
        _FILES[key] = pickle.dumps(repository.delegate.load_config(config_path))
    found: ConfigResult | None = pickle.loads(_FILES[key])
    repository.cache[name] = found
    return found


class Composer:
    """`folder`: what all test processes of a session see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, config_name: str, overrides: Sequence[str], return_hydra_config: bool = True
    ) -> DictConfig:
        """As `hydra.compose`, within `hydra.initialize_config_dir`."""
        running = GlobalHydra.instance().hydra
        given = OverridesParser.create().parse_overrides(list(overrides))
        if running is None or any(one.is_sweep_override() for one in given):
            return ANEW(config_name, list(overrides), return_hydra_config)
        loader = running.config_loader
        assert isinstance(loader, ConfigLoaderImpl)
        grouped = [loader.repository.group_exists(one.key_or_group) for one in given]
        each = list(zip(given, grouped, strict=True))
        options = [str(one.input_line) for one, is_group in each if is_group]
        key = " ".join([str(loader.get_search_path()), config_name, *options])
        if key not in _KEPT:
            _KEPT[key] = self._pickled(config_name, options, key)
        config: DictConfig = pickle.loads(_KEPT[key])
        loader._apply_overrides_to_config([one for one, is_group in each if not is_group], config)
        task = [one.input_line for one in given if not one.key_or_group.startswith("hydra")]
        with flag_override(config, ["struct", "readonly"], False):
            config.hydra.overrides.task = task
        return config

    def _pickled(self, config_name: str, options: list[str], key: str) -> bytes:
        place = self.folder / hashlib.sha256(key.encode()).hexdigest()
        if place.exists():
            return place.read_bytes()
        made = pickle.dumps(ANEW(config_name, options, return_hydra_config=True))
        partial = place.with_suffix(f".{os.getpid()}")
        partial.write_bytes(made)
        partial.replace(place)
        return made

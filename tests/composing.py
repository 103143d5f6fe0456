"""Hydra's `compose` with its options kept: what options of groups compose to is made once a
session, and the values of a command are applied to a copy of it, by Hydra's own function. What is
composed anew reads each file of a process once. A command line, which Hydra composes twice, and
twice more for each job of a sweep, merges the same files once a process.
"""

import copy
import hashlib
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra._internal import config_loader_impl, defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra.core.default_element import InputDefault, ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, flag_override
from pytest import MonkeyPatch

ANEW = hydra.compose
_COPY = CachingConfigRepository.__init__
_LOAD = CachingConfigRepository.load_config
_LIST = config_loader_impl.create_defaults_list
_MERGE = ConfigLoaderImpl._compose_config_from_defaults_list
_CHOICES = defaults_list._create_interpolation_map
_KEPT: dict[str, bytes] = {}
_FILES: dict[tuple[object, ...], bytes] = {}
_MERGED: dict[tuple[object, ...], bytes] = {}
_LISTS: dict[tuple[object, ...], bytes] = {}


@contextmanager
def kept_parts() -> Iterator[None]:
    """Hydra's parts replaced by those that keep what they made."""
    with MonkeyPatch.context() as patch:
        patch.setattr(CachingConfigRepository, "__init__", share_sources)
        patch.setattr(CachingConfigRepository, "load_config", read_once)
        patch.setattr(config_loader_impl, "create_defaults_list", listed_once)
        patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", merged_once)
        patch.setattr(defaults_list, "_create_interpolation_map", choices_where_asked)
        yield


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Hydra's own parts."""
    with MonkeyPatch.context() as patch:
        patch.setattr(hydra, "compose", ANEW)
        patch.setattr(CachingConfigRepository, "__init__", _COPY)
        patch.setattr(CachingConfigRepository, "load_config", _LOAD)
        patch.setattr(config_loader_impl, "create_defaults_list", _LIST)
        patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", _MERGE)
        patch.setattr(defaults_list, "_create_interpolation_map", _CHOICES)
        yield


def share_sources(repository: CachingConfigRepository, delegate: IConfigRepository) -> None:
    """For `CachingConfigRepository.__init__`, which copies the whole store of schemas so that its
    list of sources is its own; what is read of a source is copied in any case.
    """
    repository.delegate = copy.copy(delegate)
    repository.cache = {}


def read_once(repository: CachingConfigRepository, config_path: str) -> ConfigResult | None:
    """For `CachingConfigRepository.load_config`, which reads a file once a composition: a copy of
    what an earlier one read.
    """
    key, name = (config_path, *_sources(repository)), f"config_path={config_path}"
    if name in repository.cache:
        return repository.cache[name]
    if key not in _FILES:
        _FILES[key] = pickle.dumps(repository.delegate.load_config(config_path))
    found: ConfigResult | None = pickle.loads(_FILES[key])
    repository.cache[name] = found
    return found


def listed_once(
    repo: IConfigRepository,
    config_name: str | None,
    overrides_list: list[Override],
    prepend_hydra: bool,
    skip_missing: bool,
) -> DefaultsList:
    """For `create_defaults_list`: which files make up a configuration depends on the options of
    groups alone.
    """
    overrides = Overrides(repo=repo, overrides_list=overrides_list)
    values = {id(one) for one in overrides.config_overrides}
    options = [str(one.input_line) for one in overrides_list if id(one) not in values]
    key = (*_sources(repo), config_name, prepend_hydra, skip_missing, *options)
    if key not in _LISTS:
        found = _LIST(repo, config_name, overrides_list, prepend_hydra, skip_missing)
        _LISTS[key] = pickle.dumps((found.defaults, found.overrides.known_choices))
        return found
    defaults, overrides.known_choices = pickle.loads(_LISTS[key])
    # The tree is not read by what composes.
    return DefaultsList(defaults, None, overrides.config_overrides, overrides)


def choices_where_asked(
    overrides: Overrides, listed: list[InputDefault], self_added: bool
) -> DictConfig | None:
    """For `_create_interpolation_map`, which makes a configuration for each file; it is read where
    a file's list of defaults refers to a choice of another group.
    """
    asked = any("${" in repr(one) for one in listed)
    return _CHOICES(overrides, listed, self_added) if asked else None


def merged_once(
    loader: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
) -> DictConfig:
    """For `ConfigLoaderImpl._compose_config_from_defaults_list`: a copy of what the same files
    were merged to earlier.
    """
    key = (*_sources(repo), repr(defaults))
    if key not in _MERGED:
        _MERGED[key] = pickle.dumps(_MERGE(loader, defaults, repo))
    found: DictConfig = pickle.loads(_MERGED[key])
    return found


def _sources(repository: IConfigRepository) -> tuple[object, ...]:
    return tuple((one.provider, one.path) for one in repository.get_sources())


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

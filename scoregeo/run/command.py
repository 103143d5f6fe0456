"""A command line as a configuration, and its run: composing, and carrying out in a run's folder."""

import logging
import math
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoregeo._utils.configuration import config_dir, config_hash, digest
from scoregeo._utils.errors import ConfigError, DataError, ScoregeoError, bad_value
from scoregeo.run.leftovers import drop_leftovers, inherited, typed_overrides
from scoregeo.run.overrides import as_overrides
from scoregeo.run.settings import Settings, check_place

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

# Of a sweep's overrides, those that do not say what is computed.
_WHERE = ("output=", "results=", "overwrite=", "hydra.", "hydra/")
_LISTS = ("rivals", "baseline", "extrapolation", "tracker")


def register() -> None:
    """Tell Hydra of the schema and the resolvers that the configs use.

    `${quick_or_full:8,64}`: the value for the profile chosen. `${parts:span,length,least}`: how
    many parts of at most `length` make up `span`, and `least` of them or more. `${config_hash:}`:
    of what is computed. `${sweep_folder:...}`: the folder of a multirun, named by its overrides; it
    is evaluated once, in the process that starts the multirun, and Hydra hands the value to every
    job, whichever launcher runs it. `${job_label:}`: the number of a multirun's job, for its log
    lines.
    """
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    store = ConfigStore.instance()
    if "settings.yaml" not in store.repo:  # a schema takes as long as a small configuration
        store.store(name="settings", node=Settings)
    OmegaConf.register_new_resolver("quick_or_full", _quick_or_full, replace=True)
    OmegaConf.register_new_resolver("parts", _parts, replace=True)
    OmegaConf.register_new_resolver("config_hash", _hash_of_root, replace=True)
    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("job_label", _job_label, replace=True)


def compose(overrides: Sequence[str]) -> tuple[dict[str, Any], Path]:
    """The resolved configuration of a command line, and the folder its run belongs in."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    register()
    with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        config = hydra_compose(
            "config", overrides=as_overrides(overrides), return_hydra_config=True
        )
    return plain(config), Path(config.hydra.run.dir)


def plain(config: "DictConfig", typed: Sequence[str] | None = None) -> dict[str, Any]:
    """A composed configuration without Hydra's part, resolved, as plain dicts, lists and scalars.

    A method that is null, as in `rivals.adam=null`, is left out, and so are all where the group is.
    So are settings of an option that the overrides `typed` have replaced (`drop_leftovers`); None:
    those in Hydra's part.
    """
    found = _container(config)
    drop_leftovers(found, typed_overrides(config.hydra.overrides.task) if typed is None else typed)
    return found


def log_leftovers(config: "DictConfig", typed: Sequence[str]) -> None:
    """Log what `plain` leaves out of a configuration for what was typed, and what was typed without
    effect.
    """
    found = _container(config)
    for place in drop_leftovers(found, typed):
        group = place.split(".")[0]
        log.info("%s is left out: the experiment sets it for another option of %s", place, group)
    for setting in inherited(found, typed):
        log.info("%s comes from the option whose _target_ is replaced", setting)
    if isinstance(found["runner"], dict):
        from omegaconf import OmegaConf

        from scoregeo.run.own_runner import unread

        for place in unread(OmegaConf.to_container(config.runner, resolve=False), typed):
            log.warning("%s has no effect: the runner of %s does not read it", place, config.name)


def _container(config: "DictConfig") -> dict[str, Any]:
    from omegaconf import OmegaConf, SCMode

    found: dict[str, Any] = {}
    for key in (str(one) for one in config if one != "hydra"):
        value = config[key]
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(
                value, resolve=True, throw_on_missing=True, structured_config_mode=SCMode.DICT
            )
        found[key] = value
    for key in _LISTS:
        given = {} if found.get(key) is None else found[key]  # ~rivals, rivals=null: none
        if isinstance(given, dict):
            given = {name: node for name, node in given.items() if node is not None}
        found[key] = given
    found["profile"] = found["profile"].value
    return found


def execute(
    config: Mapping[str, Any],
    path: Path,
    command: Sequence[str],
    group: str | None = None,
    common: Path | None = None,
) -> str | None:
    """Run one resolved configuration in the folder `path`; what is done already is left as it is.
    Gives the reason of a failure.

    With `shard=k` it is that shard's pairs, in a folder within `path`; with `shards=N` alone it
    merges the shards that lie there. `group`: the name of the multirun it is a job of; such a job
    waits where another one works in the same folder. `common`: the folder of what it shares with
    the multirun's other jobs. The reason is also in the folder's manifest,
    the traceback in its error.txt. Settings and files that are refused before any method has
    finished leave no folder.
    """
    from scoregeo._utils.heap import keep_freed_memory
    from scoregeo.run.artifacts import complete_page
    from scoregeo.run.build import build
    from scoregeo.run.inputs import inputs_of
    from scoregeo.run.own_runner import own_runner
    from scoregeo.run.run_folder import RunFolder
    from scoregeo.run.runner import run
    from scoregeo.run.shards import folder_of, merge_shards, merges
    from scoregeo.run.sweep_work import sweep_work

    try:
        check_place(config)
        if group is None and config["results"]:
            raise bad_value(
                "results",
                config["results"],
                "null in a single run, whose page is in its own folder; with -m the pages of all"
                " runs are written there",
            )
        where = folder_of(config, path)
        if merges(config):
            merge_shards(config, path, command, group)
            log.info("done: %s", path)
            return None
        inputs = inputs_of(config)
        folder = RunFolder(
            where,
            config,
            bool(config["overwrite"]),
            command,
            inputs,
            wait=group is not None,
        )
    except ScoregeoError as error:
        return str(error)
    if folder.done:
        log.info(
            "%s holds this configuration's results already: nothing to do (overwrite=true computes"
            " them anew)",
            where,
        )
        complete_page(where, config["page"])
        return None
    trackers: Sequence[Any] = ()
    keep_freed_memory()
    try:
        if config["runner"] is not None:
            own_runner(config)(where)
            folder.finish()
        else:
            experiment = build(config, sweep_work(common, config, inputs))
            trackers = experiment.trackers
            run(experiment, folder, group)
    except KeyboardInterrupt:
        folder.fail("interrupted")
        _fail(trackers, "interrupted")
        raise
    except Exception as error:
        known = isinstance(error, ScoregeoError)
        reason = (
            " ".join(str(error).split())
            if known
            else f"{type(error).__name__}: {' '.join(str(error).split())}"
        )
        if isinstance(error, (ConfigError, DataError)) and folder.unused:
            _fail(trackers, reason)
            folder.discard()
        else:
            folder.fail(reason, traceback.format_exc())
            _fail(trackers, reason)
        return reason if known else f"{reason} (traceback in {where / 'error.txt'})"
    log.info("done: %s", where)
    return None


def _fail(trackers: Sequence[Any], reason: str) -> None:
    for tracker in trackers:
        tracker.fail(reason)


def _quick_or_full(quick: Any, full: Any, *, _root_: Any) -> Any:
    return full if _root_.profile.value == "full" else quick


def _parts(span: float, length: float, least: int) -> int:
    return max(least, math.ceil(span / length))


def _hash_of_root(*, _root_: Any) -> str:
    return config_hash(plain(_root_))


def _sweep_folder(
    output: str, name: str, overrides: Sequence[str], params: Mapping[str, str] | None
) -> str:
    given = sorted(str(one) for one in overrides if not str(one).startswith(_WHERE))
    swept = [f"{key}={value}" for key, value in (params or {}).items()]
    return f"{output}/{name}/sweep_{digest(' '.join([*given, *swept]))}"


def _job_label(*, _root_: Any) -> str:
    from omegaconf import OmegaConf

    number = None if OmegaConf.is_missing(_root_.hydra.job, "num") else _root_.hydra.job.num
    return "" if number is None else f"job {number}: "

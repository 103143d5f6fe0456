"""The command line: `scoregeo experiment=sphere`. Whatever needs torch is imported only when a run begins."""

import logging
import math
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoregeo.core.errors import ScoregeoError
from scoregeo.settings import Settings, config_dir, config_hash, digest

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)


@dataclass
class Report:
    """What came of the jobs of one command: failures by folder, and the sweep's folder, if it was one."""

    failures: dict[str, str] = field(default_factory=dict)
    sweep: Path | None = None


def main() -> None:
    """Entry point of the console script."""
    from scoregeo.explain import compose_errors, explain

    debug = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints what `explain` says better, and exits by itself
    report = Report()
    try:
        _app(report)()
    except compose_errors() as error:
        if debug:
            raise
        sys.exit(f"scoregeo: error: {explain(error, config_dir())}")
    except KeyboardInterrupt:
        sys.exit("scoregeo: interrupted; the same command goes on from here.")
    if report.sweep is not None:
        _gather(report)
    if report.failures and report.sweep is None:
        sys.exit(f"scoregeo: error: {next(iter(report.failures.values()))}")
    if report.failures:
        reasons = "".join(f"\n  {folder}: {reason}" for folder, reason in report.failures.items())
        sys.exit(f"scoregeo: {len(report.failures)} job(s) failed:{reasons}")


def register() -> None:
    """Tell Hydra of the schema and the resolvers that the configs use."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    ConfigStore.instance().store(name="settings", node=Settings)
    OmegaConf.register_new_resolver("config_hash", _hash_of_root, replace=True, use_cache=False)
    OmegaConf.register_new_resolver("sweep_hash", lambda: digest(" ".join(task_arguments(sys.argv[1:]))), replace=True)


def task_arguments(arguments: Sequence[str]) -> list[str]:
    """The overrides among the arguments that say what is computed, in one order."""
    where = ("output=", "overwrite=", "hydra.")
    return sorted(a for a in arguments if not a.startswith("-") and not a.startswith(where))


def compose(overrides: Sequence[str]) -> tuple[dict[str, Any], Path]:
    """The resolved configuration of a command line, and the folder its run belongs in."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    register()
    with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        config = hydra_compose("config", overrides=list(overrides), return_hydra_config=True)
    return plain(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])), Path(config.hydra.run.dir)


def execute(config: Mapping[str, Any], path: Path, command: Sequence[str], group: str | None = None) -> str | None:
    """Run one resolved configuration in the folder `path`; what is done already is left as it is. Gives the reason of a failure.

    With `shard=k` it is that shard's pairs, in a folder within `path`; with `shards=N` alone it merges the shards that lie there.
    `group`: the name of the sweep it is a job of. The reason is also in the folder's manifest, the traceback in its error.txt.
    """
    from scoregeo.build import build
    from scoregeo.core.heap import keep_freed_memory
    from scoregeo.inputs import inputs_of
    from scoregeo.rundir import RunFolder
    from scoregeo.runner import run
    from scoregeo.shards import folder_of, merge_shards, merges

    try:
        where = folder_of(config, path)
        if merges(config):
            merge_shards(config, path, command, group)
            log.info("done: %s", path)
            return None
        folder = RunFolder(where, config, bool(config["overwrite"]), command, inputs_of(config))
    except ScoregeoError as error:
        return str(error)
    if folder.done:
        log.info("%s holds this configuration's results already: nothing to do (overwrite=true computes them anew)", where)
        return None
    trackers: Sequence[Any] = ()
    keep_freed_memory()
    try:
        experiment = build(config)
        trackers = experiment.trackers
        run(experiment, folder, group)
    except KeyboardInterrupt:
        _fail(folder, trackers, "interrupted", "")
        raise
    except Exception as error:
        known = isinstance(error, ScoregeoError)
        reason = " ".join(str(error).split()) if known else f"{type(error).__name__}: {' '.join(str(error).split())}"
        _fail(folder, trackers, reason, traceback.format_exc())
        return reason if known else f"{reason} (traceback in {where / 'error.txt'})"
    log.info("done: %s", where)
    return None


def plain(config: "DictConfig") -> dict[str, Any]:
    """A composed configuration, resolved, as plain dicts, lists and scalars."""
    from omegaconf import OmegaConf, SCMode

    found = OmegaConf.to_container(config, resolve=True, throw_on_missing=True, structured_config_mode=SCMode.DICT)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items() if key != "hydra"}


def _app(report: Report) -> Any:
    import hydra

    register()

    @hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")
    def job(config: "DictConfig") -> float:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        settings = HydraConfig.get()
        path = Path(settings.runtime.output_dir)
        if settings.mode == RunMode.MULTIRUN:
            report.sweep = Path(settings.sweep.dir)
        group = None if report.sweep is None else report.sweep.name
        reason = execute(plain(config), _shown(path), list(settings.overrides.task), group)
        if reason is None:
            return 0.0
        report.failures[str(_shown(path))] = reason
        if report.sweep is not None:
            log.error("job failed: %s", reason)
        return math.nan

    return job


def _gather(report: Report) -> None:
    """One table and one plot of a sweep's jobs, in its folder."""
    from scoregeo.columns import headlines, iterated
    from scoregeo.core.files import read_json
    from scoregeo.report.sweep import gather

    assert report.sweep is not None
    command = " ".join(["scoregeo", *sys.argv[1:]])
    rows = [row for path in sorted(report.sweep.glob("*/summary.json")) for row in read_json(path)["rows"]]
    try:
        sweep = gather(
            report.sweep,
            out=report.sweep / "sweep",
            measures=headlines(rows),
            plotted=iterated(rows) or None,
            command=command,
        )
    except ScoregeoError as error:
        sys.exit(f"scoregeo: error: {error}")
    log.info("sweep: %s", ", ".join(str(path) for path in sweep.files))


def _fail(folder: Any, trackers: Sequence[Any], reason: str, trace: str) -> None:
    folder.fail(reason, trace)
    for tracker in trackers:
        tracker.fail(reason)


def _shown(path: Path) -> Path:
    """Relative to the working folder where it lies inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _hash_of_root(*, _root_: Any) -> str:
    from omegaconf import OmegaConf

    tasks = OmegaConf.masked_copy(_root_, [key for key in _root_ if key != "hydra"])
    return config_hash(plain(tasks))


if __name__ == "__main__":
    main()

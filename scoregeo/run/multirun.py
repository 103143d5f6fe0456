"""Multiruns: the record that each job leaves, and what the parent process makes of the records
under every launcher.

The folder of a multirun holds `sweep.json` (the command, and each job's overrides) and a folder a
job, by number, with Hydra's own record `.hydra/`, the log, and `job.json`: where the run's results
lie and how it ended. A job whose process ends without a word leaves a record that says "running",
or none.
"""

import ctypes
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import yaml
from hydra.errors import HydraException
from hydra.experimental.callback import Callback

from scoregeo._utils.files import write_json
from scoregeo._utils.jobs import DONE, FAILED, JOB, RUNNING, SWEEP, read_jobs, wholes

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

_EXTRAS = {
    "joblib": "local",
    "ray": "ray",
    "submitit": "slurm",
}  # by a part of the launcher's name, what installs it
_PR_SET_PDEATHSIG = 1
_PATIENCE = 5.0  # seconds for a cluster's head to answer
_OUTPUT = "outputs"  # the default of `output`
# Overrides that say where results go.
_WHERE = ("output=", "results=", "overwrite=")


@dataclass(frozen=True)
class JobRecord:
    """One job's `job.json`, in its folder of the multirun; `run`: the folder of its results,
    relative to that.
    """

    folder: Path
    run: str

    @classmethod
    def begin(cls, folder: Path, run: Path, launcher: str) -> "JobRecord":
        """The job begins, in the process that does its work."""
        if (
            "joblib" in launcher and Gather.sweep is None
        ):  # with one job at a time joblib works in the parent itself
            _end_with_parent()
        record = cls(folder, os.path.relpath(run, folder))
        record._write(RUNNING, None)
        return record

    def end(self, reason: str | None) -> None:
        """The job ends: `reason` says why it failed, None that it did not."""
        self._write(DONE if reason is None else FAILED, reason)
        if reason is not None:
            log.error("failed: %s", reason)
        told = read_jobs(self.folder.parent)
        log.info(
            "%d of %d jobs have ended", sum(one.status in (DONE, FAILED) for one in told), len(told)
        )

    def _write(self, status: str, reason: str | None) -> None:
        write_json(self.folder / JOB, {"run": self.run, "status": status, "reason": reason})


class Gather(Callback):
    """Hydra's callback that gathers a multirun when it ends: table, plot and pages, failed jobs by
    name, the exit status.

    Hydra calls it in the parent process, whichever launcher ran the jobs. `pages`: whether the
    jobs' experiments and studies have a page each; else the multirun has one table, or one page
    where it is a study.
    """

    sweep: ClassVar["Sweep | None"] = None  # the multirun that this process is the parent of

    def __init__(self, pages: bool = False) -> None:
        self.pages = pages

    def on_multirun_start(self, config: "DictConfig", **kwargs: Any) -> None:
        """Check what Hydra does not, and write down which jobs there will be."""
        study = config.hydra.runtime.choices.get("study")
        params = config.hydra.sweeper.get("params")
        if study and not params and not self.pages:
            sys.exit(
                f"scoregeo: error: study = {study!r} has nothing to run: hydra.sweeper.params in"
                " its file must name one key or more, each with its values."
            )
        _check_launcher(config.hydra.launcher._target_)
        _check_address(config)
        folder = Path(config.hydra.sweep.dir)
        try:
            jobs = expand(config) if not self.pages else None
        except HydraException:
            jobs = None  # the sweeper will say so itself
        if (
            len({tuple(one for one in found if one.startswith("study=")) for found in jobs or ()})
            > 1
        ):
            sys.exit(
                "scoregeo: error: study = several is not allowed: a command runs one study;"
                " scripts/reproduce.py runs several."
            )
        if config.results and Path(config.results).exists() and not Path(config.results).is_dir():
            sys.exit(
                f"scoregeo: error: results = {config.results!r} is not a folder: results must be a"
                " folder, or null."
            )
        Gather.sweep = Sweep(folder, config.results and Path(config.results), self.pages)
        try:
            Gather.sweep.begin(jobs, list(config.hydra.overrides.task))
        except OSError as error:
            sys.exit(
                f"scoregeo: error: output: {folder} cannot be written ({error.strerror}): output"
                " must be a folder that can."
            )

    def on_multirun_end(self, config: "DictConfig", **kwargs: Any) -> None:
        """Gather. Ends the process with status 1 where a job failed or is missing, or where a page
        cannot be written.
        """
        try:
            assert Gather.sweep is not None, "the multirun's record was not begun"
            Gather.sweep.end()
        except Exception as error:  # Hydra would only warn of it
            log.debug("gathering failed", exc_info=True)
            sys.exit(
                f"scoregeo: error: the jobs could not be gathered: {type(error).__name__}: {error}"
            )

    @classmethod
    def lost(cls, error: BaseException) -> NoReturn:
        """The launcher itself gave up, as where a job's process was killed: gather what is there,
        then say so.
        """
        assert cls.sweep is not None
        log.error(
            "the launcher stopped: %s: %s", type(error).__name__, " ".join(str(error).split())[:400]
        )
        cls.sweep.end()
        sys.exit(
            f"scoregeo: error: the launcher stopped: {type(error).__name__}; the same command"
            " resumes."
        )


@dataclass(frozen=True)
class Sweep:
    """A multirun's folder, as its parent process uses it. `results`: where pages go; None: into the
    folder.
    """

    folder: Path
    results: Path | None
    pages: bool

    def begin(self, jobs: Sequence[Sequence[str]] | None, overrides: Sequence[str]) -> None:
        """Write down the jobs (None: not known before they run), and forget how they ended another
        time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob(f"*/{JOB}"):
            old.unlink()
        shown = [one for one in overrides if not one.startswith(_WHERE)]
        command = " ".join(
            ["scoregeo", *shown]
            if any(one.startswith("study=") for one in shown)
            else ["scoregeo", "-m", *shown]
        )
        known = None if jobs is None else [list(job) for job in jobs]
        write_json(self.folder / SWEEP, {"command": command, "pages": self.pages, "jobs": known})

    def end(self) -> None:
        """Write table, plots and pages. Exits with status 1, naming them, where jobs failed or left
        no results.
        """
        from scoregeo.report.gather import gather_multirun

        self._merge_shards()
        failures = gather_multirun(self.folder, self.results)
        if failures:
            reasons = "".join(f"\n  {name}: {reason}" for name, reason in failures.items())
            sys.exit(f"scoregeo: {len(failures)} job(s) failed:{reasons}")

    def _merge_shards(self) -> None:
        """Merge each run all of whose shards are done. A merge that fails leaves its reason in the
        run's folder.
        """
        from scoregeo.run.command import execute

        jobs = read_jobs(self.folder)
        for whole in wholes([job for job in jobs if job.choice("shard") is not None]):
            first = whole.run / "shards" / f"0_of_{whole.choice('shards')}" / "config.yaml"
            if whole.status != DONE or not first.is_file():
                # A shard is missing; or the run was done before, and none had anything to do
                continue
            config = yaml.safe_load(first.read_text(encoding="utf-8")) | {"shard": None}
            reason = execute(config, whole.run, list(whole.overrides), self.folder.name)
            if reason is not None:
                log.error("not merged: %s", reason)


def sharded(arguments: Sequence[str]) -> list[str]:
    """A command line with `shards=N` as the sweep over its N shards; any other as it is."""
    given = [one.partition("=")[2] for one in arguments if one.startswith("shards=")]
    if (
        not given
        or not given[-1].isdigit()
        or int(given[-1]) < 2
        or any(one.startswith("shard=") for one in arguments)
    ):
        return list(arguments)
    return [*arguments, f"shard=range({given[-1]})"]


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
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return None
    loader = (
        GlobalHydra.instance().config_loader() if GlobalHydra.instance().is_initialized() else None
    )
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    given = OverridesParser.create(loader).parse_overrides([*params, *config.hydra.overrides.task])
    return [list(job) for batch in BasicSweeper.split_arguments(given, None) for job in batch]


def launch(
    commands: Sequence[Sequence[str]], overrides: Sequence[str], job: Callable[["DictConfig"], Any]
) -> None:
    """Run commands as one multirun, with a page for each experiment and each study among them.

    A command is a list of overrides: one with `study=NAME` stands for all of the study's jobs. They
    are handed to Hydra's launcher together, so that no core waits between studies. `overrides`: of
    the multirun as a whole (`hydra/launcher`, `output`, `results`); those that say what is computed
    belong into the commands. `job` does the work of one. Raises what composing raises; exits with
    status 1, naming them, where jobs failed.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.types import HydraContext, RunMode

    from scoregeo._utils.configuration import config_dir, digest

    search = create_config_search_path(str(config_dir()))
    hydra = Hydra.create_main_hydra2(task_name="scoregeo", config_search_path=search)
    try:
        overrides = at_home(overrides)
        where = [one for one in overrides if one.startswith("output=")]
        jobs = []
        for command in commands:
            master = hydra.compose_config(
                "config", sharded(command), run_mode=RunMode.MULTIRUN, with_log_configuration=False
            )
            points = expand(master)
            assert points is not None
            jobs += [[*point, *where] for point in points]
        name = digest(json.dumps(jobs))
        own = [
            f"hydra.sweep.dir=${{output}}/multirun_{name}",
            "hydra.callbacks.gather.pages=true",
            "hydra.mode=MULTIRUN",
        ]
        config = hydra.compose_config("config", [*overrides, *own], run_mode=RunMode.MULTIRUN)
        callbacks = Callbacks(config)
        callbacks.on_multirun_start(config=config, config_name="config")
        assert Gather.sweep is not None
        Gather.sweep.begin(jobs, list(config.hydra.overrides.task))
        context = HydraContext(config_loader=hydra.config_loader, callbacks=callbacks)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=job, config=config
        )
        launcher.launch(jobs, initial_job_idx=0)
        callbacks.on_multirun_end(config=config, config_name="config")
    finally:
        GlobalHydra.instance().clear()


def _check_launcher(target: str) -> None:
    """End the command where a launcher's package is not installed, naming the extra that installs
    it.
    """
    extra = next((name for part, name in _EXTRAS.items() if part in target), None)
    if extra is None:
        return
    try:
        import_module(target.rpartition(".")[0])
    except ImportError:
        sys.exit(f"scoregeo: error: {not_installed(extra)}")


def not_installed(extra: str) -> str:
    """What is said of a launcher whose package is missing."""
    return (
        f"hydra/launcher = {extra!r} needs a package that is not installed: pip install"
        f" 'scoregeo[{extra}]'."
    )


def _check_address(config: "DictConfig") -> None:
    """End the command where a Ray cluster is asked for that does not answer: Ray itself would try
    for a quarter of an hour.
    """
    from omegaconf import OmegaConf

    key = "hydra.launcher.ray.init.address"
    address = OmegaConf.select(config, key)
    if not address or ":" not in address or "//" in address:
        return  # none, or one that Ray resolves by itself
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        sys.exit(
            f"scoregeo: error: {key} = {address!r} does not answer ({error}): it must be host:port"
            " of a Ray cluster's head, or null for this machine."
        )


def _end_with_parent() -> None:
    """Ask Linux to end this process when the one that started it ends.

    A killed parent tells a busy worker nothing: it would go on, and keep its folder from the next
    command.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

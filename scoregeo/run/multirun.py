"""Multiruns: the record that each job leaves, and what the parent process makes of the records
under every launcher.

The folder of a multirun holds `sweep.json` (the command, and each job's overrides) and a folder a
job, by number, with Hydra's own record `.hydra/`, the log, and `job.json`: where the run's results
lie and how it ended. A job whose process ends without a word leaves a record that says "running",
or none.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf.errors import OmegaConfBaseException

from scoregeo._utils.errors import ConfigError, DataError, bad_value
from scoregeo._utils.files import load_yaml, write_json
from scoregeo._utils.jobs import DONE, PARTIAL, SWEEP, clear_common, read_jobs, records, wholes
from scoregeo._utils.lock import FolderLock
from scoregeo._utils.words import count
from scoregeo.run.config_flags import typed_flags
from scoregeo.run.console import link_latest, show_sweep
from scoregeo.run.launchers import check_launcher
from scoregeo.run.leftovers import typed_overrides
from scoregeo.run.points import expand
from scoregeo.run.read_only import check_log
from scoregeo.run.settings import check_place
from scoregeo.run.sweep_checks import check_jobs, check_parts, check_swept

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

# Overrides that say where results go.
_WHERE = ("output=", "results=", "overwrite=")


class Gather(Callback):
    """Hydra's callback that gathers a multirun when it ends: table, plot and pages, failed jobs by
    name, the exit status.

    Hydra calls it in the parent process, whichever launcher ran the jobs. `pages`: whether the
    jobs' experiments and studies have a page each; else the multirun has one table, or one page
    where it is a study.
    """

    sweep: ClassVar["Sweep | None"] = None  # the multirun that this process is the parent of
    lock: ClassVar[FolderLock | None] = None  # of that multirun's folder
    # Its jobs' overrides, where several commands were made one multirun (`scoregeo.run.launch`).
    planned: ClassVar[Sequence[Sequence[str]] | None] = None

    def __init__(self, pages: bool = False) -> None:
        self.pages = pages

    def _check(self) -> None:
        if not isinstance(self.pages, bool):
            raise bad_value("hydra.callbacks.gather.pages", self.pages, "true or false")

    def on_run_start(self, config: "DictConfig", **kwargs: Any) -> None:
        """Refuse bad keys, groups and scalars before a single run imports its parts and has a
        folder.
        """
        from scoregeo.run.command import plain
        from scoregeo.run.groups import check_root
        from scoregeo.run.settings import settings_of

        try:
            self._check()
            found = plain(config)
            check_root(found)
            settings_of(found)
            if not str(config.hydra.run.dir or "").strip():
                raise bad_value("hydra.run.dir", config.hydra.run.dir, "the run's folder")
            check_log(config, found)
        except ConfigError as error:
            _stop(str(error))
        except OmegaConfBaseException:
            return  # raised again, and explained, where the run's folder is named

    def on_multirun_start(self, config: "DictConfig", **kwargs: Any) -> None:
        """Check what Hydra does not, and write down which jobs there will be."""
        try:
            check_place(config)
            self._check()
        except ConfigError as error:
            _stop(str(error))
        study = config.hydra.runtime.choices.get("study")
        if study and not config.hydra.sweeper.get("params") and not self.pages:
            _stop(
                f"study = {study!r} has nothing to run: hydra.sweeper.params in its file must name"
                " one key or more, each with its values."
            )
        check_launcher(config)
        if isinstance(config.shards, int) and config.shards > 1:
            from scoregeo.run.command import plain
            from scoregeo.run.shards import check_pairs

            try:
                check_pairs(plain(config))
            except ConfigError as error:
                _stop(str(error))
        try:
            jobs = Gather.planned if self.pages else expand(config)
        except ConfigError as error:
            _stop(str(error))
        except HydraException:
            jobs = None  # the sweeper will say so itself
        studies = {tuple(one for one in job if one.startswith("study=")) for job in jobs or ()}
        if len(studies) > 1 and not self.pages:
            _stop(
                "study = several is not allowed: a command runs one study; scripts/reproduce.py"
                " runs several."
            )
        try:
            check_jobs(config, jobs)
            check_swept(config)
            if jobs and not self.pages:
                check_parts(config, jobs)
        except ConfigError as error:
            _stop(str(error))
        try:
            if config.results:
                Path(config.results).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            said = f"results = {config.results!r} cannot be used ({error.strerror})"
            _stop(f"{said}: it must be a folder, or null.")
        folder = Path(config.hydra.sweep.dir)
        latest = folder.parent == Path(config.output) / config.name
        results = config.results and Path(config.results)
        Gather.sweep, Gather.lock = Sweep(folder, results, self.pages, latest), None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Until the process ends: another would forget how these jobs ended.
            Gather.lock = FolderLock(folder)
            if config.overwrite:
                clear_common(folder)
            Gather.sweep.begin(jobs, typed_overrides(config.hydra.overrides.task))
        except DataError as error:
            _stop(
                f"output: the sweep's folder {folder} cannot be used: {error}; wait for it, or"
                " give another output."
            )
        except OSError as error:
            _stop(
                f"output: {folder} cannot be written ({error.strerror}): output must be a folder"
                " that can."
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
            _stop(f"the jobs could not be gathered: {type(error).__name__}: {error}")

    @classmethod
    def lost(cls, error: BaseException) -> NoReturn:
        """The launcher itself gave up, as where a job's process was killed: gather what is there,
        then say so.
        """
        assert cls.sweep is not None
        log.error(
            "the launcher stopped: %s: %s", type(error).__name__, " ".join(str(error).split())[:400]
        )
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}".rstrip(": ")
        try:
            cls.sweep.end()
        except SystemExit as stop:
            sys.exit(f"{stop.code}\n  the launcher stopped: {reason}")
        _stop(f"the launcher stopped: {reason}; the same command resumes.")


@dataclass(frozen=True)
class Sweep:
    """A multirun's folder, as its parent process uses it. `results`: where pages go; None: into the
    folder. `latest`: whether the link of that name is to point to it.
    """

    folder: Path
    results: Path | None
    pages: bool
    latest: bool = False

    def begin(self, jobs: Sequence[Sequence[str]] | None, overrides: Sequence[str]) -> None:
        """Write down the jobs (None: not known before they run), and forget how they ended another
        time.
        """
        for old in records(self.folder):
            old.unlink()
        shown = [one for one in overrides if not one.startswith(_WHERE)]
        multi = [] if any(one.startswith("study=") for one in shown) else ["-m"]
        flags = typed_flags(sys.argv[1:])
        command = " ".join(["scoregeo", *multi, *flags, *shown])
        known = None if jobs is None else [list(job) for job in jobs]
        record = {"command": command, "flags": flags, "pages": self.pages, "jobs": known}
        write_json(self.folder / SWEEP, record)

    def end(self) -> None:
        """Write table, plots and pages. Exits with status 1, naming them, where jobs failed or left
        no results.
        """
        from scoregeo.report.gather import gather_multirun

        self._merge_shards()
        failures = gather_multirun(self.folder, self.results)
        if not self.pages:
            show_sweep(self.folder)
        if self.latest:
            link_latest(self.folder)
        if not failures and all(job.status == DONE for job in read_jobs(self.folder)):
            clear_common(self.folder)
        if failures:
            reasons = "".join(f"\n  {name}: {reason}" for name, reason in failures.items())
            sys.exit(f"scoregeo: {count(len(failures), 'job')} failed:{reasons}")

    def _merge_shards(self) -> None:
        """Merge each run all of whose shards are done. A merge that fails leaves its reason in the
        run's folder.
        """
        from scoregeo.run.command import execute

        jobs = read_jobs(self.folder)
        for whole in wholes([job for job in jobs if job.choice("shard") is not None]):
            shards = str(whole.choice("shards"))
            found = sorted(whole.run.glob(f"shards/*_of_{shards}/config.yaml"))
            if whole.status not in (DONE, PARTIAL) or str(len(found)) != shards:
                continue  # one is missing; or the run was done before, and none had work to do
            config = load_yaml(found[0]) | {"shard": None}
            command = [*typed_flags(sys.argv[1:]), *whole.overrides]
            reason = execute(config, whole.run, command, self.folder.name)
            if reason is not None:
                log.error("not merged: %s", reason)


def _stop(reason: str) -> NoReturn:
    sys.exit(f"scoregeo: error: {reason}")

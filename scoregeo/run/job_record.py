"""The record that each job of a multirun leaves."""

import ctypes
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoregeo._utils.files import write_json
from scoregeo._utils.jobs import DONE, FAILED, JOB, RUNNING, read_jobs
from scoregeo._utils.words import count

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class JobRecord:
    """One job's `job.json`, in its `folder` of the multirun `sweep`; `run`: the folder of its
    results, relative to that; `number`: its place among the jobs.
    """

    folder: Path
    sweep: Path
    number: int
    run: str

    @classmethod
    def begin(cls, settings: Any, run: Path, in_parent: bool) -> "JobRecord":
        """The job of these `settings` (Hydra's own) begins, in the process that does its work;
        `in_parent`: the one that started the multirun, as joblib's with one job at a time.
        """
        if "joblib" in settings.launcher._target_ and not in_parent:
            _end_with_parent()
        folder = Path(settings.runtime.output_dir)
        where = os.path.relpath(run, folder)
        record = cls(folder, Path(settings.sweep.dir), int(settings.job.num), where)
        record._write(RUNNING, None)
        return record

    def end(self, reason: str | None) -> None:
        """The job ends: `reason` says why it failed, None that it did not."""
        self._write(DONE if reason is None else FAILED, reason)
        if reason is not None:
            log.error("failed: %s", reason)
        jobs = read_jobs(self.sweep)
        ended = sum(one.status in (DONE, FAILED) for one in jobs)
        log.info("%d of %s ended", ended, count(len(jobs), "job"))

    def _write(self, status: str, reason: str | None) -> None:
        said = {"number": self.number, "run": self.run, "status": status, "reason": reason}
        write_json(self.folder / JOB, said)


def _end_with_parent() -> None:
    """Ask Linux to end this process when the one that started it ends.

    A killed parent does not stop a busy worker, which would keep its folder from the next
    command.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

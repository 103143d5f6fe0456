"""The runs behind the pages, several at once: small networks gain more from a second run beside them than from a second core."""

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scoregeo.cli import compose, execute

log = logging.getLogger("reproduce")

_LOST = (
    "the process that ran it was ended from outside, perhaps for want of memory: start again with --jobs 1; what is done is kept"
)


@dataclass(frozen=True)
class Run:
    """What a page is made from: a command, the folder of its results, and its work, which gives the reason of a failure."""

    name: str
    overrides: tuple[str, ...]
    folder: Path
    work: Callable[[], str | None]

    def __call__(self) -> str | None:
        """The reason of a failure, or None."""
        try:
            return self.work()
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def run_of(name: str, overrides: Iterable[str], output: Path) -> Run:
    """The run of a command under `output`."""
    given = tuple(overrides)
    config, folder = compose([*given, f"output={output}"])
    return Run(name, given, folder, partial(_command, config, folder, given))


def _command(config: Mapping[str, Any], folder: Path, overrides: Sequence[str]) -> str | None:
    log.info("scoregeo %s", " ".join(overrides))
    return execute(config, folder, overrides)


class Pool:
    """Runs each folder's command once. `jobs` at a time, each in a process with its share of the cores; 1: in this process."""

    def __init__(self, jobs: int) -> None:
        self._found: dict[Path, Future[str | None]] = {}
        self._reasons: dict[Path, str | None] = {}
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:
            threads = max(1, (os.cpu_count() or 1) // jobs)
            os.environ["OMP_NUM_THREADS"] = str(threads)  # read when a process starts
            self._pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (threads,))

    def submit(self, runs: Iterable[Run]) -> None:
        """Let them be run, in this order, by and by."""
        for run in runs:
            if self._pool is not None and run.folder not in self._found:
                self._found[run.folder] = self._pool.submit(_named, run)

    def reason(self, run: Run) -> str | None:
        """Wait for a run; why it failed, or None."""
        if self._pool is None:
            if run.folder not in self._reasons:
                self._reasons[run.folder] = _named(run)
            return self._reasons[run.folder]
        try:
            return self._found[run.folder].result()
        except BrokenProcessPool:
            return _LOST

    def close(self) -> None:
        """Let nothing new begin."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


class _Job(logging.Filter):
    """Writes before each message which run it is of."""

    name_now = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.job = f"{_Job.name_now}: " if _Job.name_now else ""
        return True


def set_logging() -> None:
    """To standard error, with time, level and run."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)s %(job)s%(message)s", "%H:%M:%S"))
    handler.addFilter(_Job())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("fontTools", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _begin(threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    from scoregeo.core.heap import keep_freed_memory

    torch.set_num_threads(threads)
    keep_freed_memory()
    set_logging()


def _end_with_parent() -> None:
    """A killed parent tells its workers nothing: left alone they would go on, and keep their folders from the next command."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _named(run: Run) -> str | None:
    _Job.name_now = run.name
    try:
        return run()
    finally:
        _Job.name_now = ""

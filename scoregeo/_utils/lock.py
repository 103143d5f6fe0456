"""One process a folder: a lock that the operating system takes back from whoever holds it when it
ends, however it ends.
"""

import contextlib
import json
import logging
import os
import socket
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import read_json

log = logging.getLogger(__name__)

NAME = ".lock"
_WAITING = 1.0  # seconds between two tries of who waits
# Seconds for which a refusal is tried again: the file may be removed between opening and locking it
_REFUSED = 0.2


class InUse(DataError):
    """Another process, or another object of this one, holds the folder."""


class FolderLock:
    """Holds `folder` for this process until `release`, or until the process ends: a killed one
    leaves nothing locked.

    A lock of the `filelock` library on the file `.lock`, which says in JSON who holds it (pid,
    host, since) and is removed with the lock. Where the file system or the platform has no such
    locks, a warning is logged and nothing is locked.
    Raises DataError, naming the holder, where another process, or another object of this one, holds
    the folder; with `wait` it waits, with one line of log, until that has released it.
    """

    def __init__(self, folder: Path, wait: bool = False) -> None:
        path = folder / NAME
        lock = FileLock(path, thread_local=False, fallback_to_soft=False)
        held = _acquired(lock, path, wait)
        file = path.stat() if held else None
        # Also released where its owner is forgotten, as after an exception.
        self._release = weakref.finalize(self, _released, lock, path, file, os.getpid())

    def release(self) -> None:
        """Release the folder; nothing happens the second time."""
        self._release()


def is_abandoned(folder: Path) -> bool:
    """Whether a process that was killed held `folder`: its lock's file is there, and nobody holds
    it.
    """
    path = folder / NAME
    if not path.is_file():
        return False
    try:
        with FileLock(path, thread_local=False, fallback_to_soft=False).acquire(timeout=0):
            return True
    except (Timeout, OSError):
        return False


def _acquired(lock: FileLock, path: Path, wait: bool) -> bool:
    """Acquire the lock and write this process's name into its file; False where there are no
    locks.
    """
    try:
        try:
            lock.acquire(timeout=_REFUSED)
        except Timeout:
            reason = f"it is in use by {_holder(path)}"
            if not wait:
                raise InUse(reason) from None
            log.info("%s: %s; waiting.", path.parent, reason)
            lock.acquire(poll_interval=_WAITING)
    except OSError as error:
        if error.filename is not None:
            raise DataError(f"its file {path.name} cannot be opened ({error.strerror})") from None
        path.unlink(missing_ok=True)
        log.warning(
            "%s cannot be locked here (%s): see to it that no two processes work in it at once.",
            path.parent,
            error,
        )
        return False
    with contextlib.suppress(OSError):  # the name is for people: the lock holds without it
        path.write_text(json.dumps(_me()), encoding="utf-8")
    return True


def _released(lock: FileLock, path: Path, file: os.stat_result | None, owner: int) -> None:
    if os.getpid() != owner:  # a fork's copy of the lock is its parent's
        return
    if file is not None:
        with contextlib.suppress(OSError):
            # Removed while still held, and only this lock's own file: who has opened it meanwhile
            # finds it gone, and tries again.
            if os.path.samestat(path.stat(), file):
                path.unlink()
    lock.release()


def _me() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _holder(path: Path) -> str:
    """Who holds a lock, by what stands in its file; it may be empty for the moment between locking
    and writing.
    """
    try:
        holder = read_json(path)
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (DataError, TypeError, KeyError):
        return "another process"

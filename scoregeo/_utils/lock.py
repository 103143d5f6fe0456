"""One process a folder: a lock that the operating system takes back from whoever holds it when it
ends, however it ends.
"""

import contextlib
import errno
import json
import logging
import os
import socket
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from scoregeo._utils.errors import DataError

log = logging.getLogger(__name__)

NAME = ".lock"
_PATIENCE = 1.0  # seconds between two tries
_BUSY = (errno.EACCES, errno.EAGAIN)


class InUse(DataError):
    """Another process, or another object of this one, holds the folder."""


class FolderLock:
    """Holds `folder` for this process until `release`, or until the process ends: a killed one
    leaves nothing locked.

    The lock is `flock` on the file `.lock`, which says in JSON who holds it (pid, host, since) and
    is removed with the lock. Where the file system or the platform has no such locks, a warning is
    logged and nothing is locked.
    Raises DataError, naming the holder, where another process, or another object of this one, holds
    the folder; with `wait` it waits until that has let go.
    """

    def __init__(self, folder: Path, wait: bool = False) -> None:
        # Also let go where its owner is forgotten, as after an exception.
        handle = _waited(folder / NAME) if wait else _locked(folder / NAME)
        self._release = weakref.finalize(self, _unlock, handle, folder / NAME, os.getpid())

    def release(self) -> None:
        """Let go; nothing happens the second time."""
        self._release()


def _waited(path: Path) -> IO[str] | None:
    """As `_locked`, trying again as long as it is in use."""
    told = False
    while True:
        try:
            return _locked(path)
        except InUse as error:
            if not told:
                log.info("%s: %s; waiting.", path.parent, error)
            told = True
            time.sleep(_PATIENCE)


def _locked(path: Path) -> IO[str] | None:
    """The file, open and locked with this process's name in it; None where there are no locks."""
    while True:
        try:
            handle = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise DataError(f"its file {path.name} cannot be opened ({error.strerror})") from None
        try:
            trouble = _flock(handle)
            if trouble is None:
                # What was locked may be a file that its last holder has removed since it was
                # opened.
                if not _same(handle, path):
                    handle.close()
                    continue
                handle.truncate(0)
                handle.write(json.dumps(_me()))
                handle.flush()
                return handle
        except BaseException:
            handle.close()
            raise
        if trouble in _BUSY:
            handle.seek(0)
            holder = _told(handle.read())
            handle.close()
            raise InUse(f"it is in use by {holder}")
        handle.close()
        path.unlink(missing_ok=True)
        log.warning(
            "%s cannot be locked here (%s): see to it that no two processes work in it at once.",
            path.parent,
            trouble,
        )
        return None


def _flock(handle: IO[str]) -> int | str | None:
    """Lock an open file without waiting: None where that worked, else the error's number, or a word
    where there are no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return "no file locks on this platform"
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno if error.errno in _BUSY else str(error)
    return None


def _same(handle: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _unlock(handle: IO[str] | None, path: Path, owner: int) -> None:
    if handle is None or os.getpid() != owner:  # a fork's copy of the lock is its parent's
        return
    with contextlib.suppress(OSError):
        if _same(handle, path):  # removed while still held, so that nobody's new file is
            path.unlink()
    handle.close()


def _me() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _told(text: str) -> str:
    """Who holds a lock, by what stands in its file; it may be empty for the moment between locking
    and writing.
    """
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (json.JSONDecodeError, TypeError, KeyError):
        return "another process"

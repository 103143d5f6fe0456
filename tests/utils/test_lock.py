"""One process a folder: others are told who holds it, and whoever dies lets go."""

import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo._utils.lock import FolderLock

fcntl = pytest.importorskip("fcntl")  # Windows has no such locks

HOLD = """
import sys, time
from pathlib import Path
from scoregeo._utils.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.Popen[str], Path]:
    """Another process that holds a folder."""
    folder = tmp_path_factory.mktemp("held")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process, folder


def test_another_process_is_named_and_its_death_lets_go(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = holder
    try:
        with pytest.raises(
            DataError, match=rf"in use by process {process.pid} on {socket.gethostname()}, since 20"
        ):
            FolderLock(folder)
        assert (folder / ".lock").is_file()  # who is refused takes nothing away
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert (folder / ".lock").is_file()  # left behind, and no harm
    lock = FolderLock(folder)
    lock.release()
    lock.release()
    assert not list(folder.iterdir())


def test_the_same_process_is_refused_too_until_the_lock_is_let_go(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    with pytest.raises(DataError, match=f"process {os.getpid()}"):
        FolderLock(tmp_path)
    first.release()
    second = FolderLock(tmp_path)
    del second  # forgotten, as after an exception
    FolderLock(tmp_path).release()


def test_a_file_that_its_holder_removes_meanwhile_is_not_taken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder lets go, and removes the file, between another's opening it and locking it."""
    first, flock, seen = FolderLock(tmp_path), fcntl.flock, list[int]()

    def late(handle: object, operation: int) -> None:
        if not seen:
            first.release()
        seen.append(operation)
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = FolderLock(tmp_path)
    tries = [operation for operation in seen if operation & fcntl.LOCK_EX]
    assert len(tries) == 2  # the removed file's lock was given up
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DataError, match="in use"):
        FolderLock(tmp_path)
    second.release()


def test_a_lock_held_for_a_moment_without_a_name(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    (tmp_path / ".lock").write_text("")
    with pytest.raises(DataError, match="in use by another process"):
        FolderLock(tmp_path)
    lock.release()


def test_where_there_are_no_locks_a_warning_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(handle: object, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    FolderLock(tmp_path)
    assert "cannot be locked here" in caplog.text and "Operation not supported" in caplog.text
    assert not list(tmp_path.iterdir())


def test_who_waits_says_so_once_and_has_the_folder_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("600", "2"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with caplog.at_level(logging.INFO):
        lock = FolderLock(tmp_path, wait=True)
    assert process.wait(60) == 0
    told = [record.getMessage() for record in caplog.records if record.name.startswith("scoregeo")]
    assert len(told) == 1 and f"in use by process {process.pid}" in told[0] and "waiting" in told[0]
    lock.release()
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(DataError, match=r"its file \.lock cannot be opened"):
        FolderLock(tmp_path)

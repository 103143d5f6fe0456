"""Several runs at a time: each folder once, failures with their reason, a killed process said and not waited for."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def jobs() -> Any:
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    return importlib.import_module("reproduce_jobs")


@pytest.fixture(autouse=True)
def threads_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))  # a pool sets it for its processes


def note(path: Path) -> None:
    with path.open("a") as handle:
        handle.write("x")


def fail() -> None:
    raise ValueError("bad luck")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_each_folder_once_and_failures_with_their_reason(jobs: Any, tmp_path: Path, count: int) -> None:
    once = [jobs.Run(name, (), tmp_path / "one", partial(note, tmp_path / "log")) for name in ("a", "b")]
    bad = jobs.Run("bad", (), tmp_path / "bad", fail)
    pool = jobs.Pool(count)
    try:
        pool.submit([*once, bad])
        assert [pool.reason(run) for run in (*once, bad)] == [None, None, "ValueError: bad luck"]
    finally:
        pool.close()
    assert (tmp_path / "log").read_text() == "x"


@pytest.mark.slow
def test_a_killed_process_is_said(jobs: Any, tmp_path: Path) -> None:
    dead = jobs.Run("dead", (), tmp_path / "dead", die)
    pool = jobs.Pool(2)
    try:
        pool.submit([dead])
        assert "ended from outside" in pool.reason(dead) and "--jobs 1" in pool.reason(dead)
    finally:
        pool.close()


PARENT = """
import sys
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    scripts, beats = sys.argv[1:]
    sys.path.insert(0, scripts)
    from reproduce_jobs import Pool, Run

    work = f"import time\\nfor _ in range(3000): open({beats!r}, 'a').write('x'), time.sleep(0.1)"
    pool = Pool(2)
    run = Run("long", (), Path(beats).parent / "long", partial(exec, work))
    pool.submit([run])
    pool.reason(run)
"""


@pytest.mark.slow
def test_the_workers_of_a_killed_parent_end(tmp_path: Path) -> None:
    beats = tmp_path / "beats"
    (tmp_path / "parent.py").write_text(PARENT)
    scripts = str(Path(__file__).parents[1] / "scripts")
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py"), scripts, str(beats)])
    try:
        eventually(lambda: beats.exists() and beats.stat().st_size > 0)
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: size_after(beats, 3.0) == beats.stat().st_size)


def size_after(path: Path, seconds: float) -> int:
    size = path.stat().st_size
    time.sleep(seconds)
    return size


def eventually(found: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until it is true."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)

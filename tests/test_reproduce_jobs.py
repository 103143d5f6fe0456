"""Several runs at a time: each folder once, failures with their reason, a killed process said and not waited for."""

import importlib
import os
import signal
import sys
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

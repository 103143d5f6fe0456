"""A run killed at any moment and run again gives the tables of one that nothing disturbed."""

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from scoregeo.run.command import compose
from tests.commands import PLAIN, run_here
from tests.tables import same_paths, tables

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "forkserver" not in multiprocessing.get_all_start_methods(), reason="needs fork and SIGKILL"
    ),
]
SEED = 20240607
RUN = (
    *PLAIN,
    "experiment=sphere",
    "dataset.num_pairs=4",
    "solver.num_points=16",
    "rivals.adam.iterations=40",
    "rivals.adam.tolerance=0",
)
# The start's row is that of the path which the first solver kept: solved again where only the
# solver's row was finished. The graph is built by the first to need it, and found in the cache by
# the others.
SEVERAL = (*RUN, "initializer=several", "initializer.starts.graph.num_references=200")
PARTS = [
    "hydra",
    "torch",
    "scipy.stats",
    "sklearn.neighbors",
    "scoregeo.run.build",
    "scoregeo.run.run_folder",
    "scoregeo.run.runner",
]


def work(overrides: tuple[str, ...], output: Path, cache: Path) -> None:
    """In a process of its own: one run, told by its exit code."""
    os.environ["SCOREGEO_CACHE"] = str(cache)
    _, reason = run_here(overrides, output)
    raise SystemExit(reason)


def begin(overrides: tuple[str, ...], output: Path, cache: Path) -> BaseProcess:
    """Start a run in a fork of a process that has imported all it needs, so that its time is the
    run's.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PARTS)
    process = context.Process(target=work, args=(overrides, output, cache))
    process.start()
    return process


def finish(overrides: tuple[str, ...], output: Path, cache: Path) -> None:
    process = begin(overrides, output, cache)
    process.join(300)  # seconds; the first waits for the imports
    assert process.exitcode == 0


def events(folder: Path) -> int:
    """How far a run is: the lines of its log."""
    try:
        return (folder / "events.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize(
    ("overrides", "kills"), [(RUN, 4), (SEVERAL, 3)], ids=["one start", "several starts"]
)
def test_killed_at_random_moments_and_run_again(
    overrides: tuple[str, ...], kills: int, tmp_path: Path
) -> None:
    finish(overrides, tmp_path / "whole", tmp_path / "another cache")
    whole, cache = compose([*overrides, f"output={tmp_path / 'whole'}"])[1], tmp_path / "cache"
    undisturbed = tables(whole)
    steps, chance, killed, found = events(whole), random.Random(SEED), 0, set()
    for number in range(kills):
        output = tmp_path / str(number)
        folder = output / whole.relative_to(tmp_path / "whole")
        # A random moment of each fourth, or third, of the log: most of its lines are one solver's.
        moment, pause = int((number + chance.random()) / kills * steps), chance.uniform(0, 0.02)
        process = begin(overrides, output, cache)
        deadline = time.monotonic() + 60
        while process.is_alive() and not (folder.exists() and events(folder) >= moment):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(pause)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        found.add(len(list((folder / "methods").glob("*.json"))))
        finish(overrides, output, cache)
        assert tables(folder) == undisturbed and same_paths(folder, whole)
        assert not (folder / ".lock").exists() and not (folder / "error.txt").exists()
    # A run may end before it is killed, on a busy machine; most must not, nor all at one stage.
    assert killed > kills // 2 and len(found) > kills // 3, (killed, found)

"""A run killed at any moment and run again gives the tables of one that nothing disturbed."""

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.files import load_tensors, read_json
from scoregeo.run.command import compose, execute
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
# the others. Two solvers show both.
SEVERAL = (
    *RUN,
    "rivals.gauss_newton_adaptive=null",
    "initializer=several",
    "initializer.starts.graph.num_references=200",
)
PARTS = [
    "hydra",
    "torch",
    "scipy.stats",
    "sklearn.neighbors",
    "scoregeo.run.build",
    "scoregeo.run.run_folder",
    "scoregeo.run.runner",
]


def work(config: dict[str, Any], folder: Path, overrides: Sequence[str], cache: Path) -> None:
    """In a process of its own: one run, told by its exit code."""
    os.environ["SCOREGEO_CACHE"] = str(cache)
    raise SystemExit(execute(config, folder, overrides))


def begin(overrides: Sequence[str], output: Path, cache: Path) -> BaseProcess:
    """Start a run in a fork of a process that has imported all it needs, so that its time is the
    run's.
    """
    config, folder = compose([*overrides, f"output={output}"])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PARTS)
    process = context.Process(target=work, args=(config, folder, overrides, cache))
    process.start()
    return process


def finish(overrides: Sequence[str], output: Path, cache: Path) -> None:
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


def test_a_kill_leaves_nothing_half_written_and_the_run_goes_on(tmp_path: Path) -> None:
    overrides = [
        *PLAIN,
        "dataset.num_pairs=2",
        "solver.num_points=8",
        "solver=adam",
        "solver.iterations=1000000",
        "solver.tolerance=0",
    ]
    config, folder = compose([*overrides, f"output={tmp_path}"])
    process = begin(overrides, tmp_path, tmp_path / "cache")
    try:
        deadline = time.monotonic() + 120
        while not (folder / "methods" / "start_lerp.json").exists():
            assert process.is_alive() and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.join()
    assert read_json(folder / "manifest.json")["status"] == "running"
    assert not (folder / "summary.json").exists() and not (folder / "results.jsonl").exists()
    for path in folder.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in (folder / "paths").glob("[!.]*.safetensors"):
        load_tensors(path)
    assert not (folder / "methods" / "stein_adam.json").exists()

    # Going on in the same folder takes what was finished; here with fewer iterations, as a stand-in
    # for patience.
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "methods").iterdir()}
    shorter = {**config, "solver": {**config["solver"], "iterations": 3}}
    text = (
        (folder / "config.yaml")
        .read_text(encoding="utf-8")
        .replace("iterations: 1000000", "iterations: 3")
    )
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    assert execute(shorter, folder, overrides) is None
    assert read_json(folder / "manifest.json")["status"] == "done"
    assert {name: (folder / "methods" / name).stat().st_mtime_ns for name in kept} == kept


def test_a_second_command_leaves_a_folder_at_work_alone(tmp_path: Path) -> None:
    marker = tmp_path / "go"
    waiting = (*RUN[:-2], "rivals=null", "+rivals.waits._target_=tests.broken.WaitsFor")
    waiting += ("+rivals.waits.num_points=16", f"+rivals.waits.marker={marker}")
    waiting += ("dataset.num_pairs=2", "solver.num_points=8")
    process = begin(waiting, tmp_path / "runs", tmp_path / "cache")
    _, folder = compose([*waiting, f"output={tmp_path / 'runs'}"])
    deadline = time.monotonic() + 120  # seconds; the first waits for the imports
    while not (folder / "methods" / "stein_gauss_newton.json").is_file():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.05)
    for more in ([], ["overwrite=true"]):
        _, reason = run_here([*waiting, *more], tmp_path / "runs")
        assert reason is not None and f"in use by process {process.pid}" in reason
    marker.touch()
    process.join(60)
    assert process.exitcode == 0
    alone, reason = run_here(waiting, tmp_path / "alone")
    assert reason is None and tables(folder) == tables(alone) and same_paths(folder, alone)

"""A run in shards, killed at random moments under a launcher with all its processes and started
again by the same command, gives the tables of one that nothing disturbed.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scoregeo._utils.jobs import DONE, read_jobs
from scoregeo.run.command import compose
from tests.commands import PLAIN, command, run_here
from tests.run.failing_sweep import sweep_folder
from tests.tables import same_paths, tables

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's table of processes"),
]
SEED = 20251129
UNDRAWN = "from scoregeo.report import sweep_page; sweep_page.sweep_lines = lambda *a, **k: []"
ENTRY = "import sys; sys.argv[0] = 'scoregeo'; from scoregeo.run.cli import main; main()"
RUN = (
    *PLAIN,
    "experiment=sphere",
    "dataset.num_pairs=4",
    "solver.num_points=12",
    "rivals.adam.iterations=100",
    "rivals.adam.tolerance=0",
)
LOCAL = ("hydra/launcher=local", "hydra.launcher.n_jobs=2")
RAY = ("hydra/launcher=ray", "+hydra.launcher.ray.init.include_dashboard=false")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, reason = run_here(RUN, tmp_path_factory.mktemp("whole"))
    assert reason is None
    return folder


# Ray's processes take long to start: one kill shows that theirs end and begin anew.
@pytest.mark.parametrize(("launcher", "kills"), [(LOCAL, 2), (RAY, 1)], ids=["joblib", "ray"])
def test_killed_with_its_workers_and_started_again(
    launcher: Sequence[str], kills: int, undisturbed: Path, tmp_path: Path
) -> None:
    extra = "hydra_ray_launcher" if launcher is RAY else "hydra_joblib_launcher"
    pytest.importorskip(f"hydra_plugins.{extra}")
    chance, reached = random.Random(SEED), []
    line = [*RUN, "shards=2", f"output={tmp_path}"]
    folder = compose(line)[1]
    for number in range(kills):
        # A random moment of each half, or of the run: most lines of a shard's log are Adam's steps.
        moment = int((number + 0.8 * chance.random()) / kills * events(undisturbed))
        killed_at(moment, [*line, *launcher], folder, chance.uniform(0, 0.05))
        assert not (folder / "summary.json").exists(), "over too early"
        reached.append(max(events(path) for path in folder.glob("shards/*")))
    assert len(set(reached)) == kills, reached
    finish([*line, *launcher], in_own_process=launcher is RAY)
    assert tables(folder) == tables(undisturbed) and same_paths(folder, undisturbed)
    assert [job.status for job in read_jobs(sweep_folder(tmp_path))] == [DONE, DONE]
    assert not [*folder.rglob("*.partial*"), *folder.rglob(".lock"), *folder.rglob("error.txt")]


def finish(line: Sequence[str], *, in_own_process: bool) -> None:
    """The whole command, its page without the plot, which tests/run/test_cli.py looks at. Ray would
    outlive it in this process.
    """
    if in_own_process:
        asked = [sys.executable, "-c", f"{UNDRAWN}; {ENTRY}", *line]
        done = subprocess.run(asked, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoregeo.report.sweep_page.sweep_lines", lambda *args, **settings: [])
        assert command(*line) is None


def killed_at(moment: int, line: Sequence[str], folder: Path, pause: float) -> None:
    """Start a command and kill it with everything that it has started once a shard's log has that
    many lines.
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", ENTRY, *line], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 240
    try:
        while max((events(path) for path in folder.glob("shards/*")), default=0) < moment:
            assert parent.poll() is None and time.monotonic() < deadline, "over too early"
            time.sleep(0.01)
        time.sleep(pause)
    finally:
        for process in [*descendants(parent.pid), parent.pid]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        parent.wait()


def descendants(pid: int) -> Iterator[int]:
    """The processes that a process has started, and those that they have, the youngest first."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        parents.setdefault(above, []).append(int(folder.name))
    for child in sorted(parents.get(pid, ()), reverse=True):
        yield from descendants(child)
        yield child


def events(folder: Path) -> int:
    """How far a run is: the lines of its log."""
    try:
        return (folder / "events.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0

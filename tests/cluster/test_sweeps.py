"""The sweep of sixteen jobs, one of which fails, on SLURM and on two Ray nodes: the basic
launcher's table.
"""

from pathlib import Path

import pytest

from scoregeo._utils.jobs import DONE, read_jobs
from scripts.cluster import Ray, Slurm
from tests.commands import PLAIN, command
from tests.run.failing_sweep import FailingSweep, sweep_folder

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SWEEP = FailingSweep(lams=(1, 10, 100, 1000), points=(8, 9, 10, 11))


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("basic")
    SWEEP.check(command(*SWEEP.line, f"output={output}"), output, output)
    return output


def test_slurm(slurm: Slurm, basic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    said = command(
        *SWEEP.line, f"output={tmp_path}", "hydra/launcher=slurm", "hydra.launcher.mem_gb=2"
    )
    SWEEP.check(said, tmp_path, basic)


def test_two_ray_nodes(
    ray: Ray, basic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ray.environment.items():
        monkeypatch.setenv(name, value)
    said = command(*SWEEP.line, f"output={tmp_path}", "hydra/launcher=ray")
    SWEEP.check(said, tmp_path, basic)


def test_ray_repeats_a_job_whose_process_died(
    ray: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ray.environment.items():
        monkeypatch.setenv(name, value)
    line = [
        "-m",
        "metric.lam=1,2",
        "dataset.num_pairs=2",
        "solver.num_points=8",
        *PLAIN,
        f"output={tmp_path}",
    ]
    kill = [
        "+rivals.kills._target_=tests.broken.KillsOnce",
        "+rivals.kills.num_points=8",
        f"+rivals.kills.marker={tmp_path}/m",
    ]
    assert command(*line, *kill, "hydra/launcher=ray") is None
    assert [job.status for job in read_jobs(sweep_folder(tmp_path))] == [DONE, DONE]

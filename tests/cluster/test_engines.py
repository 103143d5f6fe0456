"""Both engines run the jobs of a tiny application by the launchers' presets."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts.cluster import Ray, Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
APP = Path(__file__).with_name("app.py")


def run(folder: Path, environment: Mapping[str, str], *overrides: str) -> list[dict[str, Any]]:
    """Run four jobs; what each of them wrote."""
    written = folder / "written"
    written.mkdir()
    command = [
        sys.executable,
        str(APP),
        "-m",
        *overrides,
        f"+folder={written}",
        "+n=0,1,2,3",
        f"hydra.sweep.dir={folder}/sweep",
    ]
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((written / f"{n}.json").read_text(encoding="utf-8")) for n in range(4)]


def test_four_jobs_on_slurm(tmp_path: Path, slurm: Slurm) -> None:
    jobs = run(tmp_path, slurm.environment, "hydra/launcher=slurm", "hydra.launcher.mem_gb=1")
    assert len({job["pid"] for job in jobs}) == 4
    assert {job["folder"] for job in jobs} == {str(tmp_path)}
    assert len(list((tmp_path / "sweep" / ".submitit").glob("*/*_result.pkl"))) == 4


def test_four_jobs_on_both_nodes_of_ray(tmp_path: Path, ray: Ray) -> None:
    """Two jobs that wait for each other cannot share a node, which has one core."""
    jobs = run(tmp_path, ray.environment, "hydra/launcher=ray", "+together=2")
    nodes = {job["node"] for job in jobs}
    assert len(nodes) == 2 and None not in nodes


def test_a_second_start_finds_the_first(slurm: Slurm) -> None:
    before = slurm.processes("slurmctld")
    assert slurm.start() == slurm.environment
    assert slurm.processes("slurmctld") == before != []

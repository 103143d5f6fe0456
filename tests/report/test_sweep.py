"""Sweep folders: keys found, failures named, one page with its table and plot."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from scoregeo import __version__
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.model import Page
from scoregeo.report.sweep import find_jobs, read_sweep
from scoregeo.report.sweep_page import write_sweep
from scoregeo.report.table import summary_entry

pytestmark = pytest.mark.usefixtures("quick")

LAMS, POINTS = (1.0, 10.0, 100.0, 1000.0), (8, 16, 32, 64)


def job(
    folder: Path, lam: float, points: int, status: str | None = "done", error: str | None = None
) -> Path:
    """A job folder as a run leaves it."""
    (folder / ".hydra").mkdir(parents=True)
    lines = ["experiment=sphere", f"metric.lam={lam:g}", f"solver.num_points={points}"]
    (folder / ".hydra" / "overrides.yaml").write_text("".join(f"- {line}\n" for line in lines))
    (folder / ".hydra" / "config.yaml").write_text("a: 1\n")
    if status is None:
        return folder
    (folder / "config.yaml").write_text(f"metric:\n  lam: {lam}\nsolver:\n  num_points: {points}\n")
    (folder / "manifest.json").write_text(json.dumps({"status": status, "error": error}))
    if status == "done":
        entries = [
            summary_entry("stein", "", "length_error", Estimate(1 / lam + 1 / points, 0.0, 2.0, 5)),
            summary_entry("stein", "", "energy", Estimate(2.9 + lam / points, n=1)),
            summary_entry("stein", "", "lpips", NotAvailable("not an image")),
        ]
        (folder / "summary.json").write_text(
            json.dumps([e | {"low": None, "high": None} for e in entries])
        )
    return folder


@pytest.fixture
def sixteen(tmp_path: Path) -> Path:
    folder = tmp_path / "multirun"
    for number, (lam, points) in enumerate((lam, points) for lam in LAMS for points in POINTS):
        failed = (lam, points) == (100.0, 16)
        job(
            folder / str(number),
            lam,
            points,
            "failed" if failed else "done",
            "score is NaN at point 3" if failed else None,
        )
    return folder


def test_sixteen_jobs_one_failed(sixteen: Path, tmp_path: Path) -> None:
    page, jobs = write_sweep(sixteen)
    assert page.swept == ("metric.lam", "solver.num_points")  # the experiment is the same for all
    assert len(jobs) == 16
    assert [(f.name, f.reason) for f in page.failures] == [
        ("job 9 (metric.lam = 100, solver.num_points = 16)", "score is NaN at point 3")
    ]
    assert {path.name for path in sixteen.glob("*.*")} == {
        "summary.json",
        "table.md",
        "table.csv",
        "report.html",
    }
    assert {path.name for path in (sixteen / "figures").iterdir()} == {"sweep.png", "sweep.pdf"}
    kept = Page.load(sixteen).to_json()
    assert kept["settings"].pop("scoregeo") == __version__
    assert kept == page.to_json()
    text = (sixteen / "table.md").read_text()
    assert "## Without results\n\n- job 9 (metric.lam = 100, solver.num_points = 16): " in text
    assert "| metric.lam | solver.num_points | method | pairs | length error | energy |" in text
    assert "(figures/sweep.png)" in text and str(tmp_path) not in text
    lines = list(csv.DictReader((sixteen / "table.csv").open()))
    energies = [line for line in lines if line["measure"] == "energy"]
    # By number, not by letter or by folder.
    assert [float(line["metric.lam"]) for line in energies] == sorted(
        float(line["metric.lam"]) for line in energies
    )
    assert len(energies) == 15 and float(energies[0]["mean"]) == 2.9 + 1 / 8


def test_the_command_of_a_multirun_is_the_one_it_recorded(sixteen: Path) -> None:
    assert write_sweep(sixteen)[0].command == ""
    (sixteen / "sweep.json").write_text('{"command": "scoregeo -m metric.lam=1,10"}')
    assert write_sweep(sixteen)[0].command == "scoregeo -m metric.lam=1,10"


def test_chosen_keys_and_measures(sixteen: Path) -> None:
    page, _ = write_sweep(sixteen, ["solver.num_points", "metric.lam"], measures=["energy"])
    assert page.swept == ("solver.num_points", "metric.lam") and page.measures == ("energy",)
    with pytest.raises(ConfigError, match=r"'metric\.lamb'.*metric\.lam"):
        write_sweep(sixteen, ["metric.lamb"])
    with pytest.raises(ConfigError, match="'psnr'"):
        write_sweep(sixteen, measures=["psnr"])


def test_every_way_to_fail_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "multirun"
    job(folder / "0", 1.0, 8)
    job(folder / "1", 2.0, 8, None)
    job(folder / "2", 3.0, 8, "running")
    (job(folder / "3", 4.0, 8) / "summary.json").unlink()
    (job(folder / "4", 5.0, 8) / "summary.json").write_text('[{"method": "a"}]')
    (job(folder / "5", 6.0, 8) / "manifest.json").write_text('{"status": "do')
    (job(folder / "6", 7.0, 8) / "summary.json").write_text("[]")
    page, jobs = write_sweep(folder)
    told: dict[str, Any] = {j.name: j.failure for j in jobs if j.failure is not None}
    assert set(told) == {"1", "2", "3", "4", "5", "6"}
    for name, words in {
        "1": "before its run began",
        "2": "not finished",
        "3": "no summary.json",
        "4": "another version",
        "5": "cannot be read as JSON",
        "6": "no rows",
    }.items():
        assert words in told[name], (name, told[name])
    # From its overrides, where it has no configuration yet.
    assert page.failures[0].labels["metric.lam"] == "2"
    assert str(tmp_path) not in (folder / "table.md").read_text()


def test_no_jobs_or_none_done(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no job"):
        find_jobs(tmp_path / "empty")
    with pytest.raises(DataError, match="not a folder"):
        find_jobs(tmp_path / "missing")
    job(tmp_path / "multirun" / "0", 1.0, 8, "failed", "out of memory")
    page, _ = write_sweep(tmp_path / "multirun")
    assert [failure.reason for failure in page.failures] == ["out of memory"]
    assert "out of memory" in (tmp_path / "multirun" / "table.md").read_text()


def test_a_job_with_a_runner_of_its_own_needs_no_summary(tmp_path: Path) -> None:
    folder = job(tmp_path / "multirun" / "0", 1.0, 8)
    (folder / "summary.json").unlink()
    with (folder / "config.yaml").open("a") as handle:
        handle.write("runner:\n  _target_: experiments.starts.run\n")
    _, (found,) = read_sweep(tmp_path / "multirun")
    assert found.failure is None and found.rows == ()
    with pytest.raises(DataError, match="runners of their own"):
        write_sweep(tmp_path / "multirun")


def test_one_job_alone_has_no_swept_keys(tmp_path: Path) -> None:
    job(tmp_path / "multirun" / "0", 1.0, 8)
    keys, (found,) = read_sweep(tmp_path / "multirun")
    assert keys == [] and found.rows


def test_a_node_that_every_job_leaves_out_is_no_error(tmp_path: Path) -> None:
    folder = job(tmp_path / "multirun" / "0", 1.0, 8)
    with (folder / ".hydra" / "overrides.yaml").open("a") as handle:
        handle.write("- ~runner.starts.slerp\n")
    _, (found,) = read_sweep(tmp_path / "multirun")
    assert found.failure is None


def test_folder_names_are_ordered_by_number(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        job(tmp_path / "multirun" / name, float(name), 8)
    assert [path.name for path in find_jobs(tmp_path / "multirun")] == ["1", "9", "10"]

"""What the library really wrote of an offline run: everything that `wandb sync` will upload is in
the run's folder.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scoregeo._utils.files import finite_or_null, read_json
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.tracker.naming import ANIMATION, PAIRS, STRIP, SUMMARY
from tests.commands import QUICK, run_here
from tests.tracker.wandb_file import OfflineRun, offline_runs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_key")]  # the run they all read is
SOLVERS = ("stein_gauss_newton", "stein_lbfgs")


@pytest.fixture(scope="module")
def offline(tracked: Path) -> OfflineRun:
    (run,) = offline_runs(tracked)
    return run


def test_the_run_and_its_configuration(tracked: Path, offline: OfflineRun) -> None:
    run = offline.run
    assert offline.config == yaml.safe_load((tracked / "config.yaml").read_text(encoding="utf-8"))
    assert run.project == "scoregeo" and run.run_id.startswith(tracked.name) and run.resume
    assert run.job_type == "interpolation" and not run.run_group
    assert list(run.tags) == [
        "dataset:rotated_mnist",
        "score:empirical",
        "metric:stein",
        "solver:gauss_newton",
    ]
    assert offline.exit_code == 0


@pytest.mark.parametrize("method", SOLVERS)
def test_curves_are_the_solver_s_history(method: str, tracked: Path, offline: OfflineRun) -> None:
    assert offline.metrics["curve/*"] == "evaluations_per_point"
    history = read_json(tracked / "methods" / f"{method}.json")["history"]
    rows = [row for row in offline.history if f"curve/{method}/iteration" in row]
    assert [row[f"curve/{method}/iteration"] for row in rows] == history["iteration"] and len(
        rows
    ) > 2
    for row, energies, spent in zip(
        rows, history["energy"], history["score_evaluations"], strict=True
    ):
        assert row[f"curve/{method}/energy"] == pytest.approx(sum(energies) / len(energies))
        assert row[f"curve/{method}/greatest_energy"] == max(energies)
        assert row["evaluations_per_point"] == pytest.approx(sum(spent) / len(spent) / 6)
    lengths = [row.get(f"curve/{method}/step_length") for row in rows]
    assert any(length is not None and length > 0 for length in lengths)


def test_values_are_named_and_valued_as_in_the_summary(tracked: Path, offline: OfflineRun) -> None:
    rows = [
        row
        for row in read_json(tracked / "summary.json")["rows"]
        if row["group"] == "all" and row["mean"] is not None
    ]
    assert len(rows) > 50
    for row in rows:
        assert offline.summary[f"{row['method']}/{row['measure']}"] == row["mean"]
    known = {f"{row['method']}/{row['measure']}" for row in rows}
    others = {key for key in offline.summary if key not in known}
    assert {key.split("/")[0] for key in others} == {
        "curve",
        "progress",
        "tables",
        "pictures",
        "evaluations_per_point",
    }


def test_the_table_of_the_summary_is_summary_json(tracked: Path, offline: OfflineRun) -> None:
    rows = read_json(tracked / "summary.json")["rows"]
    for table in (offline.table(SUMMARY)[0], read_json(offline.file(SUMMARY))):
        assert [dict(zip(table["columns"], row, strict=True)) for row in table["data"]] == rows


def test_the_table_of_pairs_is_results_jsonl_with_its_pictures(
    tracked: Path, offline: OfflineRun
) -> None:
    lines = [
        json.loads(line)
        for line in (tracked / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    table, media = offline.table(PAIRS)
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert len(rows) == len(lines) == 16
    for row, line in zip(rows, lines, strict=True):
        for key in ("method", "pair", "group", "status", "score_evaluations", "seconds"):
            assert row[key] == line[key]
        for name, value in line["measures"].items():
            assert row[name] == line.get(name, value)
        here = tracked / "frames" / line["method"] / line["pair"]
        for column, name in ((STRIP, "strip.png"), (ANIMATION, "animation.mp4")):
            file = media[row[column]["path"]]
            assert file.read_bytes() == (here / name).read_bytes()
            assert file.is_relative_to(tracked)  # else a synced folder would lack them


def test_figures_are_in_the_folder(tracked: Path, offline: OfflineRun) -> None:
    figures = list((tracked / "figures").glob("*.png"))
    assert {path.stem for path in figures} == {"energy", "strip_30deg_000", "strip_60deg_000"}
    for path in figures:
        assert offline.file(f"pictures/{path.stem}").read_bytes() == path.read_bytes()


def test_the_folder_that_is_named_is_the_one_to_sync(offline: OfflineRun) -> None:
    line = [sys.executable, "-m", "wandb", "sync", "--dry-run", str(offline.folder)]
    said = subprocess.run(line, capture_output=True, text=True, check=True)
    (file,) = offline.folder.glob("run-*.wandb")
    assert (
        "Would sync 1 run(s)" in said.stdout + said.stderr
        and str(file) in said.stdout + said.stderr
    )


def test_a_run_that_goes_on_goes_on_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = (
        "dataset.num_pairs=2",
        "solver.num_points=8",
        "+solver@rivals.lbfgs=lbfgs",
        "rivals.lbfgs.num_points=8",
        *QUICK,
    )

    def fails(*given: Any) -> None:
        raise RuntimeError("the lights went out")

    with monkeypatch.context() as patch:
        solve = InterpolationProblem._solve
        patch.setattr(
            InterpolationProblem,
            "_solve",
            lambda self, solver, on_step: (solve if "Newton" in str(solver) else fails)(
                self, solver, on_step
            ),
        )
        folder, reason = run_here([*small, "tracker=[jsonl,wandb]"], tmp_path)
        assert reason is not None and "the lights went out" in reason
    assert run_here([*small, "tracker=[jsonl,wandb]"], tmp_path) == (folder, None)
    first, second = offline_runs(folder)
    assert first.run.run_id == second.run.run_id and second.run.resume
    assert first.exit_code == 1 and "the lights went out" in first.summary["error"]
    assert second.exit_code == 0 and second.summary["error"] is None
    for method, where, elsewhere in (
        ("stein_gauss_newton", first, second),
        ("stein_lbfgs", second, first),
    ):
        steps = read_json(folder / "methods" / f"{method}.json")["history"]["iteration"]
        assert [
            row[f"curve/{method}/iteration"]
            for row in where.history
            if f"curve/{method}/iteration" in row
        ] == steps
        assert not any(key.startswith(f"curve/{method}/") for key in elsewhere.names)
    table, _ = second.table(PAIRS)
    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row[:2] for row in table["data"]] == [[line["method"], line["pair"]] for line in lines]
    assert STRIP not in table["columns"]  # points on a sphere are no pictures
    assert all(
        math.isfinite(value)
        for row in finite_or_null(table["data"])
        for value in row
        if isinstance(value, float)
    )

"""What the command line prints of runs, and where it says they are."""

import os
import re
from pathlib import Path

import pytest

from scoregeo import __version__
from scoregeo._utils.files import read_json, write_json
from scoregeo._utils.jobs import JOB, SWEEP, read_jobs
from scoregeo._utils.lock import FolderLock
from scoregeo._utils.results import FORMAT
from scoregeo.run.console import LATEST, ends_warnings, link_latest, start_notes, table
from scoregeo.run.listing import list_runs
from scoregeo.run.not_converged import sweep_warnings, warnings_of
from tests.commands import PLAIN, command

ROW = {"group": "all", "low": None, "high": None, "n": 2}


def row(method: str, measure: str, mean: float | None) -> dict[str, object]:
    return {"method": method, "measure": measure, "mean": mean, **ROW}


def test_table_has_a_line_a_method_and_a_column_a_measure() -> None:
    rows = [row("lerp", "length", 1.0), row("mine", "length", 2.5), row("mine", "fid", None)]
    lines = table(rows, ["length", "fid"]).splitlines()
    assert [line.split() for line in lines] == [
        ["method", "length", "FID"],
        ["LERP", "1"],
        ["mine", "2.5"],
    ]


def test_what_the_start_took_stands_below_the_table() -> None:
    rows = [row("lerp", "start_evaluations", 0.0), row("start_graph", "start_evaluations", 0.0)]
    assert start_notes(rows) == []
    rows += [row(f"stein_{one}", "start_evaluations", 811.0) for one in ("adam", "gauss_newton")]
    (told,) = start_notes([*rows, row("stein_adam", "energy", 5.0)])
    assert "811 score evaluations a pair for the start of Geodesic (Stein, Adam); Geod" in told


def line(method: str, status: str, tunnelled: float | None = None) -> dict[str, object]:
    measures = {} if tunnelled is None else {"tunnelled": tunnelled}
    return {"method": method, "pair": "a", "status": status, "measures": measures}


def test_warns_of_ends_that_do_not_come_back() -> None:
    assert ends_warnings([row("a", "psnr_ends", 31.0), row("truth", "psnr_ends", 1)]) == []
    assert ends_warnings([row("a", "psnr_ends", None), row("a", "tunnelled", 1)]) == []
    (told,) = ends_warnings([row(name, "psnr_ends", 12.0) for name in ("lerp", "stein_adam")])
    assert "LERP; Geodesic (Stein, Adam): the ends come back at 12.0 dB" in told
    assert "Where it is not the autoencoder, more inversion.decode_steps" in told


@pytest.mark.parametrize(
    "status, tunnelled, words",
    [
        ("unresolved", 1.0, "1 path tunnels: its energy|solver.refinement=adaptive"),
        ("unresolved", 0.0, "solver.refinement=adaptive"),
        ("out_of_budget", 0.0, "more iterations or evaluations"),
        ("stalled", 0.0, "1 stalled|another solver or initializer"),
        ("failed", None, "1 failed"),
        ("converged (geodesic stalled)", None, "(geodesic stalled)"),
    ],
)
def test_one_warning_covers_every_status_but_converged(
    status: str, tunnelled: float | None, words: str
) -> None:
    lines = [line("truth", "closed_form"), line("lerp", "closed_form")]
    lines += [line("stein_adam", status, tunnelled), line("stein_adam", "converged", 0.0)]
    (told,) = warnings_of(lines, "results.jsonl")
    assert told.startswith("Geodesic (Stein, Adam): 1 of 2 paths did not converge: 1 ")
    assert all(word in told for word in words.split("|")) and told.endswith("results.jsonl")
    assert ("tunnel" in told) == (tunnelled == 1) and ("refinement" in told) == (
        status == "unresolved"
    )
    assert warnings_of([one for one in lines if one["status"] != status]) == []


def test_paths_that_converged_and_tunnel_are_not_said_to_have_not_converged() -> None:
    lines = [line("stein_adam", "converged", value) for value in (1.0, 0.0, 1.0)]
    (told,) = warnings_of(lines)
    assert told.startswith("Geodesic (Stein, Adam): 2 of 3 paths tunnel: their energy")
    (told,) = warnings_of(lines[:1])
    assert told.startswith("Geodesic (Stein, Adam): 1 of 1 path tunnels: ")


def test_the_warnings_of_a_sweep_name_the_jobs() -> None:
    good, bad = line("stein_adam", "converged"), line("stein_adam", "unresolved", 1.0)
    (told,) = sweep_warnings({"0": [good, good], "1": [good, bad], "2": [bad, bad]})
    assert "3 of 6 paths (jobs 1, 2) did not converge: 3 unresolved" in told
    assert sweep_warnings({"0": [good], "1": []}) == []


def test_a_run_prints_its_table_and_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [*PLAIN, "dataset.num_pairs=2", "solver.num_points=6", f"output={tmp_path}"]
    assert command("experiment=sphere", "rivals.adam=null", *small) is None
    shown = capsys.readouterr().out
    assert (
        "Geodesic (Stein, Gauss-Newton)" in shown
        and "2 pairs in" in shown
        and "summary.json" in shown
    )
    (run,) = (path for path in (tmp_path / "sphere").iterdir() if not path.is_symlink())
    assert (tmp_path / "sphere" / LATEST).resolve() == run.resolve()
    assert command("list", str(tmp_path)) is None
    listed = capsys.readouterr().out
    assert str(run) in listed and "done" in listed and listed.count("\n") == 1


def test_a_sweep_prints_a_line_a_job_and_solver(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scoregeo.report.sweep_page.sweep_lines", lambda *args, **settings: [])
    small = [*PLAIN, "dataset.num_pairs=1", "solver.num_points=5", f"output={tmp_path}"]
    rival = "+solver@rivals.gauss_newton_fine=gauss_newton_fine"
    fewer = ["rivals.gauss_newton_fine.num_points=5", "solver.max_iterations=1"]
    said = command("-m", "score.sigma=0.1,-1,0.2", "baseline=[lerp]", rival, *fewer, *small)
    assert isinstance(said, str) and "1 job failed" in said
    printed = capsys.readouterr()
    lines = [re.split(r"  +", line) for line in printed.out.splitlines()]
    first = next(i for i, line in enumerate(lines) if line[:3] == ["job", "score.sigma", "method"])
    assert lines[first][-1] == "ended"
    own, other = "Geodesic (Stein, Gauss-Newton)", "Geodesic (Stein, gauss newton fine)"
    shown = lines[first + 1 : first + 6]
    assert [line[1:3] for line in shown] == [
        ["-1", "failed"],
        ["0.1", own],
        ["0.1", other],
        ["0.2", own],
        ["0.2", other],
    ]
    assert [line[-1] for line in shown if line[2] == own] == ["1 out_of_budget"] * 2
    warning = f"{own}: 2 of 2 paths (jobs 0, 2) did not converge: 2 out_of_budget."
    assert (printed.out + printed.err).count(warning) == 1
    folder = (tmp_path / "custom" / LATEST).resolve()
    assert folder.name.startswith("sweep_")
    run = read_jobs(folder)[0].run
    rows = read_json(run / "summary.json")["rows"]
    found = {row["measure"]: row["mean"] for row in rows if row["method"] == "stein_gauss_newton"}
    assert lines[first + 2][3] == f"{found['length_error']:.4g}"
    assert command("list", str(tmp_path)) is None
    listed = capsys.readouterr().out
    assert listed.count("sweep: 2 of 3 jobs done") == 1
    assert f"{other}: length error {lines[first + 3][3]}\n" in listed


def test_latest_follows_the_run_that_began_last(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        link_latest(tmp_path / name)
    assert (tmp_path / LATEST).resolve() == (tmp_path / "two").resolve()


def test_list_names_what_is_not_a_folder_and_what_is_empty(tmp_path: Path) -> None:
    assert "is not a folder" in str(command("list", str(tmp_path / "none")))
    assert list_runs(tmp_path) == f"no runs in {tmp_path}"
    write_json(
        tmp_path / "sphere" / "abc" / "manifest.json",
        {"format": FORMAT, "status": "failed", "seconds": 2, "error": "why"},
    )
    assert "failed  2.0 s  why" in list_runs(tmp_path)


def test_a_run_whose_process_is_gone_is_listed_as_interrupted(tmp_path: Path) -> None:
    run = tmp_path / "a" / "b"
    run.mkdir(parents=True)
    write_json(run / "manifest.json", {"format": FORMAT, "status": "running", "seconds": 2.0})
    assert "running  2.0 s" in list_runs(tmp_path)  # where nothing can be locked
    held = FolderLock(run)
    assert "running  2.0 s" in list_runs(tmp_path)
    held.release()
    (run / ".lock").write_text("{}")  # as a killed process leaves it
    assert "interrupted  2.0 s  the same command goes on" in list_runs(tmp_path)


def test_sweeps_are_listed_with_their_jobs(tmp_path: Path) -> None:
    folder = tmp_path / "sphere" / "sweep_1"
    command_line = "scoregeo -m metric.lam=1,2,3"
    write_json(folder / SWEEP, {"command": command_line, "jobs": [["metric.lam=1"]] * 3})
    write_json(folder / "0" / JOB, {"run": "../a", "status": "done"})
    write_json(folder / "1" / JOB, {"run": "../b", "status": "failed", "reason": "why"})
    write_json(tmp_path / "multirun_2" / SWEEP, {"command": "scoregeo", "jobs": None})
    for path, seconds in (
        (folder / SWEEP, 100),
        (folder / "0" / JOB, 9e8),
        (folder / "1" / JOB, 1),
    ):
        os.utime(path, (seconds, seconds))
    newest, other = list_runs(tmp_path).splitlines()
    assert newest.startswith(f"{tmp_path / 'multirun_2'}  sweep: 0 of 0 jobs done")
    assert other.startswith(f"{folder}  sweep: 1 of 3 jobs done, 1 failed  1998-07-09 ")
    assert other.endswith(command_line)


def test_damaged_records_of_a_sweep_are_none(tmp_path: Path) -> None:
    for number, record in enumerate(({"jobs": 7}, {"jobs": [5, None]}, [])):
        write_json(tmp_path / "x" / f"sweep_{number}" / SWEEP, record)
        write_json(tmp_path / "x" / f"sweep_{number}" / "0" / JOB, {"run": 5, "status": []})
    assert list_runs(tmp_path).count("sweep: 0 of ") == 3


@pytest.mark.parametrize("arguments", [("list", ""), ("score", "~nouser"), ("report", " ")])
def test_an_argument_that_is_no_path_is_refused(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "expected, not an empty text" in said or "'~nouser' is not allowed" in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version") is None
    assert capsys.readouterr().out == f"scoregeo {__version__}\n"


def test_morph_needs_two_pictures() -> None:
    assert "1 picture given (a.png): morph takes two" in str(command("morph", "a.png"))
    assert "'reprot' is not a command" in str(command("reprot", "x"))
    assert "such as experiment=sphere," in str(command("sphere"))
    assert "a.png" in str(command("morph", "a.png", "b.png", "score=emoji_sd", "dataset.size=64"))

"""What the command line prints of runs, and where it says they are."""

import os
from pathlib import Path

import pytest

from scoregeo import __version__
from scoregeo._utils.files import read_json, write_json
from scoregeo._utils.jobs import JOB, SWEEP, read_jobs
from scoregeo._utils.results import FORMAT
from scoregeo.run.console import LATEST, link_latest, list_runs, table, warnings_of
from tests.commands import PLAIN, command

ROW = {"group": "all", "low": None, "high": None, "n": 2}


def row(method: str, measure: str, mean: float | None) -> dict[str, object]:
    return {"method": method, "measure": measure, "mean": mean, **ROW}


def test_table_has_a_line_a_method_and_a_column_a_measure() -> None:
    rows = [row("lerp", "length", 1.0), row("mine", "length", 2.5), row("mine", "fid", None)]
    lines = table(rows, ["length", "fid"]).splitlines()
    assert [line.split() for line in lines] == [
        ["method", "length", "FID"],
        ["lerp", "1"],
        ["mine", "2.5"],
    ]


def test_warns_of_tunnelling_and_of_ends_that_do_not_come_back() -> None:
    quiet = [row("a", "tunnelled", 0.0), row("a", "psnr_ends", 31.0), row("truth", "tunnelled", 1)]
    assert warnings_of(quiet) == []
    told = warnings_of([row("a", "tunnelled", 0.25), row("b", "psnr_ends", 12.0)])
    assert "25%" in told[0] and "solver.refinement=adaptive" in told[0]
    assert "12.0 dB" in told[1] and "decode_steps" in told[1]


def test_a_run_prints_its_table_and_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [*PLAIN, "dataset.num_pairs=2", "solver.num_points=6", f"output={tmp_path}"]
    assert command("experiment=sphere", "rivals.adam=null", *small) is None
    shown = capsys.readouterr().out
    assert "stein_gauss_newton" in shown and "2 pairs in" in shown and "summary.json" in shown
    (run,) = (path for path in (tmp_path / "sphere").iterdir() if not path.is_symlink())
    assert (tmp_path / "sphere" / LATEST).resolve() == run.resolve()
    assert command("list", str(tmp_path)) is None
    listed = capsys.readouterr().out
    assert str(run) in listed and "done" in listed and listed.count("\n") == 1


def test_a_sweep_prints_a_line_a_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoregeo.report.sweep_page.sweep_lines", lambda *args, **settings: [])
    small = [*PLAIN, "dataset.num_pairs=1", "solver.num_points=5", f"output={tmp_path}"]
    said = command("-m", "metric.lam=1,-1,10", "baseline=[lerp]", *small)
    assert isinstance(said, str) and "1 job(s) failed" in said
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    first = next(i for i, line in enumerate(lines) if line[:3] == ["job", "metric.lam", "method"])
    assert [line[1:3] for line in lines[first + 1 : first + 4]] == [
        ["-1", "failed"],
        ["1", "stein_gauss_newton"],
        ["10", "stein_gauss_newton"],
    ]
    folder = (tmp_path / "custom" / LATEST).resolve()
    assert folder.name.startswith("sweep_")
    rows = read_json(read_jobs(folder)[0].run / "summary.json")["rows"]
    own = {row["measure"]: row["mean"] for row in rows if row["method"] == "stein_gauss_newton"}
    assert lines[first + 2][3] == f"{own['length_error']:.4g}"
    assert command("list", str(tmp_path)) is None
    assert capsys.readouterr().out.count("sweep: 2 of 3 jobs done") == 1


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
    assert "1 picture (a.png): morph takes two" in str(command("morph", "a.png"))
    assert "'reprot' is not a command" in str(command("reprot", "x"))
    assert "a.png" in str(command("morph", "a.png", "b.png", "score=emoji_sd", "dataset.size=64"))

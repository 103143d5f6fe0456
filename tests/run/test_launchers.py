"""Multiruns on Hydra's launchers: the same table, the failed job named, nothing lost when the
parent is killed.
"""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scoregeo._utils.files import read_json
from scoregeo._utils.jobs import DONE, read_jobs
from scoregeo.report.command import report
from tests.commands import PLAIN, command
from tests.report.document import check_page
from tests.run.failing_sweep import REASON, FailingSweep, sweep_folder, table
from tests.tables import same_paths, tables

pytestmark = pytest.mark.slow

SWEEP = FailingSweep(lams=(1, 100, 10), points=(9,))
LAUNCHED = FailingSweep(lams=(1, 100), points=(9,))  # each job imports torch anew
FEW = ("rivals.adam=null", "rivals.gauss_newton_adaptive=null", "baseline=[lerp]")
ENTRY = "import sys; sys.argv[0] = 'scoregeo'; from scoregeo.run.cli import main; main()"


@pytest.fixture(scope="module", autouse=True)
def no_drawing() -> Iterator[None]:
    """Pages without their plot, which tests/run/test_cli.py and the study below look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoregeo.report.sweep_page.sweep_lines", lambda *args, **settings: [])
        yield


def by_the_basic_launcher(sweep: FailingSweep, output: Path) -> Path:
    """The sweep job after job in this process."""
    sweep.check(command(*sweep.line, f"output={output}"), output, output)
    return output


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_the_basic_launcher(LAUNCHED, tmp_path_factory.mktemp("basic"))


def test_the_jobs_that_are_done_are_shown_and_the_one_that_failed_is_named(
    tmp_path: Path,
) -> None:
    folder = sweep_folder(by_the_basic_launcher(SWEEP, tmp_path))
    runs = [job.run for job in read_jobs(folder)]
    states = [read_json(run / "manifest.json") for run in runs]
    assert [state["status"] for state in states] == SWEEP.states
    assert states[SWEEP.bad]["error"] == REASON and not (runs[SWEEP.bad] / "summary.json").exists()

    text = (folder / "table.md").read_text(encoding="utf-8")
    assert "## Without results" in text and f"- {SWEEP.name}: {REASON}" in text
    rows = [
        row
        for row in table(folder)
        if row["method"] == "stein_fails" and row["measure"] == "length_error"
    ]
    assert [int(row["metric.lam"]) for row in rows] == [1, 10]
    assert len({row["mean"] for row in rows}) == len(rows)
    for run, row in zip((run for run in runs if run != runs[SWEEP.bad]), rows, strict=True):
        summary = read_json(run / "summary.json")["rows"]
        key = {"method": "stein_fails", "group": "all", "measure": "length_error"}
        (mean,) = (entry["mean"] for entry in summary if key.items() <= entry.items())
        assert float(row["mean"]) == mean

    words = check_page(report(folder).read_text(encoding="utf-8")).plain()
    assert "jobs 3 done 2 failed or unfinished 1" in words
    assert SWEEP.name in words and REASON in words


@pytest.mark.parametrize("launcher", ["local", "submitit_local"])
def test_a_launcher_gives_the_table_of_the_basic_one(
    launcher: str, basic: Path, tmp_path: Path
) -> None:
    said = command(*LAUNCHED.line, f"output={tmp_path}", f"hydra/launcher={launcher}")
    LAUNCHED.check(said, tmp_path, basic)


@pytest.mark.skipif(sys.platform != "linux", reason="workers end with their parent on Linux")
def test_workers_end_with_a_killed_parent_and_the_command_resumes(tmp_path: Path) -> None:
    """Killed while two jobs wait in their last method; then run to the end in this process."""
    go = tmp_path / "go"
    line = [
        "-m",
        "experiment=sphere",
        "seed=0,1,2",
        "dataset.num_pairs=2",
        "solver.num_points=8",
        "~rivals.adam",
        "~rivals.gauss_newton_adaptive",
        "+rivals.waits._target_=tests.broken.WaitsFor",
        "+rivals.waits.num_points=8",
        f"+rivals.waits.marker={go}",
        *PLAIN,
        f"output={tmp_path}",
    ]
    launched = ["hydra/launcher=local", "hydra.launcher.n_jobs=2"]
    asked = [sys.executable, "-c", ENTRY, *line, *launched]
    parent = subprocess.Popen(asked, cwd=Path(__file__).parents[2])
    try:
        eventually(lambda: len([*tmp_path.glob("sphere/*/methods/stein_gauss_newton.json")]) == 2)
        workers = children(parent.pid)
        assert len(workers) >= 2
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: not any(alive(pid) for pid in workers), 30)
    assert not list(tmp_path.glob("sphere/*/methods/stein_waits.json"))
    before = {
        path: path.stat().st_mtime_ns
        for path in tmp_path.glob("sphere/*/methods/stein_gauss_newton.json")
    }
    go.touch()
    assert command(*line) is None
    assert [job.status for job in read_jobs(sweep_folder(tmp_path))] == [DONE] * 3
    assert len(before) == 2 and {path: path.stat().st_mtime_ns for path in before} == before


def test_shards_give_the_tables_of_one_run_and_one_row_a_job(tmp_path: Path) -> None:
    small = [
        "experiment=sphere",
        "dataset.num_pairs=5",
        "solver.num_points=8",
        *FEW,
        *PLAIN,
    ]
    assert command(*small, f"output={tmp_path / 'whole'}") is None
    assert (
        command(*small, "shards=2", "hydra/launcher=local", f"output={tmp_path / 'parts'}") is None
    )
    (whole,), (merged,) = (
        tmp_path.glob(f"{name}/sphere/[0-9a-f]*/summary.json") for name in ("whole", "parts")
    )
    assert tables(whole.parent) == tables(merged.parent) and same_paths(whole.parent, merged.parent)
    assert whole.parent.name == merged.parent.name
    with (sweep_folder(tmp_path / "parts") / "table.csv").open(encoding="utf-8") as handle:
        rows = [
            row
            for row in csv.DictReader(handle)
            if row["method"] == "lerp" and row["measure"] == "length"
        ]
    assert [row["n"] for row in rows] == ["5"]


def test_a_job_whose_process_is_killed_is_named_and_the_command_finishes_it(tmp_path: Path) -> None:
    # After the tests above, whose workers it takes over: what is killed breaks joblib's pool.
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
    said = command(*line, *kill, "hydra/launcher=local", "hydra.launcher.n_jobs=2")
    assert isinstance(said, str) and " failed:" in said and "metric.lam = " in said
    # Again, in this process: the launcher has no part in which sweep it is.
    assert command(*line, *kill) is None
    assert [job.status for job in read_jobs(sweep_folder(tmp_path))] == [DONE, DONE]


def test_a_shard_that_failed_is_named_and_run_again_alone(tmp_path: Path) -> None:
    small = [
        "experiment=sphere",
        "dataset.num_pairs=4",
        "solver.num_points=8",
        *FEW,
        *PLAIN,
    ]
    fails = [
        "+rivals.fails._target_=tests.broken.FailsOnce",
        "+rivals.fails.num_points=8",
        f"+rivals.fails.marker={tmp_path}/m",
    ]
    line = [*small, *fails, "shards=2", f"output={tmp_path / 'parts'}"]
    said = command(*line)
    assert isinstance(said, str) and "shard 0: fails once" in said
    (second,) = tmp_path.glob("parts/sphere/[0-9a-f]*/shards/1_of_2/manifest.json")
    before = second.stat().st_mtime_ns
    assert command(*line) is None
    assert second.stat().st_mtime_ns == before
    assert len([*tmp_path.glob("parts/sphere/[0-9a-f]*/summary.json")]) == 1


def test_shards_asked_for_one_by_one_are_no_failure_and_are_merged_when_all_are_there(
    tmp_path: Path,
) -> None:
    small = ["experiment=sphere", "dataset.num_pairs=4", "solver.num_points=8", *FEW, *PLAIN]
    line = ["-m", *small, "shards=2", f"output={tmp_path}"]
    assert command(*line, "shard=0") is None
    assert not [*tmp_path.glob("sphere/[0-9a-f]*/summary.json")]
    assert command(*line, "shard=1") is None
    assert len([*tmp_path.glob("sphere/[0-9a-f]*/summary.json")]) == 1


def test_folders_of_jobs_that_their_overrides_name(tmp_path: Path) -> None:
    small = ["experiment=sphere", "dataset.num_pairs=2", "solver.num_points=8", *FEW, *PLAIN]
    line = ["-m", *small, "seed=0,1", "hydra.sweep.subdir=x/${hydra.job.num}"]
    assert command(*line, f"output={tmp_path}") is None
    jobs = read_jobs(sweep_folder(tmp_path))
    assert [(job.name, job.status) for job in jobs] == [("x/0", DONE), ("x/1", DONE)]
    assert [job.choice("seed") for job in jobs] == ["0", "1"]


@pytest.mark.parametrize(
    ("shards", "words"),
    [("0", "at least 1"), ("9", "number of pairs of the run, 4"), ("two", "whole number")],
)
def test_bad_numbers_of_shards_are_refused(shards: str, words: str, tmp_path: Path) -> None:
    said = command("dataset.num_pairs=4", *PLAIN, f"shards={shards}", f"output={tmp_path}")
    assert isinstance(said, str) and "shards = " in said and words in said
    assert not (tmp_path / "sphere").exists()  # told before any job begins


def test_a_study_takes_one_file_and_its_page_appears(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine" / "study").mkdir(parents=True)
    (tmp_path / "mine" / "study" / "weights.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /experiment: sphere\n"
        "page:\n  title: How much weight\n  measures: [length_error]\n"
        "rivals:\n  adam: null\n  gauss_newton_adaptive: null\n"
        "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      metric.lam: 1,100\n"
    )
    small = (*PLAIN, "dataset.num_pairs=2", "solver.num_points=8")
    where = (f"output={tmp_path}", f"results={tmp_path / 'results'}")
    assert command("--config-dir", str(tmp_path / "mine"), "study=weights", *small, *where) is None
    head = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("job  "))
    assert re.split(r"  +", head) == ["job", "metric.lam", "method", "length error", "ended"]
    folder = tmp_path / "results" / "weights"
    page = (folder / "table.md").read_text(encoding="utf-8")
    assert (
        page.startswith("# How much weight\n") and "| metric.lam | method | length error |" in page
    )
    assert f"scoregeo --config-dir {tmp_path / 'mine'} study=weights" in page
    assert "metric.lam=" not in page.partition("```bash")[2]  # the study's file says it
    manifests = list(tmp_path.glob("sphere/*/manifest.json"))
    assert manifests and all(
        f"--config-dir {tmp_path / 'mine'}" in read_json(path)["command"] for path in manifests
    )
    assert "| 100 | Geodesic (Stein, Gauss-Newton) |" in page
    assert "figures/measures.png" in page and (folder / "figures" / "measures.png").is_file()
    rows = list(csv.DictReader((folder / "table.csv").open(encoding="utf-8")))
    assert {row["metric.lam"] for row in rows} == {"1", "100"}
    assert not {row["method"] for row in rows} & {"stein_adam", "stein_gauss_newton_adaptive"}
    compared = read_json(folder / "summary.json")["comparisons"]  # what is behind the bold cells
    assert {entry["group"] for entry in compared} == {"metric.lam = 1", "metric.lam = 100"}
    assert {entry["measure"] for entry in compared} == {"length_error"}
    assert "**metric.lam = 100 (2 pairs)**" in page


def test_a_page_that_cannot_be_written_fails_the_command(tmp_path: Path) -> None:
    (tmp_path / "results" / "ablation_lambda" / "table.md").mkdir(parents=True)  # in the way
    small = (
        *PLAIN,
        *FEW,
        "dataset.num_pairs=2",
        "solver.num_points=8",
        "metric.lam=1,10",
        f"output={tmp_path}",
    )
    said = command("study=ablation_lambda", *small, f"results={tmp_path / 'results'}")
    assert isinstance(said, str) and "could not be gathered" in said
    (tmp_path / "file").write_text("a file in the way")
    said = command("-m", "seed=0,1", f"results={tmp_path / 'file'}", f"output={tmp_path}")
    assert isinstance(said, str) and "results = " in said and "must be a folder" in said
    below = tmp_path / "file" / "deep"
    said = command("study=ablation_lambda", f"results={below}", f"output={tmp_path}")
    assert isinstance(said, str) and f"results = '{below}' cannot be used (Not a directory)" in said
    said = command("-m", "study=codimension,noise_level", f"output={tmp_path}")
    assert isinstance(said, str) and "runs one study" in said
    said = command("runner=3", f"output={tmp_path}")
    assert isinstance(said, str) and "runner = 3" in said
    said = command("-m", "seed=0,1", f"output={tmp_path / 'file'}")
    assert isinstance(said, str) and "output" in said and "cannot be written" in said


def test_a_sweep_over_experiments_has_one_folder(tmp_path: Path) -> None:
    small = ("dataset.num_pairs=2", "solver.num_points=8", *PLAIN)
    assert (
        command(
            "-m",
            "experiment=codimension,noise_level",
            "baseline=[lerp]",
            *small,
            f"output={tmp_path}",
        )
        is None
    )
    assert [job.status for job in read_jobs(sweep_folder(tmp_path))] == [DONE, DONE]


def test_a_damaged_summary_is_rebuilt_by_the_same_command(tmp_path: Path) -> None:
    line = (
        "-m",
        "seed=0,1",
        "dataset.num_pairs=2",
        "solver.num_points=8",
        *PLAIN,
        f"output={tmp_path}",
    )
    assert command(*line) is None
    summary = read_jobs(sweep_folder(tmp_path))[1].run / "summary.json"
    before, shown = summary.read_text(), table(sweep_folder(tmp_path))
    summary.write_text("{")
    assert command(*line) is None
    assert summary.read_text() == before and table(sweep_folder(tmp_path)) == shown


def test_a_study_without_parameters_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "empty.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n"
    )
    said = command("--config-dir", str(tmp_path), "study=empty", f"output={tmp_path}")
    assert isinstance(said, str) and "study = 'empty'" in said and "hydra.sweeper.params" in said


def test_a_ray_cluster_that_does_not_answer_is_named_within_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    said = command(
        "-m",
        "seed=0,1",
        "hydra/launcher=ray",
        "hydra.launcher.ray.init.address=127.0.0.1:1",
        f"output={tmp_path}",
    )
    assert (
        isinstance(said, str)
        and "hydra.launcher.ray.init.address = '127.0.0.1:1'" in said
        and "null" in said
    )
    assert time.monotonic() - began < 30 and not list(tmp_path.iterdir())  # imports included


def test_slurm_where_there_is_none_is_refused_before_any_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = command("-m", "seed=0,1", "hydra/launcher=slurm", f"output={tmp_path / 'outputs'}")
    assert isinstance(said, str) and "hydra/launcher = 'slurm'" in said and "'local'" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("launcher", "package"), [("local", "hydra_joblib_launcher"), ("ray", "hydra_ray_launcher")]
)
def test_a_launcher_that_is_not_installed_names_its_extra(
    launcher: str, package: str, tmp_path: Path
) -> None:
    """In a process whose Hydra finds no plugin of that name."""
    hidden = (
        f"import sys, hydra_plugins; sys.modules['hydra_plugins.{package}'] = None; import pkgutil;"
        " walk = pkgutil.walk_packages"
    )
    hidden += (
        f"; pkgutil.walk_packages = lambda *a, **k: (m for m in walk(*a, **k) if '{package}' not in"
        " m.name)"
    )
    line = [
        sys.executable,
        "-c",
        f"{hidden}; {ENTRY}",
        "-m",
        "seed=0,1",
        f"hydra/launcher={launcher}",
        f"output={tmp_path}",
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"pip install 'scoregeo[{launcher}]'" in done.stderr, (
        done.stderr
    )


def children(pid: int) -> list[int]:
    """The processes that a process has started and that do its work, from Linux's table."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found += (
                    [int(folder.name)]
                    if b"LokyProcess" in (folder / "cmdline").read_bytes()
                    else []
                )
        except (OSError, ValueError):
            continue
    return found


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def eventually(found: Callable[[], bool], seconds: float = 240) -> None:
    """Wait until it is true."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)

"""A sweep of sixteen jobs, one of which fails: fifteen in table and page, and the one named with
its reason.
"""

import csv
from pathlib import Path

import pytest

from scoregeo._utils.files import read_json
from scoregeo._utils.jobs import read_jobs
from scoregeo.report.command import report
from tests.commands import PLAIN, command
from tests.report.document import check_page

pytestmark = pytest.mark.slow
LAMS, POINTS = (1, 10, 100, 1000), (8, 16, 32, 64)
REASON = "the score is not finite at point 3 of 16"
SWEEP = (
    "-m",
    "experiment=sphere",
    f"metric.lam={','.join(map(str, LAMS))}",
    f"solver.num_points={','.join(map(str, POINTS))}",
    "~rivals.adam",
    "~rivals.gauss_newton_adaptive",
    "+rivals.fails._target_=tests.broken.FailsAt",
    "+rivals.fails.num_points=${solver.num_points}",
    "+rivals.fails.lam=100",
    "+rivals.fails.points=16",
    "dataset.num_pairs=2",
    *PLAIN,
)


def test_fifteen_are_shown_and_the_sixteenth_is_named(tmp_path: Path) -> None:
    said = command(*SWEEP, f"output={tmp_path}")
    assert (
        isinstance(said, str) and said.startswith("scoregeo: 1 job(s) failed:") and REASON in said
    )
    (folder,) = tmp_path.glob("sphere/sweep_*")
    jobs = [(lam, points) for lam in LAMS for points in POINTS]
    bad = jobs.index((100, 16))
    runs = [job.run for job in read_jobs(folder)]
    states = [read_json(run / "manifest.json") for run in runs]
    assert [state["status"] for state in states] == [
        "failed" if number == bad else "done" for number in range(16)
    ]
    assert states[bad]["error"] == REASON and not (runs[bad] / "summary.json").exists()

    text = (folder / "table.md").read_text(encoding="utf-8")
    assert "## Without results" in text
    assert f"- job {bad} (metric.lam = 100, solver.num_points = 16): {REASON}" in text
    with (folder / "table.csv").open(encoding="utf-8") as handle:
        rows = [
            row
            for row in csv.DictReader(handle)
            if row["method"] == "stein_fails" and row["measure"] == "length_error"
        ]
    assert [(int(row["metric.lam"]), int(row["solver.num_points"])) for row in rows] == [
        job for job in jobs if job != (100, 16)
    ]
    for number, row in zip((n for n in range(16) if n != bad), rows, strict=True):
        summary = read_json(runs[number] / "summary.json")["rows"]
        key = {"method": "stein_fails", "group": "all", "measure": "length_error"}
        (mean,) = (entry["mean"] for entry in summary if key.items() <= entry.items())
        assert float(row["mean"]) == mean

    words = check_page(report(folder).read_text(encoding="utf-8")).plain()
    assert "jobs 16 done 15 failed or unfinished 1" in words
    assert f"job {bad} (metric.lam = 100, solver.num_points = 16)" in words and REASON in words

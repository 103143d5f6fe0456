"""Reading runs: what a run says of itself, and every way in which a folder cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import finite_or_null
from scoregeo._utils.jobs import JOB, MISSING, SWEEP, read_jobs
from scoregeo._utils.results import FORMAT
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.run import read_run
from scoregeo.report.table import summary_entry
from tests.report.folders import COMPARISON, PAIRS, run_folder


def test_a_run_that_is_done(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "digits" / "abc"))
    assert run.failure is None and run.name == "digits" and run.groups == PAIRS
    assert run.endings() == ["Geodesic (Stein, Gauss-Newton): 2 converged"]
    assert run.comparisons == (COMPARISON,) and run.entries[0]["method"] == "truth"


def test_without_comparisons(tmp_path: Path) -> None:
    assert read_run(run_folder(tmp_path / "run", comparisons=False)).comparisons == ()


def test_failed_and_unfinished(tmp_path: Path) -> None:
    failed = read_run(run_folder(tmp_path / "run", failure="score is NaN"))
    assert failed.failure == "score is NaN" and failed.entries == ()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text()) | {"status": "running"}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    assert "not finished" in str(read_run(tmp_path / "run").failure)


@pytest.mark.parametrize("name", ["manifest.json", "summary.json", "results.jsonl"])
def test_another_format_is_refused(tmp_path: Path, name: str) -> None:
    folder = run_folder(tmp_path / "run")
    text = (folder / name).read_text()
    changed = text.replace(f'"format": {FORMAT}', '"format": 99')
    assert changed != text
    (folder / name).write_text(changed)
    with pytest.raises(
        DataError,
        match=rf"{name}.* has format 99, this version reads format {FORMAT}: run its command again",
    ):
        read_run(folder)


LINE = {"method": "lerp", "pair": "a", "group": "all", "status": "closed_form"}
ROW = summary_entry("lerp", "all", "psnr", Estimate(1.0, n=2))


def text_of(**content: Any) -> str:
    return json.dumps({"format": FORMAT, **finite_or_null(content)})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("manifest.json", "[]", r"manifest\.json holds list, not an object"),
        *(
            ("manifest.json", text_of(status="done", **one), rf"manifest\.json: {key} = .* must be")
            for one in ({"seconds": "x"}, {"methods": 3}, {"notes": [1]}, {"pairs": -1})
            for key in one
        ),
        ("manifest.json", text_of(seconds=1), r"manifest\.json lacks status"),
        *(
            (
                "results.jsonl",
                text_of(**(LINE | one)),
                rf"line 1,: {key} = .* must be",
            )
            for one in ({"group": 3}, {"status": None}, {"measures": {"psnr": "36"}})
            for key in one
        ),
        (
            "summary.json",
            text_of(rows=[ROW, ROW | {"mean": "36"}], comparisons=[]),
            r"summary\.json: rows\[1\]: mean = '36' must be a number or null",
        ),
        (
            "summary.json",
            text_of(rows=[{k: v for k, v in ROW.items() if k != "group"}], comparisons=[]),
            r"summary\.json: rows\[0\] lacks group",
        ),
        (
            "summary.json",
            text_of(rows=[ROW], comparisons=[COMPARISON | {"better": "yes"}]),
            r"summary\.json: comparisons\[0\]: better = 'yes' must be",
        ),
        ("summary.json", text_of(rows=[3], comparisons=[]), r"rows\[0\] is 3, not an object"),
        ("manifest.json", "{", "cannot be read as JSON"),
        ("summary.json", f'{{"format": {FORMAT}, "rows": []}}', "no rows"),
        ("results.jsonl", "{", r"results\.jsonl, line 1, is not JSON"),
        ("results.jsonl", "3", r"results\.jsonl, line 1, holds int, not an object"),
        (
            "results.jsonl",
            f'{{"format": {FORMAT}, "method": "a"}}',
            r"line 1, lacks pair, group, status",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    folder = run_folder(tmp_path / "run")
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_run(folder)


@pytest.mark.parametrize("harm", [b"\xff\xfe{", b"page: [1"])
def test_a_damaged_configuration_is_told(
    tmp_path: Path, harm: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    folder = run_folder(tmp_path / "run")
    (folder / "config.yaml").write_bytes(harm)
    assert read_run(folder).failure is None
    (told,) = caplog.messages
    assert "config.yaml cannot be read" in told and "none of its settings" in told


def test_damaged_records_of_a_multirun_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "0").mkdir()
    assert read_jobs(tmp_path) == [] and not caplog.messages  # absent is not damaged
    (tmp_path / SWEEP).write_text("{")
    (tmp_path / "0" / JOB).write_text("{")
    (job,) = read_jobs(tmp_path)
    assert job.status == MISSING
    assert all(name in told for name, told in zip((SWEEP, JOB), caplog.messages, strict=True))


def test_a_comparison_of_another_version(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    content = json.loads((folder / "summary.json").read_text())
    del content["comparisons"][0]["p_corrected"]
    (folder / "summary.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="lacks p_corrected"):
        read_run(folder)

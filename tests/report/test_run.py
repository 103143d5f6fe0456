"""Reading runs: what a run says of itself, and every way in which a folder cannot be read."""

import json
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo._utils.results import FORMAT
from scoregeo.report.run import read_run
from tests.report.folders import COMPARISON, PAIRS, run_folder


def test_a_run_that_is_done(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "digits" / "abc"))
    assert run.failure is None and run.name == "digits" and run.groups == PAIRS
    assert run.endings() == ["stein_gauss_newton: 2 converged"]
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


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("manifest.json", "[]", "no run's manifest"),
        ("manifest.json", "{", "cannot be read as JSON"),
        ("summary.json", f'{{"format": {FORMAT}, "rows": []}}', "no rows"),
        ("results.jsonl", "{", r"results\.jsonl, line 1, is not JSON"),
        ("results.jsonl", "3", r"results\.jsonl, line 1, is not an object"),
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


def test_a_comparison_of_another_version(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    content = json.loads((folder / "summary.json").read_text())
    del content["comparisons"][0]["p_corrected"]
    (folder / "summary.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="lacks p_corrected"):
        read_run(folder)

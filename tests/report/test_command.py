"""`scoregeo-report` on every kind of folder, and on what is none."""

import sys
import tomllib
from pathlib import Path

import pytest

from scoregeo.report.command import main, report
from tests.report.document import check_page
from tests.report.folders import results_folder, run_folder, sweep_folder

ROOT = Path(__file__).parent.parent.parent


def test_a_run_s_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path / "digits" / "abc")
    main([str(folder)])
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    page = check_page((folder / "report.html").read_text(encoding="utf-8"))
    assert ("strong", "36.0 [35.0, 37.0]") in page.words  # the winner
    assert "no <weights>" in page.plain() and str(tmp_path) not in page.text


def test_a_sweep_s_page(tmp_path: Path) -> None:
    folder = sweep_folder(tmp_path / "multirun", lams=(100.0,), points=(8, 16))
    page = check_page(report(folder, tmp_path / "out" / "sweep.html").read_text(encoding="utf-8"))
    assert (
        page.text.count("score is NaN at point &lt;3&gt;") >= 2
        and 'href="../multirun/1/"' in page.text
    )


def test_runs_that_no_sweep_made(tmp_path: Path) -> None:
    run_folder(tmp_path / "a" / "one", frames=False)
    run_folder(tmp_path / "b" / "two", failure="lost")
    page = check_page(report(tmp_path).read_text(encoding="utf-8"))
    assert [a["href"] for a in page.all("a") if a["href"].startswith("#run")][:2] == [
        "#run-0",
        "#run-1",
    ]  # the contents
    assert "lost" in page.plain()


def test_results_page_is_the_same_twice(tmp_path: Path) -> None:
    folder = results_folder(tmp_path / "results")
    first = report(folder).read_bytes()
    assert report(folder).read_bytes() == first
    check_page(first.decode("utf-8"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "is not a folder"),
        (lambda path: path.mkdir(), "is empty"),
        (lambda path: (path.mkdir(), (path / "notes.md").write_text("#")), "holds none"),
        (lambda path: path.write_text(""), "is not a folder"),
    ],
)
def test_what_is_no_folder_of_ours(tmp_path: Path, make: object, words: str) -> None:
    make(tmp_path / "x")  # type: ignore[operator]
    with pytest.raises(SystemExit, match=f"{words}: the folder of a run .* is expected"):
        main([str(tmp_path / "x")])


def test_out_must_be_html(tmp_path: Path) -> None:
    with pytest.raises(
        SystemExit,
        match=r"--out = .*page\.pdf.* is not allowed: --out must be a file that ends in \.html",
    ):
        main([str(run_folder(tmp_path / "run")), "--out", str(tmp_path / "page.pdf")])


def test_the_command_and_its_templates_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"]["scoregeo-report"] == "scoregeo.report.command:main"
    assert project["tool"]["setuptools"]["package-data"]["scoregeo.report"] == ["templates/*"]


@pytest.mark.slow
def test_make_report_on_a_clone_s_own_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results as they are committed give a page without any run, under the size that mail and
    phones take.
    """
    import shutil

    shutil.copytree(ROOT / "results", tmp_path / "results")
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.delitem(sys.modules, "report", raising=False)
    import report as script

    assert (
        script.main(["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "none")]) == 0
    )
    out = tmp_path / "results" / "report.html"
    page = check_page(out.read_text(encoding="utf-8"))
    assert out.stat().st_size < 15_000_000
    for path in (ROOT / "results").glob("*.csv"):
        assert path.stem in page.ids
    for command in ("scoregeo experiment=sphere", "python -m experiments.benchmark"):
        assert ("code", command) in page.words

"""The page of a run: in its own folder, and among results."""

import shutil
from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.comparison import RULE
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.model import Page
from scoregeo.report.page_settings import PageSettings
from scoregeo.report.run import read_run
from scoregeo.report.run_page import duration, result_page, run_page, write_run_page
from scoregeo.report.table import summary_entry
from tests.report.document import check_page
from tests.report.folders import COMMAND, COMPARISON, NAME, plot, run_folder, summary

SETTINGS = {
    "page": {"title": "One digit", "question": "Does it turn?", "measures": ["psnr"], "new": 1}
}


def test_a_run_that_is_done(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "digits" / "abc", SETTINGS)
    page = run_page(read_run(folder))
    assert (page.title, page.question, page.measures) == ("One digit", "Does it turn?", ("psnr",))
    assert page.command == COMMAND and page.seed == 3 and page.comparisons == (COMPARISON,)
    assert page.settings["pairs"] == 2 and set(page.settings) >= {"device", "torch", "whole run"}
    assert page.notes[:3] == (
        RULE,
        "FID of <few> frames.",
        "Geodesic (Stein, Gauss-Newton): 2 converged",
    )
    assert "LPIPS: alex, from lpips, SHA-256 ab12, 0.1" in page.notes[3]
    (table,) = page.tables
    assert [row.labels["method"] for row in table.rows] == ["truth", "lerp", "stein_gauss_newton"]
    assert table.rows[2].marked == {"psnr"}


def test_table_and_report_stand_in_the_run_s_folder(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "digits" / "abc", SETTINGS)
    table, report = write_run_page(folder)
    assert (table, report) == (folder / "table.md", folder / "report.html")
    text = table.read_text()
    assert text.startswith("# One digit\n\nDoes it turn?\n") and "**36.0 [35.0, 37.0]**" in text
    assert "(figures/energy.png)" in text and "table.csv" not in text
    page = check_page(report.read_text())
    assert ("strong", "36.0 [35.0, 37.0]") in page.words
    assert "run-60deg_000" in page.ids and "run-120deg_000" in page.ids
    for content in (text, page.text):
        assert str(tmp_path) not in content


@pytest.mark.parametrize("fid", [Estimate(120.0, 100.0, 140.0, 2), NotAvailable("no weights")])
def test_a_report_speaks_of_fid_where_it_has_numbers_of_it(
    fid: Estimate | NotAvailable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = summary_entry("lerp", "all", "fid", fid)
    monkeypatch.setattr("tests.report.folders.summary", lambda *given: [*summary(*given), cell])
    with_fid = run_folder(tmp_path / "digits" / "abc", frames=False)
    monkeypatch.undo()
    without = run_folder(tmp_path / "digits" / "def", frames=False)
    said = [
        "FID and KID are of few frames" in check_page(write_run_page(one)[1].read_text()).plain()
        for one in (with_fid, without)
    ]
    assert said == [isinstance(fid, Estimate), False]


def test_a_run_that_failed(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "digits" / "abc", failure="score is <NaN>")
    page = run_page(read_run(folder))
    assert [(f.name, f.reason) for f in page.failures] == [("digits", "score is <NaN>")]
    assert page.tables == ()
    _, report = write_run_page(folder)
    assert "score is <NaN>" in check_page(report.read_text()).plain()


def test_a_result_has_figures_frames_and_numbers_of_its_own(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "digits" / "abc")
    for name in ("strip_60deg_000", "strip_60deg_001", "strip_120deg_000", "paths"):
        plot(run / "figures" / f"{name}.png")
    for name in ("paths", "strip_60deg_000"):
        (run / "figures" / f"{name}.pdf").write_text("pdf")
    stale = tmp_path / "results" / NAME / "figures" / "old.png"
    plot(stale)
    settings = PageSettings(title="Title", question="Why?", measures=["energy"])
    page = result_page(NAME, settings, read_run(run).folder, "the command", tmp_path / "results")
    folder = tmp_path / "results" / NAME
    shutil.rmtree(run)
    again = Page.load(folder)
    assert again.to_json() == page.to_json() and again.command == "the command"
    assert again.measures == ("energy",) and again.title == "Title"
    # The main figure first; of strips one a group; no PDF of pixels.
    assert [picture.file for picture in again.figures] == [
        "paths.png",
        "strip_120deg_000.png",
        "strip_60deg_000.png",
        "energy.png",
    ]
    assert again.sheets == ("frames_60deg_000.webp", "frames_120deg_000.webp")
    assert {path.name for path in (folder / "figures").iterdir()} == {
        *(picture.file for picture in again.figures),
        *again.sheets,
        "paths.pdf",
    }


def test_groups_have_tables_of_their_own(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "digits" / "abc"))
    entries = (*run.entries, *(dict(entry) | {"group": "60 deg"} for entry in run.entries))
    page = run_page(type(run)(**{**vars(run), "entries": entries}))
    assert [table.caption for table in page.tables] == ["All pairs", "60 deg"]
    assert not any(row.marked for row in page.tables[1].rows)  # compared over all pairs alone


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.json cannot be read"):
        write_run_page(tmp_path)


def test_what_runs_took_is_told_in_a_fitting_unit() -> None:
    told = {
        0.4: "0 s",
        599.4: "599 s",
        600: "10 min",
        17_999: "300 min",
        18_000: "5.0 h",
        30_600: "8.5 h",
    }
    assert {seconds: duration(seconds) for seconds in told} == told

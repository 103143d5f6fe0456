"""A sweep of sixteen jobs over lambda and points, one failed: fifteen shown, one named with its
reason.
"""

from pathlib import Path

import pytest

from scoregeo.report.html import render
from scoregeo.report.page import Figure, HeatMap, Page, Scrub, Section, Table
from scoregeo.report.sweep_section import sweep_section
from tests.report.document import check_page
from tests.report.folders import run_folder, sweep_folder


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Section:
    folder = tmp_path_factory.mktemp("sweeps") / "multirun"
    return sweep_section(sweep_folder(folder), folder.parent)


def test_fifteen_are_shown_and_one_is_named(section: Section) -> None:
    assert dict(section.facts) == {
        "jobs": "16",
        "done": "15",
        "failed or unfinished": "1",
        "swept keys": "metric.lam, solver.num_points",
    }
    (failure,) = section.failures
    assert failure.name == "job 9 (metric.lam = 100, solver.num_points = 16)"
    assert failure.reason == "score is NaN at point <3>" and failure.link == "multirun/9/"
    jobs = next(
        block for block in section.blocks if isinstance(block, Table) and "folders" in block.caption
    )
    assert len(jobs.rows) == 16
    assert (
        section.command == "scoregeo -m experiment=rotated_mnist_empirical metric.lam=1,10,100,1000"
        " solver.num_points=8,16,32,64"
    )


def test_heat_maps_hold_each_job_where_it_belongs(section: Section) -> None:
    maps = {block.caption: block for block in section.blocks if isinstance(block, HeatMap)}
    grid = maps["PSNR (dB), stein_gauss_newton"]
    assert (grid.across, grid.down, grid.columns) == (
        "metric.lam",
        "solver.num_points",
        ("1", "10", "100", "1000"),
    )
    assert [label for label, _ in grid.rows] == ["8", "16", "32", "64"]
    # Job `4 i + j` has lambda i and points j, and a PSNR of 30 more.
    for down, (_, cells) in enumerate(grid.rows):
        for across, cell in enumerate(cells):
            number = 4 * across + down
            assert cell.text == ("none" if number == 9 else f"{30 + number}")
    assert grid.rows[1][1][2].reason == "job 9: score is NaN at point <3>"


def test_the_page_holds_it_all(section: Section) -> None:
    page = check_page(render(Page("sweep", (), (section,))))
    words = page.plain()
    assert "Without results: 1" in words and "score is NaN at point <3>" in words
    assert any(
        isinstance(block, Figure) and block.source.startswith("data:image/svg+xml")
        for block in section.blocks
    )
    (scrub,) = (
        block for block in section.blocks if isinstance(block, Scrub)
    )  # of the one job that kept frames
    assert scrub.id == "job-0-60deg_000" and "metric.lam = 1" in scrub.group


def test_no_job_done(tmp_path: Path) -> None:
    run_folder(tmp_path / "m" / "0", failure="lost")
    section = sweep_section(tmp_path / "m", tmp_path)
    assert [failure.reason for failure in section.failures] == ["lost"]
    check_page(render(Page("sweep", (), (section,))))


def test_a_job_of_another_format_is_named(tmp_path: Path) -> None:
    for number in range(2):
        folder = run_folder(tmp_path / "m" / str(number), frames=False)
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"format"', '"was"'))
    (failure,) = sweep_section(tmp_path / "m", tmp_path).failures
    assert failure.name == "job 1" and "has format None" in failure.reason

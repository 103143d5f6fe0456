"""A sweep of sixteen jobs over lambda and points, one failed: fifteen shown, one named with its
reason.
"""

from pathlib import Path

import pytest

from scoregeo.evaluation.networks import weights_line
from scoregeo.report.heatmap import heat_maps
from scoregeo.report.model import Page
from scoregeo.report.sweep_page import write_sweep
from tests.report.document import check_page
from tests.report.folders import NOTES, WEIGHTS, run_folder, sweep_folder

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Path]:
    folder = sweep_folder(tmp_path_factory.mktemp("sweeps") / "multirun")
    return write_sweep(folder)[0], folder


def test_fifteen_are_shown_and_one_is_named(sweep: tuple[Page, Path]) -> None:
    page, _ = sweep
    assert page.settings == {
        "jobs": 16,
        "done": 15,
        "failed or unfinished": 1,
        "swept keys": "metric.lam, solver.num_points",
    }
    (failure,) = page.failures
    assert failure.name == "job 9 (metric.lam = 100, solver.num_points = 16)"
    assert failure.reason == "score is NaN at point <3>"
    assert (
        page.command == "scoregeo -m experiment=rotated_mnist_empirical metric.lam=1,10,100,1000"
        " solver.num_points=8,16,32,64"
    )


def test_notes_say_what_the_columns_are_and_how_the_paths_of_each_job_ended(
    sweep: tuple[Page, Path],
) -> None:
    page, folder = sweep
    assert [note for note in page.notes if "job" not in note] == [*NOTES, weights_line(WEIGHTS)]
    endings = [note for note in page.notes if "job" in note]
    first = "job 0 (metric.lam = 1, solver.num_points = 8)"
    assert endings[0] == f"{first}: Geodesic (Stein, Gauss-Newton): 2 converged"
    assert len(endings) == 15
    assert endings[0] in (folder / "table.md").read_text()


def test_heat_maps_hold_each_job_where_it_belongs(sweep: tuple[Page, Path]) -> None:
    maps = {found.caption: found for found in heat_maps(sweep[0])}
    grid = maps["PSNR (dB), Geodesic (Stein, Gauss-Newton)"]
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
    job = "job 9 (metric.lam = 100, solver.num_points = 16)"
    assert grid.rows[1][1][2].reason == f"{job}: score is NaN at point <3>"


def test_the_report_holds_it_all(sweep: tuple[Page, Path]) -> None:
    page, folder = sweep
    found = check_page((folder / "report.html").read_text())
    words = found.plain()
    assert "Without results: 1" in words and "score is NaN at point <3>" in words
    assert len([image for image in found.all("img") if "swept" in image["alt"]]) == 1
    scrubs = [one for one in found.all("details") if one.get("class") == "scrub"]
    assert len(scrubs) == 1  # of the one job that kept frames
    assert "Pair 60deg_000, job 0 (metric.lam = 1, solver.num_points = 8)" in words


def test_a_panel_is_named_by_measure_and_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(
        "scoregeo.report.sweep_page.sweep_lines", lambda _, panels, **__: titles.extend(panels)
    )
    write_sweep(sweep_folder(tmp_path / "m", lams=(1.0, 10.0), points=(8,)))
    assert "PSNR (dB)\nGeodesic (Stein, Gauss-Newton)" in titles
    assert not [title for title in titles if "all" in title]


def test_no_job_done(tmp_path: Path) -> None:
    run_folder(tmp_path / "m" / "0", failure="lost")
    page, _ = write_sweep(tmp_path / "m")
    assert [failure.reason for failure in page.failures] == ["lost"] and page.tables == ()
    check_page((tmp_path / "m" / "report.html").read_text())


def test_a_job_of_another_format_is_named(tmp_path: Path) -> None:
    for number in range(2):
        folder = run_folder(tmp_path / "m" / str(number), frames=False)
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"format"', '"was"'))
    (failure,) = write_sweep(tmp_path / "m")[0].failures
    assert failure.name == "job 1" and "has format None" in failure.reason

"""The study of the rules for the noise level: its verdicts, its cells kept, and the page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.noise_level.levels import Cell, grid, read_cells
from experiments.noise_level.page import Done, Size, draw, noise_level_page
from experiments.noise_level.verdict import verdict
from scoregeo._utils.files import read_json
from scoregeo.dataset.sphere import Sphere
from scoregeo.report.model import Failure
from scoregeo.report.render import write_page
from scoregeo.run.command import compose
from scoregeo.run.instantiate import make
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.noise_level import POINTS, choose_noise_level
from tests.commands import run_here
from tests.sweeps import points

TINY = ("runner.samples=1", "runner.levels=2", "solver.num_points=5", "solver.max_iterations=2")
NAMES = ("sphere", "closed_curve_5")


def given(case: str) -> list[str]:
    return ["study=sigma_auto", f"case/sigma_auto={case}", *TINY]


def cases() -> list[Mapping[str, Any]]:
    return [compose(job)[0] for job in points("study=sigma_auto")]


def test_verdict() -> None:
    levels = [
        Cell("a", "stein", "", s, g, e, 1.0)
        for s, g, e in ((0.1, 0.4, 0.1), (0.2, 0.2, 0.3), (0.4, 0.5, 0.2))
    ]
    other = Cell("a", "conformal", "", 0.1, 0.01, 0.01, 1.0)
    line = Cell("a", "straight", "", 0.0, 0.6, 0.5, 0.0)
    found = verdict(
        [*levels, other, line, Cell("a", "stein", "auto", 0.25, 0.3, 0.15, 1.0)], "stein"
    )
    assert found.ratio == pytest.approx(1.5) and found.length_ratio == pytest.approx(1.5)
    assert (
        found.best.sigma == 0.2
        and found.best_length.sigma == 0.1
        and found.straight.greatest == 0.6
    )


def test_the_grid_scales_with_the_data() -> None:
    levels = torch.tensor(grid(Sphere(), 5))
    # Points of the unit sphere are one from its centre, and a few percent less from the mean of 256
    # of them.
    assert 0.95 < float(levels[0]) <= 1
    torch.testing.assert_close(levels[:-2] / levels[2:], torch.full((3,), 2.0))


def test_no_design_manifold_is_among_the_tests() -> None:
    found = cases()
    assert len({config["runner"]["case"] for config in found}) == len(found) == 13
    design = {config["page"]["case"] for config in found if config["runner"]["design"]}
    tests = [config["page"]["case"] for config in found if not config["runner"]["design"]]
    assert len(set(tests)) == len(tests) >= 4 and not design & set(tests)


def test_page(tmp_path: Path) -> None:
    folders = []
    for name in NAMES:
        folder, reason = run_here(given(name), tmp_path)
        assert reason is None
        folders.append(folder)
    found = [read_cells(folder) for folder in folders]
    assert sum(map(len, found)) == len(NAMES) * 2 * (2 + 1) + len(NAMES)  # two metrics, two levels
    # The rule's cell is at the rule's level.
    config, _ = compose(given(NAMES[1]))
    data = make("dataset", config["dataset"])
    sample = data.sample(config["score"]["count"], 0)
    chosen = choose_noise_level(EmpiricalScore(sample), data.held_out(POINTS, 0))
    assert next(cell for cell in found[1] if cell.rule).sigma == pytest.approx(chosen.sigma)

    # A job that was killed goes on with the cells that it has.
    cells_files = [path for folder in folders for path in folder.glob("methods/*")]
    kept = {path: path.stat().st_mtime_ns for path in cells_files}
    for folder in folders:
        manifest = read_json(folder / "manifest.json")
        (folder / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    for name, folder, cells in zip(NAMES, folders, found, strict=True):
        assert run_here(given(name), tmp_path) == (folder, None) and read_cells(folder) == cells
    assert kept == {path: path.stat().st_mtime_ns for path in kept}

    titles = [compose(given(name))[0]["page"]["case"] for name in NAMES]
    done = [Done.read(title, folder) for title, folder in zip(titles, folders, strict=True)]
    out = tmp_path / "results" / "sigma_auto"
    size = Size.read(folders[0])
    page = noise_level_page("Levels", done, size, "the command", [Failure("another", "lost")])
    text = write_page(page, out).read_text(encoding="utf-8")
    (figure,) = draw(out, done)
    wanted = (
        "the command",
        "stein, sigma=auto, made on these",
        "not made on these",
        "5 waves",
        "Within 20 %",
    )
    assert all(part in text for part in (*wanted, "figures/sigma_auto", "another: lost"))
    assert (
        "nan" not in text and (out / "table.csv").stat().st_size > 500 and figure.suffix == ".png"
    )


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("metric=euclidean", "metric = 'euclidean'"),
        ("runner.case=null", "runner.case = None"),
        ("runner.levels=0", "runner.levels = 0"),
    ],
)
def test_settings_it_cannot_use_are_refused(override: str, words: str, tmp_path: Path) -> None:
    _, reason = run_here([*given("sphere"), override], tmp_path)
    assert reason is not None and words in reason

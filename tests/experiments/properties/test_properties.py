"""The study of properties: curvature, dimension and descents where the answers are known, and the
page.
"""

import logging
from pathlib import Path

import pytest
import torch

from experiments.properties.quantities import curvature, descend, directions
from experiments.properties.surfaces import surface_cases
from scoregeo._utils.files import read_json
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.sphere import Sphere
from scoregeo.score.manifold import manifold_score
from scoregeo.score.sphere import sphere_score
from tests.commands import TINY, run_here


def test_curvature_of_a_sphere_is_that_of_its_level_set() -> None:
    lam = 50.0
    found = curvature(surface_cases()["sphere"], 0.3, lam, 20, 0)
    # |s| is the same everywhere: K = w / (1 + w) with w = lam |s|^2, the level set being the unit
    # sphere itself.
    torch.testing.assert_close(found.found, found.weight / (1 + found.weight), rtol=1e-9, atol=0)
    torch.testing.assert_close(found.error, 1 / (1 + found.weight), rtol=1e-9, atol=0)
    assert found.same_sign.all()


@pytest.mark.parametrize("name", ["torus", "ellipsoid"])
def test_curvature_error_is_second_order_in_sigma(name: str) -> None:
    case = surface_cases()[name]
    coarse, fine = (curvature(case, sigma, 1e8, 40, 0).error.median() for sigma in (0.1, 0.05))
    # The level set leaves the surface by a curvature times sigma^2: halving sigma divides the error
    # by 4 to leading order.
    assert 2.8 < float(coarse / fine) < 5.6


def test_descent_without_a_metric_is_the_chord() -> None:
    data = Sphere(num_pairs=3)
    pairs, step = data.pairs(0), 0.02
    ways = {
        name: descend(data, inverse, 3, step, 0)
        for name, inverse in directions(sphere_score(data, 0, 0.05), 1e6).items()
    }
    sag = 1 - (data.true_length(pairs) / 2).cos()
    # The deepest point of the chord is met within half a step, second order in it.
    torch.testing.assert_close(ways["none"].off, sag, atol=step**2, rtol=0)
    for way in ways.values():
        assert (way.left <= 2 * step).all()
    # The level set of log p through a is the sphere itself; the midpoint rule leaves it by step^3 /
    # 8 a step or less.
    assert ways["stein"].off.max() < 3 / step * step**3


def test_one_penalised_direction_is_too_few_in_codimension_two() -> None:
    data = ClosedCurve(num_pairs=3)
    ways = {
        n: descend(data, inv, 3, 0.02, 0)
        for n, inv in directions(manifold_score(data, 0, 0.05), 1000.0).items()
    }
    assert (ways["pullback"].off < ways["stein"].off).all() and (
        ways["stein"].off < 0.2 * ways["none"].off
    ).all()


@pytest.mark.slow
def test_the_experiment_writes_its_page_and_is_run_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also: a runner of one's own takes the runner's place."""
    asked = ["experiment=properties", *TINY["properties"]]
    with caplog.at_level(logging.INFO, "experiments.properties.page"):
        folder, reason = run_here(asked, tmp_path)
    assert reason is None
    manifest = read_json(folder / "manifest.json")
    assert manifest["status"] == "done"
    assert set(manifest["inputs"]) >= {
        "runner.models.digits_unet_ten",
        "runner.models.digits_unet_all",
    }
    text = (folder / "table.md").read_text(encoding="utf-8")
    for part in (
        "scoregeo experiment=properties",
        "Sectional curvature",
        "SO(3) in R^9",
        "all digits, rotated, U-Net",
        "pullback",
    ):
        assert part in text
    told = [one for one in caplog.records if one.name == "experiments.properties.page"]
    assert len(told) > 30 and "nan" not in text and (folder / "table.csv").stat().st_size > 1000

    before = (folder / "table.csv").stat().st_mtime_ns
    assert run_here(asked, tmp_path) == (folder, None)
    assert (folder / "table.csv").stat().st_mtime_ns == before

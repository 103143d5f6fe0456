"""Experiments on pictures end to end, with a tiny text-to-image model: from files to frames,
animations and tables.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scoregeo._utils.files import load_tensors, read_json
from scoregeo.evaluation.fid_kid import weighted_fid
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.table import rows_from_summary
from tests.commands import TINY, run_here
from tests.score.tiny_sd import save_tiny_sd


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands in TINY for a model and two pictures."""
    folder = tmp_path_factory.mktemp("places")
    rng = np.random.default_rng(0)
    for name in ("FIRST", "SECOND"):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(
            folder / f"{name}.png"
        )
    places = {name: str(folder / f"{name}.png") for name in ("FIRST", "SECOND")}
    return places | {"model=SD": f"model={save_tiny_sd(folder / 'model', 'sd2', tokens=40)}"}


def tiny(experiment: str, places: dict[str, str]) -> list[str]:
    overrides = [f"experiment={experiment}", *TINY[experiment]]
    for name, value in places.items():
        overrides = [o.replace(name, value) for o in overrides]
    return overrides


def test_two_pictures_become_frames_a_strip_and_animations(
    tmp_path: Path, places: dict[str, str]
) -> None:
    folder, reason = run_here(
        [*tiny("morph", places), "evaluation.metrics=[pullback,euclidean]"], tmp_path
    )
    assert reason is None
    found = folder / "frames" / "stein_gauss_newton" / "FIRST-SECOND"
    names = {path.name for path in found.iterdir()}
    assert {"000.png", "004.png", "strip.png", "animation.gif", "animation.mp4"} <= names
    with Image.open(found / "000.png") as frame, Image.open(found / "strip.png") as strip:
        assert frame.size == (16, 16) and strip.size == (5 * 16, 16)
    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    cells = {row.labels["method"]: row.cells for row in rows}["stein_gauss_newton"]
    assert {
        "psnr_ends",
        "feature_sum",
        "feature_deviation",
        "feature_greatest",
        "feature_nearer_end",
        "feature_ends",
    } <= set(cells)
    assert {
        "end_error",
        "straightness",
        "energy_pullback",
        "length_euclidean",
        "metrics_evaluations",
    } <= set(cells)
    counts = (cells["metrics_evaluations"], cells["length_pullback"])
    assert all(isinstance(cell, Estimate) and cell.mean > 0 for cell in counts)
    notes = " ".join(read_json(folder / "manifest.json")["notes"])
    assert (
        "between neighbours of 5 frames, not scaled" in notes
        and "EfficientNet-Lite0" in notes
        and "pullback (eps" in notes
    )
    assert not {"fid", "kid", "psnr"} & set(
        cells
    )  # two pictures have no FID, and the true path is not known


@pytest.mark.slow
def test_every_method_runs_on_emoji(
    tmp_path: Path, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # torchmetrics' FID takes the eigenvalues of a matrix of 1,280 features a side for each method;
    # of these few frames the same number follows from factors (tests/evaluation/test_distribution).
    monkeypatch.setattr(
        "scoregeo.evaluation.distribution.torchmetrics_fid",
        lambda features, reference: float(
            weighted_fid(features[None], reference, torch.ones(1, 1, dtype=torch.float64))
        ),
    )
    # Latents of 16 x 16 as the shipped model's: attention over 32 x 32 takes most of the time.
    model = save_tiny_sd(tmp_path / "model", "sd2", tokens=40, levels=3)
    asked = tiny("stable_diffusion", places | {"model=SD": f"model={model}"})
    folder, reason = run_here(asked, tmp_path)
    assert reason is None
    manifest = read_json(folder / "manifest.json")
    rivals = [
        "lerp",
        "slerp",
        "lerp_noise",
        "slerp_noise",
        "nao",
        "noise_diffusion",
        "density_geodesic",
        "pullback",
    ]
    assert manifest["methods"] == [*rivals, "start_lerp", "stein_gauss_newton", "stein_adam"]
    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {line["group"] for line in lines} == {"same", "different"}
    for method in manifest["methods"]:
        tensors = load_tensors(folder / "paths" / f"{method}.safetensors")
        assert tensors["points"].shape == (2, 5, 4, 16, 16) and tensors["frames"].shape == (
            2,
            5,
            3,
            64,
            64,
        )
        assert tensors["frames"].abs().max() <= 1
    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    cells = {row.labels["method"]: row.cells for row in rows if row.labels["group"] == "all"}
    for method in manifest["methods"]:
        assert {"fid", "kid", "feature_sum", "psnr_ends", "score_evaluations", "seconds"} <= set(
            cells[method]
        )
    assert list(folder.rglob("figures/strip_*.png"))

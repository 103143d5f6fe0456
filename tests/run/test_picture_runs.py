"""Experiments on pictures end to end, with a tiny text-to-image model: from files to frames,
animations and tables.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import load_tensors, read_json
from scoregeo.evaluation.fid_kid import weighted_fid
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.table import rows_from_summary
from scoregeo.run.build import build
from scoregeo.run.command import compose
from tests.commands import TINY, command, run_here
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


def test_the_command_takes_odd_names_and_leaves_one_animation(
    tmp_path: Path,
    places: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A picture of its own shape, names that Hydra's grammar refuses, and a model that does not
    give the pictures back.
    """
    monkeypatch.chdir(tmp_path)
    for name, place in (("IMG=1.png", "FIRST"), ("photo (1) é.png", "SECOND")):
        (tmp_path / name).write_bytes(Path(places[place]).read_bytes())
    few = ["inversion.decode_steps=2", "evaluation.feature_distance=false"]
    few += ["evaluation.even_frames=false", "evaluation.lpips=null", "threads=1"]
    model = places["model=SD"].removeprefix("model=")
    arguments = ["IMG=1.png", "photo (1) é.png", "--model", model, "--size", "16x24"]
    arguments += ["--prompt-a", "cat's, red", "--frames", "4", "--fps", "5", "--out", "my morph"]
    assert command("morph", *arguments, *few) is None
    shown = capsys.readouterr().out
    assert "my morph/animation.gif" in shown and "stein_gauss_newton" in shown
    folder = tmp_path / "my morph"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "IMG=1.png",
        "my morph",
        "photo (1) é.png",
    ]
    with Image.open(folder / "animation.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 6 and gif.info["duration"] == 200
    assert (folder / "report.html").is_file() and (folder / "animation.mp4").is_file()
    with Image.open(folder / "first.png") as first, Image.open(folder / "strip.png") as strip:
        assert first.size == (24, 16) and strip.size == (4 * 24, 16)
        # Written before the methods ran, and a frame of each of them.
        assert np.array_equal(np.asarray(first), np.asarray(strip)[:, :24])
    said = (folder / "scoregeo.log").read_text(encoding="utf-8")
    assert "the first picture comes back at" in said and "does not know such pictures" in said
    assert "come back" not in said  # said once, without advice that would not help
    # A pair of pictures has no FID, and other methods are asked for.
    assert read_json(folder / "manifest.json")["methods"] == ["start_lerp", "stein_gauss_newton"]
    # Done already: another pace is written at once.
    assert command("morph", *arguments, *few, "--fps", "10") is None
    with Image.open(folder / "animation.gif") as gif:
        assert gif.info["duration"] == 100


def test_names_that_are_nearly_one_and_a_group_like_a_formula(
    tmp_path: Path, places: dict[str, str]
) -> None:
    """A run of two pairs whose names differ in what no file's name may hold, figures drawn."""
    few, group = tmp_path / "pairs.csv", "cost $5^{ to $6"
    few.write_text("first,second,group\n")
    for name, kind in (("p 1.png", group), ("p_1.png", "b")):
        (tmp_path / name).write_bytes(Path(places["FIRST"]).read_bytes())
        with few.open("a") as file:
            file.write(f"{tmp_path / name},{places['SECOND']},{kind}\n")
    listed = ["dataset.first=null", "dataset.second=null", f"dataset.list={few}"]
    folder, reason = run_here(
        [*tiny("morph", places), *listed, "evaluation.figures=true", "evaluation.saved_pairs=2"],
        tmp_path / "out",
    )
    assert reason is None
    frames = folder / "frames" / "stein_gauss_newton"
    assert len([one for one in frames.iterdir() if (one / "strip.png").is_file()]) == 2
    rows = read_json(folder / "summary.json")["rows"]
    counts = {row["group"]: row["n"] for row in rows if row["measure"] == "straightness"}
    assert counts == {"all": 2, group: 1, "b": 1}


def test_pictures_take_the_size_of_their_model(tmp_path: Path, places: dict[str, str]) -> None:
    """A size that is left to the model has as many pixels as its own, in the first picture's shape:
    16 a side for the tiny one, 64 for the shipped one.
    """
    for score, side in ((f"score.{places['model=SD']}", 16), ("score=emoji_sd", 64)):
        pictures = [f"dataset.first={places['FIRST']}", f"dataset.second={places['SECOND']}"]
        config, _ = compose(["experiment=morph", score, *pictures])
        made = build(config)
        with Image.open(places["FIRST"]) as opened:
            ratio = opened.width / opened.height
        _, height, width = made.dataset.shape
        assert ratio != 1 and width / height == pytest.approx(ratio, rel=0.2)
        assert height * width == pytest.approx(side**2, rel=0.1)
        assert made.dataset.pairs(0).ends.shape == (1, 2, 3, height, width)
    config, _ = compose(
        ["dataset=image_pairs", "dataset.size=null", "score=digits_unet", *pictures]
    )
    with pytest.raises(ConfigError, match=r"dataset\.size = None .*text-to-image"):
        build(config)


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
    rivals = [
        "lerp",
        "slerp",
        "lerp_noise",
        "slerp_noise",
        "nao_short",
        "noise_diffusion",
        "density_geodesic_short",
        "pullback",
        "pullback_string_method",  # of stable_diffusion_hundred
    ]
    asked = tiny("stable_diffusion", places | {"model=SD": f"model={model}"})
    folder, reason = run_here([*asked, f"baseline=[{','.join(rivals)}]"], tmp_path)
    assert reason is None
    manifest = read_json(folder / "manifest.json")
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

"""Our reading of the paper's protocol: its settings, and each experiment end to end, tiny."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.score_direction.angles import schedule
from scoregeo._utils.files import load_tensors, read_json
from scoregeo.run.command import compose
from tests.commands import TINY, run_here, small_model
from tests.score.tiny_sd import save_tiny_sd

PROTOCOL = sorted(name for name in TINY if name.startswith("paper_"))
QUIET = ("evaluation.figures=false", "evaluation.certify_subnodes=2")
SOLVERS = ["stein_adam", "stein_adam_differentiated", "stein_gauss_newton"]


@pytest.mark.parametrize("experiment", PROTOCOL)
@pytest.mark.parametrize("profile", ["quick", "full"])
def test_settings_are_the_paper_s(experiment: str, profile: str) -> None:
    config, _ = compose([f"experiment={experiment}", f"profile={profile}"])
    assert config["metric"]["lam"] == 1000
    assert config["inversion"]["_target_"] == "scoregeo.inversion.SharedNoise"
    assert config["solver"]["_target_"] == "scoregeo.solver.Adam"
    assert config["solver"]["differentiate_score"] is False
    beside = config["rivals"]["adam_differentiated"]
    assert beside == {**config["solver"], "differentiate_score": True}
    assert {"lerp", "slerp", "noise_diffusion"} <= set(config["baseline"])
    if "sphere" in experiment:
        levels = schedule()
        assert config["score"]["sigma"] == float(levels.sigma(torch.tensor(400)))
        ends = (config["score"]["sigma_min"], config["score"]["sigma_max"])
        assert ends == levels.sigma_range
    else:
        assert config["score"]["timestep"] == 400


def run_tiny(experiment: str, tmp_path: Path, **places: str) -> tuple[Path, dict[str, Any]]:
    """The folder of a tiny run, and its lines by method."""
    overrides = list(TINY[experiment])
    for name, place in places.items():
        overrides = [o.replace(f"score.model={name}", f"score.model={place}") for o in overrides]
    folder, reason = run_here([f"experiment={experiment}", *overrides, *QUIET], tmp_path)
    assert reason is None
    text = (folder / "results.jsonl").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    for line in text.splitlines():
        row = json.loads(line)
        found.setdefault(row["method"], []).append(row)
    assert list(found) == read_json(folder / "manifest.json")["methods"]
    assert list(found)[-3:] == SOLVERS
    return folder, found


def points(folder: Path, method: str) -> torch.Tensor:
    return load_tensors(folder / "paths" / f"{method}.safetensors")["points"]


def test_the_sphere_s_run(tmp_path: Path) -> None:
    folder, rows = run_tiny("paper_sphere", tmp_path)
    clean, noisy = points(folder, "truth"), points(folder, "lerp_noise")
    # one draw of noise for both ends
    moved = noisy[:, [0, -1]] - clean[:, [0, -1]]
    torch.testing.assert_close(moved[:, 0], moved[:, 1])
    assert moved.norm(dim=2).min() > 5
    cost = {name: rows[name][0]["score_evaluations"] for name in rows}
    # two iterations on 7 midpoints; three times that where the network is differentiated
    assert cost["stein_adam"] == 2 * 7 and cost["stein_adam_differentiated"] == 3 * 2 * 7
    # both ends up in two steps, two iterations of 8 values of mu, and 6 frames
    assert cost["spacetime_short"] == 2 * 2 + 2 * 8 * 2 + 6
    assert cost["land"] == cost["noise_diffusion"] == 0
    for name in ("spacetime_short", "land"):
        assert torch.equal(points(folder, name)[:, [0, -1]], clean[:, [0, -1]])
        assert all("truth_distance_max" in row["measures"] for row in rows[name])


def test_the_digits_run(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    folder, rows = run_tiny("paper_digits", tmp_path, MODEL=str(model))
    assert {"spacetime_short", "rbf"} <= set(rows)
    assert all("psnr" in row["measures"] for row in rows["spacetime_short"])
    assert points(folder, "spacetime_short").shape == (2, 6, 1, 28, 28)


def test_the_emoji_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_tiny_sd(tmp_path / "model", "sd2", tokens=40, levels=3)
    few = ("dataset.pairs=1", "solver.num_points=4")
    quiet = ("evaluation.network=null", "evaluation.feature_distance=false")
    tiny = (*TINY["paper_emoji"], *few, *quiet)
    monkeypatch.setitem(TINY, "paper_emoji", tiny)
    folder, rows = run_tiny("paper_emoji", tmp_path, SD=str(model))
    assert {"nao", "linear_combination", "spacetime_short", "rbf"} <= set(rows)
    for name in ("spacetime_short", "rbf"):
        # clean latents, decoded by the autoencoder alone
        tensors = load_tensors(folder / "paths" / f"{name}.safetensors")
        line = load_tensors(folder / "paths" / "lerp.safetensors")
        torch.testing.assert_close(tensors["frames"][:, 0], line["frames"][:, 0])
        assert not torch.allclose(tensors["frames"][:, 1], line["frames"][:, 1], atol=1e-3)

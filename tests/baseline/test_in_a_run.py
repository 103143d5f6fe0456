"""The rivals as rows of a run: same pairs, honest records, and pictures whose ends are the given
ones.
"""

import json
from pathlib import Path

import pytest
import torch

from scoregeo._utils.files import load_tensors, read_json
from scoregeo.evaluation.image import psnr
from tests.commands import DIGITS, PLAIN, run_here, small_model

RIVALS = ("nao", "noise_diffusion", "density_geodesic")
LINE = [
    "experiment=rotated_mnist",
    *DIGITS,
    "evaluation.figures=false",
    "score=empirical",
    "score.sigma=3",
    "score.count=720",
    f"baseline=[lerp_noise,{','.join(RIVALS)}]",
    "baseline.nao.max_iterations=30",
    "baseline.density_geodesic.levels=2",
    "baseline.density_geodesic.iterations=4",
]


def test_their_pictures_end_at_the_given_ones(tmp_path: Path) -> None:
    """DDIM inversion and back with an exact score: every row's first and last frames are the given
    pictures, to its accuracy.
    """
    folder, reason = run_here([*LINE, "inversion=ddim", "inversion.steps=25"], tmp_path)
    assert reason is None
    rows = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for name in RIVALS:
        tensors = load_tensors(folder / "paths" / f"{name}.safetensors")
        line = load_tensors(folder / "paths" / "lerp_noise.safetensors")
        given = load_tensors(folder / "paths" / "truth.safetensors")["points"]
        assert torch.equal(tensors["points"][:, [0, -1]], line["points"][:, [0, -1]])
        assert torch.equal(tensors["frames"][:, [0, -1]], line["frames"][:, [0, -1]])
        assert not torch.allclose(tensors["points"][:, 1:-1], line["points"][:, 1:-1], atol=1e-3)
        ends = tensors["frames"][:, [0, -1]].flatten(0, 1)
        # 30 dB is an error of 0.06 in pixels from -1 to 1, not seen by eye.
        assert psnr(ends, given[:, [0, -1]].flatten(0, 1)).min() > 30
        own = [row for row in rows if row["method"] == name]
        assert len(own) == 2 and all(row["measures"]["psnr"] > 5 for row in own)
        states = {"nao": {"out_of_budget", "converged"}, "noise_diffusion": {"closed_form"}}
        assert {row["status"] for row in own} <= states.get(name, {"out_of_budget", "converged"})
        asked = [row["score_evaluations"] for row in own]
        assert (
            all(0 < n <= 4 * (1 + 3) for n in asked)
            if name == "density_geodesic"
            else asked == [0, 0]
        )


def test_a_run_is_repeated_to_the_bit(tmp_path: Path) -> None:
    """Fresh noise and jitter come from the run's seed and the row's name, whatever other rows there
    are.
    """
    line = [
        *LINE,
        "inversion=shared_noise",
        "inversion.decode_steps=2",
        "baseline.noise_diffusion.gamma=0.5",
    ]
    first, reason = run_here(line, tmp_path / "first")
    fewer, other_reason = run_here([*line, "~baseline.lerp_noise"], tmp_path / "second")
    assert reason is None and other_reason is None
    for name in RIVALS:
        paths = [
            load_tensors(folder / "paths" / f"{name}.safetensors")["points"]
            for folder in (first, fewer)
        ]
        assert torch.equal(*paths)


@pytest.mark.parametrize("name", ["nao", "noise_diffusion"])
def test_clean_ends_are_refused_where_the_formula_needs_noise(name: str, tmp_path: Path) -> None:
    folder, reason = run_here(
        [f"baseline=[lerp,{name}]", "dataset.num_pairs=2", "solver.num_points=6", *PLAIN], tmp_path
    )
    assert reason is not None
    assert (
        f"baseline = '{name}'" in reason
        and "inversion = NoInversion" in reason
        and "shared_noise or ddim" in reason
    )
    assert not folder.exists()


def test_density_geodesics_may_join_clean_ends(tmp_path: Path) -> None:
    """At clean points the density of the sphere is the field's too; and they can be continued."""
    more = ["dataset.num_pairs=2", "solver.num_points=9", *PLAIN]
    settings = ["baseline.density_geodesic.sphere=false", "baseline.density_geodesic.alpha=0.05"]
    folder, reason = run_here(["baseline=[lerp,density_geodesic]", *settings, *more], tmp_path)
    assert reason is None
    points = load_tensors(folder / "paths" / "density_geodesic.safetensors")["points"]
    norms = [
        load_tensors(folder / "paths" / f"{n}.safetensors")["points"][:, 4].norm(dim=1)
        for n in ("lerp", "density_geodesic")
    ]
    assert points.shape == (2, 9, 3)
    assert (norms[1] > norms[0]).all()  # off the chord, towards the sphere, where the density is
    continued = [
        "experiment=extrapolation",
        "extrapolation=[density,straight]",
        "reach=[0.5]",
        *more,
    ]
    folder, reason = run_here(continued, tmp_path)
    assert reason is None and "density" in read_json(folder / "manifest.json")["methods"]


def test_they_run_with_a_network(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    line = [o for o in LINE if not o.startswith("score")] + [
        "score=digits_unet",
        f"score.model={model}",
        "inversion.decode_steps=2",
    ]
    folder, reason = run_here(line, tmp_path)
    assert reason is None
    for name in RIVALS:
        assert (
            load_tensors(folder / "paths" / f"{name}.safetensors")["points"].dtype == torch.float32
        )

"""The pipeline on a tiny pipeline of every family with prompts: pictures in, a GIF out."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from scoregeo import GeodesicPipeline
from scoregeo._utils.errors import ConfigError
from scoregeo.score.loading import from_pipe
from scoregeo.score.text_to_image import INVERSION_ROUNDS, model_at
from tests.score.tiny_pipelines import side, tiny_pipeline


@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux"])
def test_two_pictures_make_a_gif(name: str, tmp_path: Path) -> None:
    pipe = GeodesicPipeline.from_pipe(tiny_pipeline(name))
    size = side(name)
    a, b = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    few = {"num_frames": 3, "num_inference_steps": 2, "painting_steps": 2, "size": size}
    morph = pipe(a, b, "cat", "dog", **few)  # type: ignore[arg-type]
    with Image.open(morph.save_gif(tmp_path / "morph.gif")) as gif:
        assert getattr(gif, "n_frames", 1) == 4
    assert len(morph.frames) == 3 and len(morph.status) == 1
    assert bool(morph.points.isfinite().all())
    redrawn = pipe(a, prompt_a="cat", prompt_b="dog", output_type="pt", **few)  # type: ignore[arg-type]
    painted = pipe(prompt_a="cat", prompt_b="dog", output_type="pt", **few)  # type: ignore[arg-type]
    assert redrawn.frames.shape == painted.frames.shape == (3, 3, size, size)
    assert not torch.allclose(redrawn.frames, painted.frames)


@pytest.mark.parametrize(("name", "timestep"), [("sd1", 0), ("sdxl", 0), ("sd3", 1), ("flux", 19)])
def test_noise_levels_that_hardly_are_noise(name: str, timestep: float) -> None:
    pipe, size = GeodesicPipeline.from_pipe(tiny_pipeline(name)), side(name)
    a, b = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    few = {"num_frames": 3, "num_inference_steps": 3, "size": size, "timestep": timestep}
    morph = pipe(a, b, "cat", "dog", output_type="pt", **few)  # type: ignore[arg-type]
    assert bool(morph.frames.isfinite().all())  # type: ignore[union-attr]
    # one step of so little noise brings the ends back to what the autoencoder gives of them
    assert morph.psnr == pytest.approx(morph.psnr_codec, abs=0.5)


@pytest.mark.parametrize(("name", "guidance"), [("flux", 3.5), ("sd3", 1.0)])
def test_redrawing_takes_the_levels_of_the_picture_s_size(
    name: str, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a shift that depends on the size; every evaluation is counted."""
    loaded, size, steps = tiny_pipeline(name), side(name) // 2, 4
    model = from_pipe(loaded)
    text = model_at(model, (size, size), timestep=400)
    asked: list[float] = []
    score = type(text.score).score

    def seen(self: Any, x: torch.Tensor, sigma: float) -> torch.Tensor:
        asked.extend([sigma] * len(x))
        return score(self, x, sigma)

    monkeypatch.setattr(type(text.score), "score", seen)
    picture = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    text.redraw(picture, ("cat",), ("dog",), steps, guidance)
    assert len(asked) == text.redraw_evaluations((size, size), steps)
    wanted = [t / (1 - t) for t in model.times(steps, text.shape) if 0 < t < 1]  # type: ignore[attr-defined]
    assert sorted(set(asked)) == pytest.approx(sorted(wanted))
    assert len(asked) == len(wanted) * (INVERSION_ROUNDS + 1)


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "sd3", "flux"])
def test_pictures_are_made_with_the_guidance_of_diffusers(name: str) -> None:
    loaded = tiny_pipeline(name)
    default = inspect.signature(type(loaded).__call__).parameters["guidance_scale"].default
    assert from_pipe(loaded).painting_guidance == default


def test_no_negative_prompt_is_that_of_diffusers() -> None:
    """SDXL's is zeros, not the embedding of the empty text."""
    pipe, size = GeodesicPipeline.from_pipe(tiny_pipeline("sdxl")), side("sdxl")
    few = {"num_frames": 2, "num_inference_steps": 2, "painting_steps": 2, "size": size}
    own, none, empty = (
        pipe(prompt_a="cat", prompt_b="dog", output_type="pt", guidance_scale=3.0, **few, **given)  # type: ignore[arg-type]
        for given in ({}, {"negative_prompt": None}, {"negative_prompt": ""})
    )
    assert torch.equal(own.points, none.points) and not torch.allclose(own.points, empty.points)


@pytest.mark.parametrize(("name", "steps"), [("flux", 1), ("sd1", 2000)])
def test_painting_steps_that_the_sampler_does_not_take_are_named(name: str, steps: int) -> None:
    pipe, size = GeodesicPipeline.from_pipe(tiny_pipeline(name)), side(name)
    a = torch.rand(3, size, size) * 2 - 1
    with pytest.raises(ConfigError, match=f"^painting_steps = {steps} "):
        pipe(a, prompt_a="cat", prompt_b="dog", painting_steps=steps, size=size)

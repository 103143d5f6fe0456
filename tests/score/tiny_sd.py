"""Tiny Stable Diffusion folders with random weights, saved by diffusers and transformers, and
diffusers' own pictures of them.
"""

from pathlib import Path
from typing import Any

import torch

KINDS = ("sd1", "sd2")
IMAGE = 16  # side of a picture
LATENT = (4, 8, 8)
TOKENS = 12  # of a prompt at most, start and end included
WIDTH = 16  # of a token's embedding
WORDS = ("cat", "dog", "red")


def tokenizer(tokens: int = TOKENS) -> Any:
    """CLIP's byte-pair encoding with letters alone, but for a few whole words."""
    from transformers import CLIPTokenizer

    letters = [chr(c) for c in range(ord("!"), ord("~") + 1)]
    merges = []
    for word in WORDS:
        merges += [(word[0], word[1]), (word[:2], f"{word[2]}</w>")]
    names = [
        *letters,
        *(f"{c}</w>" for c in letters),
        *dict.fromkeys(a + b for a, b in merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return CLIPTokenizer(
        vocab={name: k for k, name in enumerate(names)}, merges=merges, model_max_length=tokens
    )


def tiny_unet(kind: str, **changes: Any) -> Any:
    """A U-Net of two levels; for SD 2.x with its linear projections and a number of heads for each
    level.
    """
    from diffusers import UNet2DConditionModel

    settings: dict[str, Any] = {
        "sample_size": LATENT[1],
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": (2, 4) if kind == "sd2" else 2,
        "use_linear_projection": kind == "sd2",
    }
    network = UNet2DConditionModel(**(settings | changes))
    with torch.no_grad():  # let the prompt matter, as after training
        for name, weight in network.named_parameters():
            if "attn2.to_" in name or "conv_out.weight" in name:
                weight.mul_(2)
    return network


def scheduler(kind: str, **changes: Any) -> Any:
    """The scheduler those models ship with: PNDM for SD 1.x, DDIM with v-prediction for 2.x."""
    from diffusers import DDIMScheduler, PNDMScheduler

    settings: dict[str, Any] = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    if kind == "sd1":
        return PNDMScheduler(**(settings | {"skip_prk_steps": True} | changes))
    return DDIMScheduler(
        **(settings | {"prediction_type": "v_prediction", "clip_sample": False} | changes)
    )


def save_tiny_sd(
    folder: Path, kind: str, tokens: int = TOKENS, levels: int = 2, **changes: Any
) -> Path:
    """Save a pipeline of `kind` ("sd1" or "sd2") in `folder`; `levels`: of the autoencoder, each
    but the first halves the sides; `changes`: of its scheduler's settings.
    """
    from diffusers import AutoencoderKL, StableDiffusionPipeline
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(KINDS.index(kind))
    words = tokenizer(tokens)
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokens,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    vae = AutoencoderKL(
        block_out_channels=(8,) + (16,) * (levels - 1),
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=4,
        sample_size=IMAGE,
        scaling_factor=0.18215,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=words,
        unet=tiny_unet(kind),
        scheduler=scheduler(kind, **changes),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def diffusers_pipeline(folder: Path) -> Any:
    """diffusers' own pipeline with the folder's schedule and DDIM."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, requires_safety_checker=False
    )
    # PNDM's file does not say so, the hub's files for SD 1.x do.
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def diffusers_images(pipeline: Any, latents: torch.Tensor, **settings: Any) -> torch.Tensor:
    """Pictures [batch, 3, height, width] in [-1, 1] of diffusers' own pipeline."""
    return 2 * pipeline(latents=latents.clone(), output_type="pt", **settings).images - 1

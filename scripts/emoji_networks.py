"""The networks of the shipped emoji model, its tokenizer, and how its pictures are drawn."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from scoregeo._utils.errors import DataError
from scoregeo._utils.seed import generator
from scoregeo.dataset.emoji_source import EmojiSource
from scoregeo.score.training.tokenizer import train_clip_tokenizer

WIDTH = 128  # of the text encoder
LENGTH = 32  # largest number of tokens of a prompt
MERGES = 1536


def emoji_vae() -> AutoencoderKL:
    """An autoencoder of 0.70 M parameters for 3 x 64 x 64 pictures, latents 4 x 16 x 16."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(24, 32, 64),
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=64,
        force_upcast=False,
    )


def emoji_unet() -> UNet2DConditionModel:
    """A U-Net of 9.4 M parameters for latents 4 x 16 x 16, attention at 8 x 8 and 4 x 4."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(96, 128, 160),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def emoji_text_encoder(tokenizer: Any) -> CLIPTextModel:
    """CLIP's text model, small: 3 layers of width 128."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def seed_weights(seed: int, stage: str) -> None:
    """Make the weights that are drawn next follow from the seed."""
    torch.manual_seed(
        int(torch.randint(2**62, (1,), generator=generator(seed, f"{stage} weights")))
    )


def drawing_weights(source: EmojiSource) -> torch.Tensor:
    """Chance of each picture to be drawn: 0 for held-out ones, else `1 / sqrt(variants)`, lest skin
    tones fill the draws.
    """
    count: dict[str, int] = {}
    for picture in source.pictures:
        count[picture.base] = count.get(picture.base, 0) + 1
    return torch.tensor([0.0 if p.held_out else count[p.base] ** -0.5 for p in source.pictures])


def emoji_tokenizer(source: EmojiSource) -> Any:
    """Byte pairs learned from the names of all emoji, one variant of each base emoji, so that all
    count alike.
    """
    names: dict[str, tuple[str, ...]] = {}
    for picture in source.pictures:
        names[picture.base] = picture.prompts  # the last variant's
    return train_clip_tokenizer(
        (name for prompts in names.values() for name in prompts), MERGES, LENGTH
    )


def tokens_of(tokenizer: Any, prompts: list[str]) -> torch.Tensor:
    """Token ids [prompts, LENGTH], padded as StableDiffusionPipeline pads them."""
    ids = tokenizer(
        prompts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids
    assert isinstance(ids, torch.Tensor)
    return ids


def load_pipeline(folder: Path) -> Any:
    """diffusers' own pipeline of the folder, in float32. Raises DataError where there is none."""
    if not (folder / "model_index.json").is_file():
        raise DataError(
            f"{folder} holds no model: python scripts/train_emoji.py --export writes it."
        )
    pipeline: Any = StableDiffusionPipeline.from_pretrained(
        str(folder), torch_dtype=torch.float32, use_safetensors=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline

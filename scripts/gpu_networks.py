"""Networks of Stable Diffusion's sizes with random weights, from settings alone, and their scores.

The settings are those of the published models' config.json files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from scoregeo.score.condition import Fixed
from scoregeo.score.guided import AbstractGuidedScore
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.sd3 import SD3Score
from scoregeo.score.sdxl import SDXLScore
from scoregeo.score.stable_diffusion import StableDiffusionScore

SD15 = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SD3 = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
}
# What the same classes are made of to be tried on a processor.
TINY: dict[str, dict[str, Any]] = {
    "Stable Diffusion 1.5": {
        "sample_size": 16,
        "block_out_channels": (32, 32, 32, 32),
        "layers_per_block": 1,
        "cross_attention_dim": 16,
    },
    "Stable Diffusion XL": {
        "sample_size": 8,
        "block_out_channels": (32, 32, 32),
        "layers_per_block": 1,
        "transformer_layers_per_block": 1,
        "attention_head_dim": 8,
        "cross_attention_dim": 16,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 64,
    },
    "Stable Diffusion 3": {
        "sample_size": 8,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 2,
        "joint_attention_dim": 16,
        "caption_projection_dim": 16,
        "pooled_projection_dim": 16,
        "pos_embed_max_size": 8,
    },
}


@dataclass(frozen=True)
class Model:
    """A size of network: `settings` of its class, `score` from a network and its latents' side."""

    name: str
    settings: Mapping[str, Any]
    score: Callable[[torch.nn.Module, int], AbstractGuidedScore]
    transformer: bool = False

    def network(self, tiny: bool, seed: int = 0) -> torch.nn.Module:
        """The network in float32 on the processor."""
        from diffusers import SD3Transformer2DModel, UNet2DConditionModel

        torch.manual_seed(seed)
        settings = {**self.settings, **(TINY[self.name] if tiny else {})}
        made: torch.nn.Module = (
            SD3Transformer2DModel(**settings)
            if self.transformer
            else UNet2DConditionModel(**settings)
        )
        return made

    @staticmethod
    def side(network: Any) -> int:
        """Of the latents that the network is trained on."""
        return int(network.config.sample_size)


def _schedule() -> NoiseSchedule:
    """Stable Diffusion's: square roots of beta evenly spaced."""
    beta = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return NoiseSchedule((1 - beta).cumprod(0))


def _prompt(rows: int, width: int) -> Fixed:
    return Fixed(torch.randn(rows, width, generator=torch.Generator().manual_seed(1)))


def _sd15(network: Any, side: int) -> AbstractGuidedScore:
    prompt = _prompt(77, network.config.cross_attention_dim)
    return StableDiffusionScore(
        network, _schedule(), "epsilon", (4, side, side), prompt, chunk=None
    )


def _sdxl(network: Any, side: int) -> AbstractGuidedScore:
    config = network.config
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    width = config.cross_attention_dim
    return SDXLScore(
        network,
        _schedule(),
        "epsilon",
        (4, side, side),
        _prompt(77 - -pooled // width, width),
        chunk=None,
        pooled=pooled,
        time_ids=(8 * side, 8 * side, 0, 0, 8 * side, 8 * side),
    )


def _sd3(network: Any, side: int) -> AbstractGuidedScore:
    config = network.config
    pooled, width = config.pooled_projection_dim, config.joint_attention_dim
    prompt = _prompt(77 + 256 - -pooled // width, width)
    return SD3Score(network, (16, side, side), prompt, chunk=None, pooled=pooled)


MODELS = (
    Model("Stable Diffusion 1.5", SD15, _sd15),
    Model("Stable Diffusion XL", SDXL, _sdxl),
    Model("Stable Diffusion 3", SD3, _sd3, transformer=True),
)

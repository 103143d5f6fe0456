"""Flux: a rectified flow on 2 x 2 patches of latents under CLIP's pooled embedding and T5, with
guidance as an input where it was distilled.

Black Forest Labs 2024; behaviour as diffusers' `FluxPipeline`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scoregeo.score.condition import AbstractCondition
from scoregeo.score.family import Configs, Family, Part, Parts, refuse_prediction
from scoregeo.score.flow import (
    AbstractFlowModel,
    AbstractFlowScore,
    check_latent_channels,
    dynamic_shift,
    flow_scheduler,
)
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.latent_model import Size
from scoregeo.score.network import frozen
from scoregeo.score.prompt import AbstractPrompts, TextEncoder, check_length, packed, unpacked

T5_TOKENS = 512  # to which diffusers pads
SIDE = 128  # of latents where a pipeline is given no size


@dataclass(frozen=True, eq=False)
class FluxScore(AbstractFlowScore):
    """Score of latents [16, h, w] of Flux, which the network sees as tokens of 2 x 2 pixels.

    Embeddings hold T5's rows, then CLIP's pooled embedding of `pooled` numbers (`packed`).
    `distilled`: the network takes the guidance as an input (Flux dev), one evaluation whatever the
    guidance, and the negative prompt plays no part. Otherwise (Flux schnell) guidance is
    classifier-free, `true_cfg_scale` of diffusers' pipeline.
    """

    transformer: torch.nn.Module
    latent_shape: tuple[int, int, int]
    condition: AbstractCondition
    negative: torch.Tensor | None = None
    guidance: float = 1.0
    chunk: int | None = 8
    pooled: int = 768
    distilled: bool = True

    def __post_init__(self) -> None:
        self.check_settings()
        frozen(self.transformer)

    @property
    def guided(self) -> bool:
        return not self.distilled and self.guidance != 1

    def _velocity(
        self, x: torch.Tensor, time: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        tokens, pooled = unpacked(embedding, self.pooled)
        height, width = x.shape[2:]
        guidance = torch.full_like(time, self.guidance) if self.distilled else None
        output: torch.Tensor = self.transformer(
            hidden_states=pack_latents(x),
            timestep=time,
            guidance=guidance,
            pooled_projections=pooled,
            encoder_hidden_states=tokens,
            txt_ids=x.new_zeros(tokens.shape[1], 3),
            img_ids=image_ids(height // 2, width // 2).to(x),
        ).sample
        return unpack_latents(output, height, width)


def pack_latents(x: torch.Tensor) -> torch.Tensor:
    """Latents [batch, channels, h, w] as tokens [batch, h w / 4, 4 channels] of 2 x 2 pixels."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(batch, (height // 2) * (width // 2), 4 * channels)


def unpack_latents(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The inverse of `pack_latents`."""
    batch, _, size = tokens.shape
    x = tokens.reshape(batch, height // 2, width // 2, size // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(batch, size // 4, height, width)


def image_ids(rows: int, columns: int) -> torch.Tensor:
    """Places of tokens [rows columns, 3]: 0, row, column."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([torch.zeros_like(row), row, column], 2).reshape(-1, 3).float()


class FluxPrompts(AbstractPrompts):
    """T5's last hidden states, and CLIP's pooled output."""

    def __init__(self, clip: TextEncoder, t5: TextEncoder) -> None:
        super().__init__()
        self.clip, self.t5 = clip, t5

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return (self.clip.network, self.t5.network)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.t5.network.device
        return device

    def _check_text(self, prompt: str, key: str) -> None:
        check_length((self.t5,), prompt, key)

    def _encoded(self, prompt: str) -> torch.Tensor:
        return packed(self.t5(prompt)[0][0], self.clip(prompt).pooler_output[0])


@dataclass(frozen=True, eq=False)
class Flux(AbstractFlowModel):
    """A loaded pipeline of Flux."""

    transformer: Any
    codec: LatentCodec
    prompts: FluxPrompts
    scheduler: Any

    @property
    def image_size(self) -> tuple[int, int]:
        return SIDE * self.codec.factor, SIDE * self.codec.factor

    @property
    def painting_guidance(self) -> float:
        return 3.5 if self.transformer.config["guidance_embeds"] else 1.0

    @property
    def patch(self) -> int:
        return 2

    def score(
        self,
        prompt: str | AbstractCondition,
        negative_prompt: str | None = None,
        guidance: float = 1.0,
        size: Size = None,
        chunk: int | None = 8,
    ) -> FluxScore:
        config = self.transformer.config
        return FluxScore(
            self.transformer,
            self.latent_shape(size),
            self.condition(prompt),
            self.prompts.negative(negative_prompt),
            guidance,
            chunk,
            pooled=int(config["pooled_projection_dim"]),
            distilled=bool(config["guidance_embeds"]),
        )

    def times(self, steps: int, shape: tuple[int, ...]) -> list[float]:
        config = self.scheduler.config
        mu = dynamic_shift(config, (shape[1] // 2) * (shape[2] // 2), 1.15)
        if config.get("use_flow_sigmas"):
            return self._times(mu, num_inference_steps=steps)
        return self._times(mu, sigmas=np.linspace(1.0, 1 / steps, steps))


def _check(where: str, configs: Configs) -> None:
    latents = configs["vae"].get("latent_channels", 4)
    check_latent_channels(where, configs["transformer"].get("in_channels"), 4 * latents)


def _build(parts: Parts) -> Flux:
    refuse_prediction(parts, FAMILY.name)
    return Flux(
        parts["transformer"],
        LatentCodec(parts["vae"], parts.chunk),
        FluxPrompts(
            TextEncoder(parts["tokenizer"], parts["text_encoder"]),
            TextEncoder(parts["tokenizer_2"], parts["text_encoder_2"], T5_TOKENS),
        ),
        flow_scheduler(parts.scheduler, f"{parts.where}/scheduler"),
    )


FAMILY = Family(
    name="Flux",
    pipelines=("FluxPipeline", "FluxImg2ImgPipeline"),
    parts={
        "transformer": Part("FluxTransformer2DModel"),
        "vae": Part("AutoencoderKL", keeps_float32=True),
        "text_encoder": Part("CLIPTextModel"),
        "text_encoder_2": Part("T5EncoderModel"),
        "tokenizer": Part("CLIPTokenizer"),
        "tokenizer_2": Part("T5Tokenizer"),
    },
    check=_check,
    build=_build,
)

"""Stable Diffusion 3.x: a rectified flow under two CLIP encoders and, if it is there, T5.

Esser et al. 2024; behaviour as diffusers' `StableDiffusion3Pipeline`.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

from scoregeo._utils.errors import DataError
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.family import Configs, Family, Part, Parts, refuse_prediction
from scoregeo.score.flow import (
    TIMESTEPS,
    AbstractFlowModel,
    AbstractFlowScore,
    check_latent_channels,
    dynamic_shift,
    flow_scheduler,
)
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.latent_model import Size, unet_side
from scoregeo.score.network import frozen
from scoregeo.score.prompt import AbstractPrompts, TextEncoder, check_length, packed, unpacked

T5_TOKENS = 256  # to which diffusers pads


@dataclass(frozen=True, eq=False)
class SD3Score(AbstractFlowScore):
    """Score of latents of Stable Diffusion 3; see `AbstractGuidedScore`.

    Embeddings hold the tokens' rows, then the pooled embedding of `pooled` numbers (`packed`).
    """

    transformer: torch.nn.Module
    latent_shape: tuple[int, int, int]
    condition: AbstractCondition
    negative: torch.Tensor | None = None
    guidance: float = 1.0
    chunk: int | None = 8
    pooled: int = 2048

    def __post_init__(self) -> None:
        self.check_settings()
        frozen(self.transformer)

    def _velocity(
        self, x: torch.Tensor, time: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        tokens, pooled = unpacked(embedding, self.pooled)
        output: torch.Tensor = self.transformer(
            hidden_states=x,
            timestep=TIMESTEPS * time,
            encoder_hidden_states=tokens,
            pooled_projections=pooled,
        ).sample
        return output


class SD3Prompts(AbstractPrompts):
    """The CLIP encoders' penultimate hidden states side by side, padded to T5's width; below them
    T5's last ones, zeros where there is no T5; and both CLIP projections.
    """

    def __init__(
        self, first: TextEncoder, second: TextEncoder, third: TextEncoder | None, width: int
    ) -> None:
        """`width`: of the embeddings that the network takes."""
        super().__init__()
        self.clips, self.t5, self.width = (first, second), third, width

    @property
    def _encoders(self) -> tuple[TextEncoder, ...]:
        return self.clips if self.t5 is None else (*self.clips, self.t5)

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return tuple(encoder.network for encoder in self._encoders)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.clips[0].network.device
        return device

    def _check_text(self, prompt: str, key: str) -> None:
        check_length(self._encoders, prompt, key)

    def _encoded(self, prompt: str) -> torch.Tensor:
        outputs = [encoder(prompt, output_hidden_states=True) for encoder in self.clips]
        clip = torch.cat([output.hidden_states[-2][0] for output in outputs], 1)
        clip = pad(clip, (0, self.width - clip.shape[1]))
        t5 = clip.new_zeros(T5_TOKENS, self.width) if self.t5 is None else self.t5(prompt)[0][0]
        pooled = torch.cat([output.text_embeds[0] for output in outputs])
        return packed(torch.cat([clip, t5.to(clip)]), pooled)


@dataclass(frozen=True, eq=False)
class SD3(AbstractFlowModel):
    """A loaded pipeline of Stable Diffusion 3.x."""

    transformer: Any
    codec: LatentCodec
    prompts: SD3Prompts
    scheduler: Any

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = unet_side(self.transformer)
        return height * self.codec.factor, width * self.codec.factor

    @property
    def painting_guidance(self) -> float:
        return 7.0

    @property
    def patch(self) -> int:
        return int(self.transformer.config["patch_size"])

    def latent_shape(self, size: Size) -> tuple[int, int, int]:
        shape = super().latent_shape(size)
        largest = int(self.transformer.config["pos_embed_max_size"]) * self.patch
        if max(shape[1:]) > largest:
            raise DataError(
                f"pictures of {shape[1] * self.codec.factor} x {shape[2] * self.codec.factor}"
                f" pixels (height x width) do not fit the model: no side may be above"
                f" {largest * self.codec.factor}."
            )
        return shape

    def score(
        self,
        prompt: str | AbstractCondition,
        negative_prompt: str | None = None,
        guidance: float = 1.0,
        size: Size = None,
        chunk: int | None = 8,
    ) -> SD3Score:
        return SD3Score(
            self.transformer,
            self.latent_shape(size),
            self.condition(prompt),
            self.prompts.negative(negative_prompt),
            guidance,
            chunk,
            pooled=int(self.transformer.config["pooled_projection_dim"]),
        )

    def times(self, steps: int, shape: tuple[int, ...]) -> list[float]:
        config = self.scheduler.config
        tokens = (shape[1] // self.patch) * (shape[2] // self.patch)
        mu = dynamic_shift(config, tokens, 1.16) if config["use_dynamic_shifting"] else None
        return self._times(mu, num_inference_steps=steps)


def _check(where: str, configs: Configs) -> None:
    latents = configs["vae"].get("latent_channels", 4)
    check_latent_channels(where, configs["transformer"].get("in_channels"), latents)
    takes = configs["transformer"].get("pooled_projection_dim")
    gives = sum(configs[name]["projection_dim"] for name in ("text_encoder", "text_encoder_2"))
    if takes != gives:
        raise DataError(
            f"{where}/transformer takes {takes} pooled numbers, the CLIP encoders give {gives}."
        )


def _build(parts: Parts) -> SD3:
    refuse_prediction(parts, FAMILY.name)
    clip, second = (
        TextEncoder(parts[f"tokenizer{number}"], parts[f"text_encoder{number}"])
        for number in ("", "_2")
    )
    t5 = (
        None
        if parts["text_encoder_3"] is None or parts["tokenizer_3"] is None
        else TextEncoder(parts["tokenizer_3"], parts["text_encoder_3"], T5_TOKENS)
    )
    width = int(parts["transformer"].config["joint_attention_dim"])
    return SD3(
        parts["transformer"],
        LatentCodec(parts["vae"], parts.chunk),
        SD3Prompts(clip, second, t5, width),
        flow_scheduler(parts.scheduler, f"{parts.where}/scheduler"),
    )


FAMILY = Family(
    name="Stable Diffusion 3.x",
    pipelines=("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"),
    parts={
        "transformer": Part("SD3Transformer2DModel"),
        "vae": Part("AutoencoderKL", keeps_float32=True),
        "text_encoder": Part("CLIPTextModelWithProjection"),
        "text_encoder_2": Part("CLIPTextModelWithProjection"),
        "text_encoder_3": Part("T5EncoderModel", optional=True),
        "tokenizer": Part("CLIPTokenizer"),
        "tokenizer_2": Part("CLIPTokenizer"),
        "tokenizer_3": Part("T5Tokenizer", optional=True),
    },
    check=_check,
    build=_build,
)

"""Stable Diffusion XL: two text encoders, a pooled embedding, and the picture's size as inputs.

Podell et al. 2023, sections 2.1 and 2.2; behaviour as diffusers' `StableDiffusionXLPipeline`.
"""

from dataclasses import dataclass
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.ddim_scheduler import ddim_scheduler
from scoregeo.score.family import Configs, Family, Part, Parts
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.latent_model import AbstractDDIMModel, Size, unet_side
from scoregeo.score.prompt import AbstractPrompts, TextEncoder, check_length, packed, unpacked
from scoregeo.score.stable_diffusion import StableDiffusionScore


@dataclass(frozen=True, eq=False)
class SDXLScore(StableDiffusionScore):
    """Score of latents of Stable Diffusion XL; see `StableDiffusionScore`.

    Embeddings hold the tokens' rows, then the pooled embedding of `pooled` numbers (`packed`).
    `time_ids`: the original size, the crop's corner and the target size, in pixels, which the
    network was trained to take into account.
    """

    pooled: int = 1280
    time_ids: tuple[int, int, int, int, int, int] = (1024, 1024, 0, 0, 1024, 1024)

    def _asked(
        self, x: torch.Tensor, timestep: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        tokens, pooled = unpacked(embedding, self.pooled)
        unet: Any = self.unet
        output: torch.Tensor = unet(
            x,
            timestep,
            encoder_hidden_states=tokens,
            added_cond_kwargs={
                "text_embeds": pooled,
                "time_ids": tokens.new_tensor(self.time_ids).expand(len(x), -1),
            },
        ).sample
        return output


class SDXLPrompts(AbstractPrompts):
    """Both encoders' penultimate hidden states side by side, and the second one's projection."""

    def __init__(self, first: TextEncoder, second: TextEncoder, zero_negative: bool = True) -> None:
        """`zero_negative`: no negative prompt is zeros, not the empty prompt
        (`force_zeros_for_empty_prompt`).
        """
        super().__init__()
        self.first, self.second, self.zero_negative = first, second, zero_negative

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return (self.first.network, self.second.network)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.second.network.device
        return device

    def negative(self, prompt: str | None) -> torch.Tensor:
        if prompt is None and self.zero_negative:
            return torch.zeros_like(self.encode(""))
        return super().negative(prompt)

    def _check_text(self, prompt: str, key: str) -> None:
        check_length((self.first,), prompt, key)
        check_length((self.second,), prompt, key)

    def _encoded(self, prompt: str) -> torch.Tensor:
        first, second = (
            encoder(prompt, output_hidden_states=True) for encoder in (self.first, self.second)
        )
        tokens = torch.cat([first.hidden_states[-2][0], second.hidden_states[-2][0]], 1)
        return packed(tokens, second.text_embeds[0])


@dataclass(frozen=True, eq=False)
class SDXL(AbstractDDIMModel):
    """A loaded pipeline of Stable Diffusion XL."""

    unet: Any
    codec: LatentCodec
    prompts: SDXLPrompts
    scheduler: Any

    @property
    def network(self) -> torch.nn.Module:
        unet: torch.nn.Module = self.unet
        return unet

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = unet_side(self.unet)
        return height * self.codec.factor, width * self.codec.factor

    @property
    def painting_guidance(self) -> float:
        return 5.0

    def score(
        self,
        prompt: str | AbstractCondition,
        negative_prompt: str | None = None,
        guidance: float = 1.0,
        size: Size = None,
        chunk: int | None = 8,
    ) -> SDXLScore:
        shape = self.latent_shape(size)
        height, width = shape[1] * self.codec.factor, shape[2] * self.codec.factor
        return SDXLScore(
            self.unet,
            self.schedule,
            self.prediction,
            shape,
            self.condition(prompt),
            self.prompts.negative(negative_prompt),
            guidance,
            chunk,
            pooled=int(self.prompts.second.network.config.projection_dim),
            time_ids=(height, width, 0, 0, height, width),
        )


def _check(where: str, configs: Configs) -> None:
    unet, text, latents = (
        configs["unet"],
        configs["text_encoder_2"],
        configs["vae"].get("latent_channels", 4),
    )
    kind, distilled = unet.get("addition_embed_type"), unet.get("time_cond_proj_dim")
    if kind != "text_time" or distilled is not None:
        raise DataError(
            f"{where}/unet has addition_embed_type = {kind!r} and time_cond_proj_dim ="
            f" {distilled!r}; only the base model's ('text_time', None) is supported."
        )
    expected = unet.get("projection_class_embeddings_input_dim")
    given = 6 * unet["addition_time_embed_dim"] + text["projection_dim"]
    if expected != given:
        raise DataError(
            f"{where}/unet takes {expected} numbers beside the tokens, text and sizes give {given}:"
            " a refiner, or parts that do not fit each other."
        )
    if unet.get("in_channels") != latents:
        raise DataError(
            f"{where}/unet takes {unet.get('in_channels')} channels, latents have {latents}:"
            " inpainting and editing models take a picture as well and are not supported."
        )


def _build(parts: Parts) -> SDXL:
    return SDXL(
        parts["unet"],
        LatentCodec(parts["vae"], parts.chunk, standardized=True),
        SDXLPrompts(
            TextEncoder(parts["tokenizer"], parts["text_encoder"]),
            TextEncoder(parts["tokenizer_2"], parts["text_encoder_2"]),
            bool(parts.settings.get("force_zeros_for_empty_prompt", True)),
        ),
        ddim_scheduler(
            parts.scheduler, f"{parts.where}/scheduler", parts.prediction, clip_sample=False
        ),
    )


FAMILY = Family(
    name="Stable Diffusion XL",
    pipelines=("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"),
    parts={
        "unet": Part("UNet2DConditionModel"),
        "vae": Part("AutoencoderKL", keeps_float32=True),
        "text_encoder": Part("CLIPTextModel"),
        "text_encoder_2": Part("CLIPTextModelWithProjection"),
        "tokenizer": Part("CLIPTokenizer"),
        "tokenizer_2": Part("CLIPTokenizer"),
    },
    check=_check,
    build=_build,
)

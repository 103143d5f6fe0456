"""Unconditional pipelines in pixel space: `DDPMPipeline` and `DDIMPipeline`, sampled by DDIM."""

from dataclasses import dataclass
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.ddim_scheduler import ddim_scheduler
from scoregeo.score.family import Configs, Family, Part, Parts
from scoregeo.score.latent_model import AbstractDDIMModel, Size, unet_side
from scoregeo.score.prompt import AbstractPrompts
from scoregeo.score.stable_diffusion import StableDiffusionScore


@dataclass(frozen=True, eq=False)
class UnconditionalScore(StableDiffusionScore):
    """Score of pictures of a `UNet2DModel`, called as unet(x_vp, t).sample."""

    def _asked(
        self, x: torch.Tensor, timestep: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        unet: Any = self.unet
        output: torch.Tensor = unet(x, timestep).sample
        return output


class NoPrompts(AbstractPrompts):
    """The empty prompt alone."""

    def __init__(self, network: torch.nn.Module) -> None:
        """`network`: says on which device the model is."""
        super().__init__()
        self._network = network

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return ()

    @property
    def device(self) -> torch.device:
        return next(self._network.parameters()).device

    def _check_text(self, prompt: str, key: str) -> None:
        if prompt:
            raise ConfigError(
                f"{key} = {prompt!r} is not allowed: the model is unconditional and takes '' alone."
            )

    def _encoded(self, prompt: str) -> torch.Tensor:
        return torch.zeros(1, 1, device=self.device)


@dataclass(frozen=True, eq=False)
class PixelCodec:
    """Pictures are the model's points. `factor`: their sides are multiples of it."""

    channels: int
    factor: int

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        return ()

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        if height < 1 or width < 1 or height % self.factor or width % self.factor:
            raise DataError(
                f"pictures of {height} x {width} pixels (height x width) do not fit the network:"
                f" both sides must be multiples of {self.factor}."
            )
        return (self.channels, height, width)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images [batch, channels, H, W] in [-1, 1] as they are."""
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise DataError(
                f"pictures must have shape [batch, {self.channels}, height, width], the network's"
                f" channels; they have {tuple(images.shape)}."
            )
        self.latent_shape(*images.shape[2:])
        if not bool((images.abs() <= 1 + 1e-3).all()):  # NaN is refused as well
            raise DataError("pictures must have values in [-1, 1].")
        return images

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Points clamped to [-1, 1]."""
        return latents.clamp(-1, 1)


@dataclass(frozen=True, eq=False)
class Unconditional(AbstractDDIMModel):
    """A loaded unconditional pipeline."""

    unet: Any
    codec: PixelCodec
    prompts: NoPrompts
    scheduler: Any

    @property
    def network(self) -> torch.nn.Module:
        unet: torch.nn.Module = self.unet
        return unet

    @property
    def image_size(self) -> tuple[int, int]:
        return unet_side(self.unet)

    def score(
        self,
        prompt: str | AbstractCondition = "",
        negative_prompt: str | None = None,
        guidance: float = 1.0,
        size: Size = None,
        chunk: int | None = 8,
    ) -> UnconditionalScore:
        if guidance != 1:
            raise ConfigError(
                f"score.guidance = {guidance!r} is not allowed: the model is unconditional, there"
                " is nothing to guide by; it must be 1."
            )
        return UnconditionalScore(
            self.unet,
            self.schedule,
            self.prediction,
            self.latent_shape(size),
            self.condition(prompt),
            chunk=chunk,
        )


def _check(where: str, configs: Configs) -> None:
    unet = configs["unet"]
    for key in ("class_embed_type", "num_class_embeds"):
        if unet.get(key) is not None:
            raise DataError(
                f"{where}/unet takes class labels ({key} = {unet[key]!r}), which is not supported."
            )
    if unet.get("in_channels") != unet.get("out_channels"):
        raise DataError(
            f"{where}/unet takes {unet.get('in_channels')} channels and gives"
            f" {unet.get('out_channels')}: a network that predicts variances too is not"
            " supported."
        )


def _build(parts: Parts) -> Unconditional:
    unet = parts["unet"]
    factor = 2 ** (len(unet.config["block_out_channels"]) - 1)
    return Unconditional(
        unet,
        PixelCodec(int(unet.config["in_channels"]), factor),
        NoPrompts(unet),
        ddim_scheduler(parts.scheduler, f"{parts.where}/scheduler", parts.prediction),
    )


FAMILY = Family(
    name="unconditional",
    pipelines=("DDPMPipeline", "DDIMPipeline"),
    parts={"unet": Part("UNet2DModel")},
    check=_check,
    build=_build,
)

"""The parts of a loaded Stable Diffusion pipeline, and pictures made by them."""

from dataclasses import dataclass
from typing import Any

import torch

from scoregeo.score.condition import AbstractCondition
from scoregeo.score.ddim_scheduler import ddim_scheduler
from scoregeo.score.family import Family, Part, Parts
from scoregeo.score.guided import AbstractGuidedScore
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.latent_model import AbstractDDIMModel, AbstractLatentModel, Size, unet_side
from scoregeo.score.prompt import PromptEncoder
from scoregeo.score.sd_folder import check_kind
from scoregeo.score.stable_diffusion import StableDiffusionScore


@dataclass(frozen=True, eq=False)
class StableDiffusion(AbstractDDIMModel):
    """The parts of a loaded pipeline; `scheduler` is diffusers' `DDIMScheduler` with the model's
    own configuration.
    """

    unet: Any
    codec: LatentCodec
    prompts: PromptEncoder
    scheduler: Any

    @property
    def network(self) -> torch.nn.Module:
        unet: torch.nn.Module = self.unet
        return unet

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = unet_side(self.unet)
        return height * self.codec.factor, width * self.codec.factor

    def score(
        self,
        prompt: str | AbstractCondition,
        negative_prompt: str | None = "",
        guidance: float = 1.0,
        size: Size = None,
        chunk: int | None = 8,
    ) -> StableDiffusionScore:
        """See `AbstractLatentModel.score`. The negative prompt plays no part without guidance."""
        return StableDiffusionScore(
            self.unet,
            self.schedule,
            self.prediction,
            self.latent_shape(size),
            self.condition(prompt),
            self.prompts.negative(negative_prompt),
            guidance,
            chunk,
        )


def generate(
    model: AbstractLatentModel, score: AbstractGuidedScore, noise: torch.Tensor, steps: int
) -> torch.Tensor:
    """Images [batch, 3, H, W] in [-1, 1] from standard normal `noise` [batch, *score.shape], under
    the score's condition.

    The same image as diffusers' pipeline has from these latents in `steps` steps of the family's
    deterministic sampler (DDIM; Euler steps of the flow), with the same prompt, negative prompt and
    guidance. Costs `steps` score evaluations an image.
    """
    return model.codec.decode(model.sample(score, noise, steps))


def _build(parts: Parts) -> StableDiffusion:
    # StableDiffusionPipeline sets these two in files that say otherwise.
    changes = {"steps_offset": 1, "clip_sample": False}
    return StableDiffusion(
        parts["unet"],
        LatentCodec(parts["vae"], parts.chunk),
        PromptEncoder(parts["tokenizer"], parts["text_encoder"]),
        ddim_scheduler(parts.scheduler, f"{parts.where}/scheduler", parts.prediction, **changes),
    )


FAMILY = Family(
    name="Stable Diffusion 1.x and 2.x",
    pipelines=("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline"),
    parts={
        "vae": Part("AutoencoderKL", keeps_float32=True),
        "unet": Part("UNet2DConditionModel"),
        "tokenizer": Part("CLIPTokenizer"),
        "text_encoder": Part("CLIPTextModel"),
    },
    check=check_kind,
    build=_build,
)

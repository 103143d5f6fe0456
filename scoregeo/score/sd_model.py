"""The parts of a loaded Stable Diffusion pipeline, and pictures made by them."""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.score.condition import AbstractCondition, Fixed
from scoregeo.score.grid import SamplingGrid
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.prompt import PromptEncoder
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.stable_diffusion import StableDiffusionScore


@dataclass(frozen=True, eq=False)
class StableDiffusion:
    """The parts of a loaded pipeline; `scheduler` is diffusers' `DDIMScheduler` with the model's
    own configuration.
    """

    unet: Any
    codec: LatentCodec
    prompts: PromptEncoder
    scheduler: Any

    @property
    def prediction(self) -> str:
        """What the network predicts: "epsilon", "v_prediction" or "sample"."""
        return str(self.scheduler.config["prediction_type"])

    @cached_property
    def schedule(self) -> NoiseSchedule:
        """Noise levels of the timesteps."""
        # At zero terminal signal-to-noise ratio the last level would be infinite; diffusers' Euler
        # sampler sets this value, too.
        return NoiseSchedule(self.scheduler.alphas_cumprod.double().clamp(min=2.0**-24))

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width, in pixels, of the pictures the network was trained on."""
        size = self.unet.config["sample_size"]
        height, width = (size, size) if isinstance(size, int) else size
        return (int(height) * self.codec.factor, int(width) * self.codec.factor)

    def score(
        self,
        prompt: str | AbstractCondition,
        negative_prompt: str = "",
        guidance: float = 1.0,
        size: int | tuple[int, int] | None = None,
        chunk: int = 8,
    ) -> StableDiffusionScore:
        """The score of latents of pictures of `size` pixels (one side, or height and width; by
        default `image_size`).

        The negative prompt plays no part without guidance. Raises ConfigError for a missing or too
        long prompt and guidance below 1, DataError for a size that the autoencoder does not take.
        """
        condition = (
            prompt if isinstance(prompt, AbstractCondition) else Fixed(self.prompts.encode(prompt))
        )
        negative = self.prompts.encode(negative_prompt, "negative_prompt")
        height, width = (
            self.image_size if size is None else (size, size) if isinstance(size, int) else size
        )
        shape = self.codec.latent_shape(height, width)
        return StableDiffusionScore(
            self.unet, self.schedule, self.prediction, shape, condition, negative, guidance, chunk
        )

    def grid(self, steps: int) -> SamplingGrid:
        """The noise levels that `StableDiffusionPipeline` with this DDIM scheduler visits in
        `steps` steps.
        """
        largest = self.schedule.num_timesteps
        check_number("steps", steps, at_least=1, at_most=largest, integer=True)
        scheduler = copy(self.scheduler)  # set_timesteps writes to it
        scheduler.set_timesteps(steps)
        timesteps = scheduler.timesteps.tolist()
        if timesteps[0] >= largest:
            raise ConfigError(
                f"steps = {steps} is not allowed: the scheduler would start at timestep"
                f" {timesteps[0]} of {largest}."
            )
        end = float(self.scheduler.final_alpha_cumprod)
        before = [
            timestep - largest // steps for timestep in timesteps
        ]  # as DDIMScheduler.step has it
        last = ((1 - end) / end) ** 0.5
        return SamplingGrid(
            high=tuple(self._level(t) for t in timesteps),
            low=tuple(self._level(t) if t >= 0 else last for t in before),
        )

    def _level(self, timestep: int) -> float:
        return float(self.schedule.sigma(torch.tensor(float(timestep), dtype=torch.float64)))


def generate(
    model: StableDiffusion, score: StableDiffusionScore, noise: torch.Tensor, steps: int
) -> torch.Tensor:
    """Images [batch, 3, H, W] in [-1, 1] from standard normal `noise` [batch, *score.shape], under
    the score's condition.

    The same image as `StableDiffusionPipeline(latents=noise, num_inference_steps=steps)` with a
    DDIM scheduler and the same prompt, negative prompt and guidance. Costs `steps` score
    evaluations an image.
    """
    grid = model.grid(steps)
    return model.codec.decode(grid.decode(score, grid.from_noise(noise), grid.high[0]))

"""A generative model as the rest of the project uses it, whatever its family: pictures to points
and back, prompts to conditions, the score, the sampler's noise levels.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import copy
from functools import cached_property
from typing import Any, Protocol

import torch

from scoregeo._utils.errors import ConfigError, DataError, check_number
from scoregeo.score.condition import AbstractCondition, Fixed
from scoregeo.score.config_numbers import sides_of_network
from scoregeo.score.grid import SamplingGrid
from scoregeo.score.guided import AbstractGuidedScore
from scoregeo.score.offload import device_of_network, offload, place
from scoregeo.score.prompt import AbstractPrompts
from scoregeo.score.schedule import NoiseSchedule

Size = int | tuple[int, int] | None
_LONGEST = 2.0  # of sizes in a picture's shape: greatest ratio of the sides
_STEP = 2  # latent pixels that the sides of such a size are multiples of


class Codec(Protocol):
    """Pictures [batch, channels, H, W] in [-1, 1] to a model's points and back."""

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Shape of the points of pictures `height` x `width`; DataError where there are none."""
        ...

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images to clean points, of the images' dtype."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Clean points to images in [-1, 1], of the points' dtype."""
        ...

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """What has weights."""
        ...


class AbstractLatentModel(ABC):
    """A loaded pipeline. A family gives its parts and what is abstract here.

    `generate` gives the pictures of diffusers' own pipeline with the deterministic sampler of the
    model's family (DDIM, or Euler steps of the flow), from the same noise.
    """

    codec: Codec
    prompts: AbstractPrompts

    @property
    @abstractmethod
    def network(self) -> torch.nn.Module:
        """The denoising network."""

    @property
    @abstractmethod
    def image_size(self) -> tuple[int, int]:
        """Height and width, in pixels, of the pictures the network was trained on."""

    def size_like(self, ratio: float | None) -> tuple[int, int]:
        """Height and width of as many pixels as `image_size` has, in the shape of a picture whose
        width is `ratio` times its height, at most 2 to 1. `image_size` for None, and for models
        that take no other shape.
        """
        height, width = trained = self.image_size
        ratio = width / height if ratio is None else min(max(ratio, 1 / _LONGEST), _LONGEST)
        if ratio == width / height:
            return trained
        step = _STEP * (height // self.codec.latent_shape(*trained)[1])
        sides = ((height * width / ratio) ** 0.5, (height * width * ratio) ** 0.5)
        found = (max(1, round(sides[0] / step)) * step, max(1, round(sides[1] / step)) * step)
        try:
            self.latent_shape(found)
        except DataError:
            return trained
        return found

    @property
    def painting_guidance(self) -> float:
        """Of the pictures it makes where none is given: the default of diffusers' pipeline of this
        family, 7.5 of Stable Diffusion's.
        """
        return 7.5

    @abstractmethod
    def score(
        self,
        prompt: str | AbstractCondition,
        negative_prompt: str | None = None,
        guidance: float = 1.0,
        size: Size = None,
        chunk: int | None = 8,
    ) -> AbstractGuidedScore:
        """The score of points of pictures of `size` pixels (one side, or height and width; by
        default `image_size`). A negative prompt of None is what diffusers' pipeline takes where it
        is given none.

        Raises ConfigError for a missing or too long prompt and guidance below 1, DataError for a
        size that the model does not take.
        """

    @abstractmethod
    def grid(self, steps: int, size: Size = None) -> SamplingGrid:
        """The noise levels that diffusers' pipeline visits in `steps` steps for pictures of `size`
        pixels.
        """

    @torch.no_grad()
    def sample(self, score: AbstractGuidedScore, noise: torch.Tensor, steps: int) -> torch.Tensor:
        """Clean points from standard normal `noise` [batch, *score.shape]; `steps` score
        evaluations a point.
        """
        grid = self.grid(steps)
        return grid.decode(score, grid.from_noise(noise), grid.high[0])

    @property
    def networks(self) -> Iterator[torch.nn.Module]:
        """Every network of the model."""
        yield from (self.network, *self.codec.networks, *self.prompts.networks)

    @property
    def device(self) -> torch.device:
        """Where points lie: with the denoising network, except on Apple's GPU, which has no
        float64.
        """
        found = device_of_network(self.network)
        return torch.device("cpu") if found.type == "mps" else found

    def to(self, device: str | torch.device, offloaded: bool = False) -> None:
        """Move the networks to `device`; where `offloaded`, the denoising network alone, the others
        for as long as they are used.
        """
        for network in self.networks:
            if offloaded and network is not self.network:
                offload(network, device)
            else:
                place(network, device)
        self.prompts.forget()

    def condition(self, prompt: str | AbstractCondition) -> AbstractCondition:
        """A prompt as a condition; a condition is returned as it is."""
        return (
            prompt if isinstance(prompt, AbstractCondition) else Fixed(self.prompts.encode(prompt))
        )

    def latent_shape(self, size: Size) -> tuple[int, int, int]:
        """Shape of the points of pictures of `size` pixels."""
        height, width = (
            self.image_size if size is None else (size, size) if isinstance(size, int) else size
        )
        return self.codec.latent_shape(height, width)


class AbstractDDIMModel(AbstractLatentModel):
    """A variance-preserving model; `scheduler` is diffusers' `DDIMScheduler` with the model's own
    configuration.
    """

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

    def grid(self, steps: int, size: Size = None) -> SamplingGrid:
        """The noise levels that diffusers' pipeline with this DDIM scheduler visits in `steps`
        steps, whatever the size.
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
        clip = scheduler.config["clip_sample"]
        return SamplingGrid(
            high=tuple(self._level(t) for t in timesteps),
            low=tuple(self._level(t) if t >= 0 else last for t in before),
            clip=float(scheduler.config["clip_sample_range"]) if clip else None,
        )

    def _level(self, timestep: int) -> float:
        return float(self.schedule.sigma(torch.tensor(float(timestep), dtype=torch.float64)))


def unet_side(network: torch.nn.Module) -> tuple[int, int]:
    """Height and width of the points that a diffusers network was trained on. Raises DataError
    where its settings do not say.
    """
    config: Any = network.config
    return sides_of_network(type(network).__name__, config)

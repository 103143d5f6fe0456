"""Rectified flow in the project's coordinates: scores and samplers of models that predict a
velocity.

A point at time t is `x_t = (1 - t) x0 + t z`, and the network predicts `v = z - x0` (Liu et al.
2023; Esser et al. 2024, section 2). In variance-exploding coordinates `x = x_t / (1 - t)`,
`sigma = t / (1 - t)`; from the prediction `z = x_t + (1 - t) v`, and the score is `-z / sigma`. An
Euler step of the flow from t to t' is there the Euler step `x' = x + (sigma' - sigma) z` of
`SamplingGrid`. At t = 1, where samplers start, sigma is infinite: the first step is taken in x_t.
"""

from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Any

import torch

from scoregeo._utils.errors import DataError, check_number
from scoregeo.score.config_numbers import check_schedule
from scoregeo.score.grid import SamplingGrid
from scoregeo.score.guided import AbstractGuidedScore
from scoregeo.score.latent_codec import LatentCodec
from scoregeo.score.latent_model import AbstractLatentModel, Size

TIMESTEPS = 1000  # diffusers counts time as 1000 t


class AbstractFlowScore(AbstractGuidedScore):
    """Score of a network that predicts a rectified flow's velocity; a family gives `_velocity`."""

    transformer: torch.nn.Module

    @property
    def network(self) -> torch.nn.Module:
        return self.transformer

    @abstractmethod
    def _velocity(
        self, x: torch.Tensor, time: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        """The network's velocity at `x` = x_t [batch, *shape] and `time` = t [batch], float32,
        under `embedding` [batch, rows, width].
        """

    @property
    def sigma_range(self) -> tuple[float, float]:
        return 1 / (TIMESTEPS - 1), float(TIMESTEPS - 1)  # of t = 1 / 1000 and 999 / 1000

    def sigma_of_timestep(self, timestep: float) -> float:
        """Noise level `t / (1 - t)` of the network's own timestep 1000 t, a scheduler's shift
        included.
        """
        check_number("score.timestep", timestep, at_least=1, at_most=TIMESTEPS - 1)
        return timestep / (TIMESTEPS - timestep)

    def _input(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x / (1 + sigma)

    def _score_of(self, output: torch.Tensor, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -(x + output) / (1 + sigma) / sigma

    def _network(self, x: torch.Tensor, embedding: torch.Tensor, sigma: float) -> torch.Tensor:
        time = torch.full((len(x),), 1 / (1 + 1 / sigma), dtype=torch.float32, device=x.device)
        return self._velocity(x, time, embedding)


class AbstractFlowModel(AbstractLatentModel):
    """A rectified-flow model; `scheduler` is diffusers' `FlowMatchEulerDiscreteScheduler` with the
    model's own configuration, its shift included.
    """

    codec: LatentCodec
    transformer: Any
    scheduler: Any

    @abstractmethod
    def times(self, steps: int, shape: tuple[int, ...]) -> list[float]:
        """The times t at which diffusers' pipeline starts its steps for points of `shape`, falling,
        and 0 at the end.
        """

    @property
    @abstractmethod
    def patch(self) -> int:
        """Side, in latent pixels, of the patches that are the network's tokens."""

    @property
    def network(self) -> torch.nn.Module:
        transformer: torch.nn.Module = self.transformer
        return transformer

    def latent_shape(self, size: Size) -> tuple[int, int, int]:
        shape = super().latent_shape(size)
        if shape[1] % self.patch or shape[2] % self.patch:
            side = self.codec.factor * self.patch
            raise DataError(
                f"pictures of {shape[1] * self.codec.factor} x {shape[2] * self.codec.factor}"
                f" pixels (height x width) do not fit the model: both sides must be multiples of"
                f" {side}."
            )
        return shape

    def grid(self, steps: int, size: Size = None) -> SamplingGrid:
        """The finite noise levels that diffusers' pipeline visits in `steps` steps; its first step,
        from t = 1, is not among them (see `sample`). At least 2 steps.
        """
        check_number("steps", steps, at_least=2, integer=True)
        levels = [t / (1 - t) for t in self.times(steps, self.latent_shape(size)) if t < 1]
        return SamplingGrid(high=tuple(levels[:-1]), low=tuple(levels[1:]))

    @torch.no_grad()
    def sample(self, score: AbstractGuidedScore, noise: torch.Tensor, steps: int) -> torch.Tensor:
        check_number("steps", steps, at_least=1, integer=True)
        times = self.times(steps, tuple(noise.shape[1:]))
        x, t = noise, times[0]
        if t == 1:
            velocity = score.output(noise, float("inf"), noise)
            x, t = noise + (times[1] - 1) * velocity, times[1]
        levels = [time / (1 - time) for time in times if time < 1]
        if len(levels) == 1:
            return x
        grid = SamplingGrid(high=tuple(levels[:-1]), low=tuple(levels[1:]))
        return grid.decode(score, x / (1 - t), levels[0])

    def _times(self, mu: float | None, **settings: Any) -> list[float]:
        scheduler = copy(self.scheduler)  # set_timesteps writes to it
        scheduler.set_timesteps(**settings, **({} if mu is None else {"mu": mu}))
        times: list[float] = scheduler.sigmas.double().tolist()
        return times


def dynamic_shift(config: Mapping[str, Any], tokens: int, max_shift: float) -> float:
    """The exponent mu of the resolution-dependent shift, linear in the number of `tokens` of a
    picture (diffusers' `calculate_shift`; Esser et al. 2024, section 5.3.2). `max_shift`: where
    the scheduler gives none.
    """
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    base, top = config.get("base_shift", 0.5), config.get("max_shift", max_shift)
    return float(base + (top - base) / (high - low) * (tokens - low))


def flow_scheduler(config: Mapping[str, Any], where: str) -> Any:
    """A `FlowMatchEulerDiscreteScheduler` with a flow-matching scheduler's `config`. Raises
    DataError for one of another kind, and for settings without a deterministic sampler.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    name = str(config.get("_class_name"))
    if not name.startswith("FlowMatch"):
        raise DataError(f"{where} is a {name}: a rectified flow needs a FlowMatch scheduler.")
    check_schedule(where, config)
    for key in ("stochastic_sampling", "invert_sigmas"):
        if config.get(key):
            raise DataError(f"{where}: {key} = True is not supported.")
    try:
        return FlowMatchEulerDiscreteScheduler.from_config(dict(config))
    except (NotImplementedError, ValueError, TypeError, ArithmeticError) as error:
        raise DataError(f"{where} cannot be used: {error}") from error


def check_latent_channels(where: str, given: int | None, latents: int) -> None:
    """Raise DataError where a network takes other channels than the autoencoder's latents have."""
    if given != latents:
        raise DataError(
            f"{where}/transformer takes {given} channels, latents have {latents}: models that take"
            " a picture as well (filling, editing, control) are not supported."
        )

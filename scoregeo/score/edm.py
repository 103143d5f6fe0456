"""Scores of denoisers D(x, sigma), the form of Karras et al. 2022 (EDM)."""

from collections.abc import Callable
from copy import copy
from typing import Any

import torch

from scoregeo._utils.errors import DataError, check_number
from scoregeo.score.base import AbstractScore
from scoregeo.score.config_numbers import sides_of_network
from scoregeo.score.grid import SamplingGrid
from scoregeo.score.network import batches, fed, frozen

Denoiser = Callable[[torch.Tensor, float], torch.Tensor]


class DenoiserScore(AbstractScore):
    """Score of a denoiser, `s(x, sigma) = (D(x, sigma) - x) / sigma^2` (Karras et al. 2022, eq. 3),
    which takes variance-exploding points.

    Example:
        >>> import torch, scoregeo
        >>> score = scoregeo.score.DenoiserScore(lambda x, sigma: x / (1 + sigma**2), (2,))
        >>> score.score(torch.ones(1, 2), sigma=1.0)
        tensor([[-0.5000, -0.5000]])
    """

    def __init__(
        self,
        denoiser: Denoiser,
        shape: tuple[int, ...],
        sigma_range: tuple[float, float] = (0.0, float("inf")),
        chunk: int = 512,
    ) -> None:
        """`denoiser(x, sigma)`: the mean of the clean point, like `x` [batch, *shape], at one noise
        level; `chunk`: largest batch it is given.
        """
        check_number("score.chunk", chunk, at_least=1, integer=True)
        self.denoiser, self._shape, self._range, self.chunk = denoiser, shape, sigma_range, chunk

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self._range

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        clean = [self.denoiser(part, sigma) for part in batches(x, self.chunk)]
        return (torch.cat(clean) - x) / sigma**2


def edm_score(network: Any, scheduler: Any, chunk: int = 512) -> DenoiserScore:
    """Score of a diffusers network with an EDM scheduler (`EDMEulerScheduler`,
    `EDMDPMSolverMultistepScheduler`), whose preconditioning makes the denoiser (Karras et al. 2022,
    eq. 7). `network`: called as network(x, c_noise).sample.

    Raises DataError for a scheduler of another kind.
    """
    needed = ("precondition_inputs", "precondition_noise", "precondition_outputs")
    if not all(hasattr(scheduler, name) for name in needed):
        raise DataError(
            f"{type(scheduler).__name__} is no EDM scheduler: it has no preconditioning."
        )
    frozen(network)

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        level = torch.tensor(sigma, dtype=torch.float32, device=x.device)
        inputs = fed(scheduler.precondition_inputs(x, level), network)
        noise = scheduler.precondition_noise(level).expand(len(x))
        return scheduler.precondition_outputs(x, network(inputs, noise).sample.to(x), level).to(x)

    sides = sides_of_network("network", network.config)
    config = scheduler.config
    return DenoiserScore(
        denoise,
        (int(network.config["in_channels"]), *sides),
        (float(config["sigma_min"]), float(config["sigma_max"])),
        chunk,
    )


def edm_grid(scheduler: Any, steps: int) -> SamplingGrid:
    """The noise levels that an EDM scheduler visits in `steps` steps."""
    check_number("steps", steps, at_least=1, integer=True)
    own = copy(scheduler)  # set_timesteps writes to it
    own.set_timesteps(steps)
    levels = own.sigmas.double().tolist()
    return SamplingGrid(high=tuple(levels[:-1]), low=tuple(levels[1:]))

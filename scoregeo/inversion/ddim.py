"""Deterministic DDIM inversion."""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_number
from scoregeo._utils.steps import check_steps
from scoregeo.inversion.base import AbstractInversion
from scoregeo.score.field import ScoreField
from scoregeo.score.grid import SamplingGrid
from scoregeo.score.sampling import ddim_decode, ddim_invert, noise_levels


@dataclass(frozen=True)
class DDIMInversion(AbstractInversion):
    """Follows the probability-flow ODE from each clean end up to sigma in `steps` steps, and back.

    Back in `decode_steps` steps; by default as many. With `rounds` above 0 each step up is solved
    for the point that its step down brings back, by so many rounds of a fixed point
    (`SamplingGrid.invert`), on the steps that decoding takes: a clean end then comes back as it
    was, where the rounds suffice. `steps` is not used then.
    """

    steps: int = 50
    decode_steps: int | None = None
    rounds: int = 0

    def __post_init__(self) -> None:
        check_steps("inversion.steps", self.steps)
        if self.decode_steps is not None:
            check_steps("inversion.decode_steps", self.decode_steps)
        check_number("inversion.rounds", self.rounds, at_least=0, integer=True)

    def lift(
        self, ends: torch.Tensor, field: ScoreField, generator: torch.Generator
    ) -> torch.Tensor:
        if self.rounds:
            rising = noise_levels(field.score, field.sigma, self.decode_evaluations).tolist()
            levels = list(dict.fromkeys(rising[::-1]))  # one where no lower one is to be had
            grid = SamplingGrid(high=tuple(levels), low=(*levels[1:], 0.0))
            return grid.invert(field.score, ends.flatten(0, 1), field.sigma, self.rounds).reshape(
                ends.shape
            )
        return ddim_invert(field.score, ends.flatten(0, 1), field.sigma, self.steps).reshape(
            ends.shape
        )

    def decode(self, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        return ddim_decode(field.score, points, field.sigma, self.decode_evaluations)

    @property
    def lift_evaluations(self) -> int:
        return self.rounds * self.decode_evaluations if self.rounds else self.steps

    @property
    def decode_evaluations(self) -> int:
        return self.steps if self.decode_steps is None else self.decode_steps

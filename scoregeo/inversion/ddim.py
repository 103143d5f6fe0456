"""Deterministic DDIM inversion."""

from dataclasses import dataclass

import torch

from scoregeo.core.errors import check_number
from scoregeo.inversion.base import AbstractInversion
from scoregeo.score.field import ScoreField
from scoregeo.score.sampling import ddim_decode, ddim_invert


@dataclass(frozen=True)
class DDIMInversion(AbstractInversion):
    """Follows the probability-flow ODE from each clean end up to sigma in `steps` steps, and back.

    Back in `decode_steps` steps; by default as many.
    """

    steps: int = 50
    decode_steps: int | None = None

    def __post_init__(self) -> None:
        check_number("inversion.steps", self.steps, at_least=1, integer=True)
        if self.decode_steps is not None:
            check_number("inversion.decode_steps", self.decode_steps, at_least=1, integer=True)

    def lift(self, ends: torch.Tensor, field: ScoreField, generator: torch.Generator) -> torch.Tensor:
        return ddim_invert(field.score, ends.flatten(0, 1), field.sigma, self.steps).reshape(ends.shape)

    def decode(self, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        return ddim_decode(field.score, points, field.sigma, self.decode_evaluations)

    @property
    def lift_evaluations(self) -> int:
        return self.steps

    @property
    def decode_evaluations(self) -> int:
        return self.steps if self.decode_steps is None else self.decode_steps

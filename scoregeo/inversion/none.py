"""No inversion: paths between clean points, in the metric of a blurred density."""

from dataclasses import dataclass

import torch

from scoregeo._utils.steps import check_steps
from scoregeo.inversion.base import AbstractInversion
from scoregeo.score.field import ScoreField
from scoregeo.score.sampling import ddim_decode


@dataclass(frozen=True)
class NoInversion(AbstractInversion):
    """Ends stay where they are. `decode_steps` > 0 decodes the path's points as if they lay at the
    noise level.
    """

    decode_steps: int = 0

    def __post_init__(self) -> None:
        check_steps("inversion.decode_steps", self.decode_steps, at_least=0)

    def lift(
        self, ends: torch.Tensor, field: ScoreField, generator: torch.Generator
    ) -> torch.Tensor:
        return ends

    def decode(self, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        return (
            ddim_decode(field.score, points, field.sigma, self.decode_steps)
            if self.decode_steps
            else points
        )

    @property
    def lift_evaluations(self) -> int:
        return 0

    @property
    def decode_evaluations(self) -> int:
        return self.decode_steps

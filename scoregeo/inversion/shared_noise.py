"""The paper's inversion: both ends with one draw of noise."""

from dataclasses import dataclass

import torch

from scoregeo._utils.seed import normal
from scoregeo._utils.steps import check_steps
from scoregeo.inversion.base import AbstractInversion
from scoregeo.score.field import ScoreField
from scoregeo.score.sampling import ddim_decode


@dataclass(frozen=True)
class SharedNoise(AbstractInversion):
    """`x = x0 + sigma z`, one z for both ends of a pair.

    Another for each pair; decoding by deterministic DDIM in `decode_steps` steps.
    """

    decode_steps: int = 50

    def __post_init__(self) -> None:
        check_steps("inversion.decode_steps", self.decode_steps)

    def lift(
        self, ends: torch.Tensor, field: ScoreField, generator: torch.Generator
    ) -> torch.Tensor:
        noise = normal((len(ends), 1, *ends.shape[2:]), generator)
        return ends + field.sigma * noise.to(ends)

    def decode(self, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        return ddim_decode(field.score, points, field.sigma, self.decode_steps)

    @property
    def lift_evaluations(self) -> int:
        return 0

    @property
    def decode_evaluations(self) -> int:
        return self.decode_steps

"""Linear interpolation."""

from dataclasses import dataclass

import torch

from scoregeo.baseline.base import DATA, NOISE, AbstractBaseline
from scoregeo.core.errors import check_choice
from scoregeo.path.interpolation import linear


@dataclass(frozen=True)
class Lerp(AbstractBaseline):
    """`(1 - u) a + u b`, of the clean ends ("data") or of the lifted ones ("noise"); no score evaluation."""

    space: str = DATA

    def __post_init__(self) -> None:
        check_choice("baseline.lerp.space", self.space, (DATA, NOISE))

    def path(self, ends: torch.Tensor, num_points: int) -> torch.Tensor:
        return linear(ends, num_points)

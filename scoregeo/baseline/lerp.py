"""Linear interpolation."""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_choice
from scoregeo.baseline.base import DATA, NOISE, AbstractBaseline, BaselinePath, Ends, closed_form
from scoregeo.path.interpolation import linear


@dataclass(frozen=True)
class Lerp(AbstractBaseline):
    """`(1 - u) a + u b`, of the clean ends ("data") or of the noisy ones ("noise"); no score
    evaluation.
    """

    space: str = DATA
    needs_noise = False

    def __post_init__(self) -> None:
        check_choice("baseline.lerp.space", self.space, (DATA, NOISE))

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        return closed_form(linear(ends.at(self.space), num_points))

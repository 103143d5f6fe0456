"""Spherical linear interpolation."""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_choice
from scoregeo.baseline.base import DATA, NOISE, AbstractBaseline, BaselinePath, Ends, closed_form
from scoregeo.path.interpolation import spherical


@dataclass(frozen=True)
class Slerp(AbstractBaseline):
    """Interpolation at constant angular speed (see `spherical`), of the clean ends or of the noisy
    ones; no score evaluation.
    """

    space: str = DATA
    needs_noise = False

    def __post_init__(self) -> None:
        check_choice("baseline.slerp.space", self.space, (DATA, NOISE))

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        return closed_form(spherical(ends.at(self.space), num_points))

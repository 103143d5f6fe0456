"""The baseline interface: endpoints to a path without a metric."""

from abc import ABC, abstractmethod

import torch

DATA = "data"
NOISE = "noise"


class AbstractBaseline(ABC):
    """Maps endpoints to a path.

    `space` says which endpoints: the clean ones ("data", frames are not decoded) or the lifted ones ("noise").
    """

    space: str

    @abstractmethod
    def path(self, ends: torch.Tensor, num_points: int) -> torch.Tensor:
        """Ends [pairs, 2, *shape] to paths [pairs, num_points, *shape]."""

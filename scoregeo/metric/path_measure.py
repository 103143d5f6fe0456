"""Energy, length and bound of a batch of paths."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class PathMeasure:
    """What one pass over a batch of paths gives; float64 [pairs] each.

    `energy` tends to `1/2 integral |x'|_x^2 du`, u in [0, 1], as points are added; `length` to
    `integral |x'|_x du`. `lower_bound` lies below the energy of every path between the same ends,
    as far as the metric knows one (0 where it does not)."""

    energy: torch.Tensor
    length: torch.Tensor
    lower_bound: torch.Tensor

    @property
    def excess(self) -> torch.Tensor:
        """Energy above the lower bound, [pairs], never negative."""
        return self.energy - self.lower_bound

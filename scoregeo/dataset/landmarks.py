"""Named points of the data in a known order, such as sentences: what a path passes is told by the
nearest of them.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Landmarks:
    """Points [count, *shape] of the data in their order, and a name of each.

    `closed`: whether the first follows the last.
    """

    points: torch.Tensor
    names: tuple[str, ...]
    closed: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def nearest(self, points: torch.Tensor) -> torch.Tensor:
        """The index of the landmark nearest to each of `points` [..., *shape], [...]."""
        flat, own = points.reshape(-1, self._size).double(), self.points.flatten(1).double()
        found = torch.cdist(flat, own.to(flat)).argmin(1)
        return found.view(points.shape[: points.ndim - self.points.ndim + 1])

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """Euclidean distance of `points` [batch, *shape] to the nearest landmark, [batch]."""
        flat, own = points.flatten(1).double(), self.points.flatten(1).double()
        return torch.cdist(flat, own.to(flat)).amin(1).to(points)

    def ranks(self, index: torch.Tensor, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Steps from landmark `first` [pairs] to landmarks `index` [pairs, ...], counted towards
        `last` [pairs] the shorter way; same shape.

        What lies between the two has ranks from 0 to their number of steps, what lies before the
        first is below 0 and what lies after the last above.
        """
        wide = (-1, *[1] * (index.ndim - 1))
        steps = self.steps(first, last)
        way, length = steps.sign().view(wide), steps.abs().view(wide)
        found = (index - first.view(wide)) * way
        if not self.closed:
            return found
        count = len(self)  # ranks in a window of one turn about the middle of the way
        low = torch.div(length - count, 2, rounding_mode="floor") + 1
        return torch.remainder(found - low, count) + low

    def steps(self, first: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Signed number of steps from `first` to `last`, the shorter way; same shape."""
        found = last - first
        if self.closed:
            half = len(self) // 2
            found = torch.remainder(found + half - 1, len(self)) - half + 1
        return found

    @property
    def _size(self) -> int:
        return self.points[0].numel()

"""The dataset interface: pairs of endpoints and, where it is known, the truth between them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Pairs:
    """Endpoints on the data manifold.

    `first`, `second`: [pairs, *shape]. `names`: one short file-safe name a pair. `groups`: what a table averages over
    apart, such as "60 deg"; one a pair. `truth`: what the dataset needs to rebuild the true path (angles, parameters),
    [pairs, ...], or None.
    """

    first: torch.Tensor
    second: torch.Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...]
    truth: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ends(self) -> torch.Tensor:
        """[pairs, 2, *shape]."""
        return torch.stack([self.first, self.second], 1)


class AbstractDataset(ABC):
    """Where endpoints come from. Everything random follows from the seed it is given."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one point: (D,) for manifolds, (channels, height, width) for images in [-1, 1]."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """float64 for known manifolds, float32 for images."""

    @abstractmethod
    def pairs(self, seed: int) -> Pairs:
        """The endpoint pairs of a run."""

    @abstractmethod
    def sample(self, count: int, seed: int) -> torch.Tensor:
        """`count` points of the data (never the pairs' own), [count, *shape]; for training, references and FID."""

    def held_out(self, count: int, seed: int) -> torch.Tensor:
        """`count` points of the same distribution that no score or start has seen, [count, *shape]: references of FID and KID.

        As it stands a fresh draw; a dataset whose sample is finite gives points outside it.
        """
        return self.sample(count, seed + 1)

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor | None:
        """The true path at `num_points` points of equal arc length on the manifold, [pairs, num_points, *shape], or None."""
        return None

    def true_length(self, pairs: Pairs) -> torch.Tensor | None:
        """Length of the true geodesic, [pairs], in data units, or None."""
        return None

    def distance(self, points: torch.Tensor) -> torch.Tensor | None:
        """Euclidean distance of points [batch, *shape] to the manifold, [batch], or None where it is not known."""
        return None

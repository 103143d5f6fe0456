"""Surfaces in R^3 whose shortest geodesics come from shooting along the geodesic equation."""

from abc import abstractmethod

import numpy as np
import torch

from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of

Coordinates = tuple[float, ...]


class AbstractGeodesicSurface(AbstractDataset):
    """Points [3], float64. A subclass gives the coordinates of the pairs' ends, the shortest
    geodesic between two of them, and the geodesic in a direction.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return self._along(
            pairs, np.broadcast_to(np.linspace(0, 1, num_points), (len(pairs), num_points))
        )

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        """The shortest geodesic, followed on by its own equation; it need not be shortest past the
        second end.
        """
        return self._along(
            pairs, 1 + reach_of(reach, pairs).numpy()[:, None] * np.linspace(0, 1, num_points)
        )

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        lengths = [self._shortest(start, stop)[1] for start, stop in self._ends(pairs)]
        return torch.tensor(lengths, dtype=self.dtype)

    @abstractmethod
    def _ends(self, pairs: Pairs) -> list[tuple[Coordinates, Coordinates]]:
        """Coordinates of both ends of each pair."""

    @abstractmethod
    def _shortest(self, start: Coordinates, stop: Coordinates) -> tuple[float, float]:
        """The shortest geodesic: (angle at `start`, length in data units)."""

    @abstractmethod
    def _shoot(
        self, start: Coordinates, alpha: float, length: float, fractions: np.ndarray
    ) -> np.ndarray:
        """The geodesic from `start` at the angle alpha, at arc lengths `fractions * length`:
        [fractions, 3].
        """

    def _along(self, pairs: Pairs, fractions: np.ndarray) -> torch.Tensor:
        """The shortest geodesics and their continuations, at `fractions` [pairs, points] of their
        lengths: [pairs, points, 3].
        """
        rows = []
        for (start, stop), wanted in zip(self._ends(pairs), fractions, strict=True):
            alpha, length = self._shortest(start, stop)
            # The integrator begins at the first end, whichever fractions are asked for.
            furthest = wanted[-1]
            rows.append(self._shoot(start, alpha, furthest * length, wanted / furthest))
        return torch.from_numpy(np.stack(rows))

"""The initializer interface: the path a solver starts from."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

from scoregeo.metric.base import AbstractMetric

# Ends [pairs, 2, *shape] and a number of points to paths [pairs, points, *shape].
Starter = Callable[[torch.Tensor, int], torch.Tensor]


class AbstractInitializer(ABC):
    """Makes starting paths. Holds configuration only."""

    @abstractmethod
    def prepare(self, metric: AbstractMetric, references: Callable[[int], torch.Tensor]) -> Starter:
        """Do once what all pairs share, and return the function that makes paths.

        `references(count)` gives data points lifted to the metric's noise level, [count, *shape].
        """

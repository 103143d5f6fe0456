"""The initializer interface: the path a solver starts from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch

from scoregeo.metric.base import AbstractMetric

# Ends [pairs, 2, *shape] and a number of points to paths [pairs, points, *shape].
Starter = Callable[[torch.Tensor, int], torch.Tensor]
# A number of points to so many (or fewer) points of the data at the ends' own noise level, [count,
# *shape].
References = Callable[[int], torch.Tensor]


class AbstractInitializer(ABC):
    """Makes one starting path for each pair. Holds configuration only.

    `joint`: whether a pair's start depends on the run's other pairs, so that a shard makes the
    starts of all pairs and keeps its own.
    """

    joint: ClassVar[bool] = False

    @property
    def needs_references(self) -> bool:
        """Whether the starts go through points of the data, so that `prepare` asks for them."""
        return False

    @abstractmethod
    def check(self, metric: AbstractMetric) -> None:
        """Raise ConfigError, naming the key and what works, where these starts cannot be made for
        the metric.
        """

    @abstractmethod
    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        """Do once what all pairs share, and return the function that makes paths.

        `references(count)` gives data points at the noise level of the ends. `noisy`: whether the
        ends lie at the metric's noise level (else they are clean).
        """

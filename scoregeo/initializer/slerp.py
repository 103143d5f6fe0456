"""Spherical starts."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo.initializer.base import AbstractInitializer, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import spherical


@dataclass(frozen=True)
class SlerpInitializer(AbstractInitializer):
    """Starts from the spherical interpolation between the lifted ends; no score evaluation."""

    def prepare(self, metric: AbstractMetric, references: Callable[[int], torch.Tensor]) -> Starter:
        return spherical

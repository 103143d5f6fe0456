"""Straight starts."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo.initializer.base import AbstractInitializer, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear


@dataclass(frozen=True)
class LerpInitializer(AbstractInitializer):
    """Starts from the straight line between the lifted ends; no score evaluation."""

    def prepare(self, metric: AbstractMetric, references: Callable[[int], torch.Tensor]) -> Starter:
        return linear

"""Straight starts."""

from dataclasses import dataclass

from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear


@dataclass(frozen=True)
class LerpInitializer(AbstractInitializer):
    """Starts from the straight line between the ends at the noise level; no score evaluation."""

    def check(self, metric: AbstractMetric) -> None:
        pass

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        return linear

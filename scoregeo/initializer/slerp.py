"""Spherical starts."""

from dataclasses import dataclass

from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import spherical


@dataclass(frozen=True)
class SlerpInitializer(AbstractInitializer):
    """Starts from the spherical interpolation between the ends at the noise level; no score
    evaluation.
    """

    def check(self, metric: AbstractMetric) -> None:
        pass

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        return spherical

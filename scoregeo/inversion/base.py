"""The inversion interface: clean points to a noise level, and back."""

from abc import ABC, abstractmethod

import torch

from scoregeo.score.field import ScoreField


class AbstractInversion(ABC):
    """Takes clean endpoints to the field's noise level and decodes points there to clean ones.
    Holds configuration only.
    """

    @abstractmethod
    def lift(
        self, ends: torch.Tensor, field: ScoreField, generator: torch.Generator
    ) -> torch.Tensor:
        """Clean ends [pairs, 2, *shape] to ends at `field.sigma`, same shape.

        What is drawn for each pair is drawn by `core.seed.normal` or `uniform`: the same in
        whichever shard the pair is."""

    @abstractmethod
    def decode(self, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        """Points at `field.sigma` [batch, *shape] to clean ones, same shape."""

    @property
    @abstractmethod
    def lift_evaluations(self) -> int:
        """Score evaluations a point that `lift` costs."""

    @property
    @abstractmethod
    def decode_evaluations(self) -> int:
        """Score evaluations a point that `decode` costs."""

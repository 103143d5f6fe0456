"""A path's energy and its gradient by a backward pass."""

import torch

from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import value_and_gradient


def energy_and_gradient(
    metric: AbstractMetric, path: torch.Tensor, quadrature: Quadrature
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energy [pairs] of `path` [pairs, points, *shape] and its derivative in the inner points,
    [pairs, points - 2, *shape]: three times the evaluations of `measure`, unless the metric holds
    its score constant.

    Where memory runs out in the backward pass, it is done again in smaller batches
    (`ScoreField.derivative`). Raises ScoreError as the score does.
    """
    inner, field = path[:, 1:-1], metric.field
    if not inner.shape[1]:
        return metric.energy(path, quadrature), inner

    def energy(points: torch.Tensor) -> torch.Tensor:
        return metric.energy(torch.cat([path[:, :1], points, path[:, -1:]], 1), quadrature)

    if field is None:
        return value_and_gradient(energy, inner)
    evaluations = metric.evaluations(path.shape[1], quadrature)
    return field.derivative(energy, inner, len(path) * evaluations)


def autograd_gradient(
    metric: AbstractMetric, path: torch.Tensor, quadrature: Quadrature
) -> torch.Tensor:
    """`AbstractMetric.gradient` by `energy_and_gradient`, float64."""
    return energy_and_gradient(metric, path, quadrature)[1].double()

"""Vectors carried from the end of a geodesic back to its start, roughly: for preconditioning."""

import torch

from scoregeo.geometry.rolling import carry
from scoregeo.geometry.transport import transport_along_geodesic
from scoregeo.metric.base import AbstractClosedFormMetric
from scoregeo.solver.base import CONVERGED

# It bounds the speed of what it preconditions, not the accuracy.
_RTOL, _ATOL = 1e-5, 1e-9


def carry_back(
    metric: AbstractClosedFormMetric,
    path: torch.Tensor,
    arrival: torch.Tensor,
    vector: torch.Tensor,
    max_evaluations: int,
) -> tuple[torch.Tensor, list[bool], torch.Tensor | int]:
    """`vector` [batch, *shape] at the ends of geodesics `path` [batch, points, *shape], whose final
    velocity is `arrival`, transported to their starts.

    Returns it, where that was possible, and the score evaluations: one a point for a graph metric
    (`scoregeo.geometry.rolling.carry`), else those of a second integration. Raises ScoreError as
    the score does.
    """
    squares = metric.least_squares
    if squares is not None:
        return carry(squares, path.flip(1), vector), [True] * len(path), path.shape[1]
    back, carried = transport_along_geodesic(
        metric,
        path[:, -1],
        -arrival,
        vector,
        rtol=_RTOL,
        atol=_ATOL,
        max_evaluations=max_evaluations,
    )
    walked = [status == CONVERGED for status in back.status]
    return carried[:, -1], walked, back.score_evaluations

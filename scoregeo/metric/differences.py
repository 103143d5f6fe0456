"""Log-density differences of paths with scores at few nodes in memory at a time."""

import torch

from scoregeo._utils.memory import numbers_at_once
from scoregeo.metric.graph import (
    by_segment,
    log_density_differences,
    node_scores,
    quadrature_nodes,
)
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


def path_differences(field: ScoreField, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
    """`log_density_differences` of `path` [pairs, points, *shape] at the cost of `node_scores`,
    [pairs, n, m]; differentiable in the path where the score is.

    Scores at no more nodes than `numbers_at_once` allows are held at a time (one segment's at
    least), unless a graph of all is kept.
    """
    segments = path.flatten(2).diff(dim=1)
    nodes = quadrature.evaluations(path.shape[1]) / segments.shape[1]
    together = max(1, int(numbers_at_once() / (nodes * max(1, segments[:, 0].numel()))))
    if together >= segments.shape[1] or (torch.is_grad_enabled() and path.requires_grad):
        scores = node_scores(field, path, quadrature)
        return log_density_differences(scores, segments, quadrature)
    found: list[torch.Tensor] = []
    last = None  # the score at the last piece's end, which the next one shares
    for left in range(0, segments.shape[1], together):
        piece = quadrature_nodes(path[:, left : left + together + 1], quadrature)
        piece = piece if last is None else piece[:, 1:]
        values = field(piece.flatten(0, 1)).reshape(piece.shape).flatten(2)
        values = values if last is None else torch.cat([last, values], 1)
        last = values[:, -1:].clone() if quadrature.shares_ends else None
        scores = by_segment(values, quadrature)
        found.append(
            log_density_differences(scores, segments[:, left : left + together], quadrature)
        )
    return torch.cat(found, 1)

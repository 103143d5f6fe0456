"""Lengths of the straight edges of a graph in a metric, each point's score evaluated once."""

import numpy as np
import torch
from tqdm import tqdm

from scoregeo._utils.memory import numbers_at_once
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.graph import quadrature_nodes
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.boundary import check_dtype

_LEAST = 1e-12  # of a weight that csgraph keeps


def edge_evaluations(metric: AbstractMetric, edges: np.ndarray, rule: Quadrature) -> int:
    """Score evaluations of `edge_lengths` for edges [count, 2], the trapezoid rule given."""
    points = len(np.unique(edges))
    shared = points - 2 * len(edges) if metric.measures_scores else 0
    units = metric.cost.unit * len(np.unique(edges[:, 0]))
    return metric.evaluations(2, rule) * len(edges) + shared + units


@torch.no_grad()
def edge_lengths(
    metric: AbstractMetric, points: torch.Tensor, edges: np.ndarray, rule: Quadrature
) -> np.ndarray:
    """Length of each edge [count, 2] between `points` [total, *shape], [count] float64, by the
    trapezoid rule given, in units that compare between edges (`AbstractMetric.unit`).

    Costs one evaluation at each point that has an edge and `subnodes - 1` between the ends of each
    edge. A metric that is not measured by scores at nodes (`AbstractMetric.measures_scores`) is
    asked for each edge alone. Edges in flight are as many as the memory limit allows
    (`scoregeo.memory_limit`). No length is below 1e-12, which the shortest paths need.
    """
    if not len(edges):
        return np.zeros(0)
    used, index = np.unique(edges, return_inverse=True)
    nodes = points[torch.from_numpy(used).to(points.device)]
    rows = torch.from_numpy(index.reshape(edges.shape)).to(points.device)
    numbers = nodes[0].numel() * (rule.subnodes + 1)
    at_once = max(1, numbers_at_once() // numbers)
    ends = _scores(metric, nodes, max(1, numbers_at_once() // nodes[0].numel()))
    lengths = []
    # Shown where it takes more than a few seconds.
    with tqdm(
        total=len(rows), desc="edges", unit="edge", leave=False, delay=3, disable=None
    ) as bar:
        for part in rows.split(at_once):
            path = nodes[part]
            known = None if ends is None else ends[part]
            lengths.append(_lengths(metric, path, known, rule))
            bar.update(len(part))
    found = torch.cat(lengths)
    if metric.cost.unit:
        first, row = torch.unique(rows[:, 0], return_inverse=True)
        found = found * metric.unit(nodes[first])[row]
    return np.maximum(found.cpu().numpy(), _LEAST)


def _scores(metric: AbstractMetric, nodes: torch.Tensor, at_once: int) -> torch.Tensor | None:
    """The score at each node, where edges can share it."""
    if not metric.measures_scores or metric.field is None:
        return None
    return torch.cat([check_dtype(metric.field(part), part) for part in nodes.split(at_once)])


def _lengths(
    metric: AbstractMetric, path: torch.Tensor, ends: torch.Tensor | None, rule: Quadrature
) -> torch.Tensor:
    """Lengths [count] float64 of `path` [count, 2, *shape], scores at whose `ends`, same shape, may
    be known.
    """
    if ends is None or metric.field is None:
        return metric.length(path, rule).double()
    between = quadrature_nodes(path, rule)[:, 1:-1]
    scores = [ends[:, :1].flatten(2), ends[:, 1:].flatten(2)]
    if between.shape[1]:
        inner = metric.field(between.flatten(0, 1)).reshape(*between.shape[:2], -1)
        scores.insert(1, inner)
    return metric.measure_scores(torch.cat(scores, 1)[:, None], path, rule).length.double()

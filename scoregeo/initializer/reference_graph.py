"""A nearest-neighbour graph of reference points, its edges' lengths in a metric, and shortest paths
through it.
"""

import logging

import numpy as np
import torch

from scoregeo.initializer.edge_lengths import edge_evaluations, edge_lengths
from scoregeo.initializer.graph_cache import graph_key, keep, priced, recall, same
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import resample

log = logging.getLogger(__name__)

_DIRECT = Quadrature("trapezoid", 64)  # of the edge between a pair's own ends
_PROBES = 8  # edges measured anew before lengths from the cache are believed


def nearest_edges(points: torch.Tensor, neighbours: int, prune: float | None = None) -> np.ndarray:
    """Edges [edges, 2] from each point [count, *shape] to its nearest others, each once, first
    index below second, in order.

    `prune`: leave out what is longer than this many times the median of the point's own edges. One
    point alone has none.
    """
    if not neighbours:
        return np.zeros((0, 2), dtype=np.int64)
    from sklearn.neighbors import NearestNeighbors

    flat = points.flatten(1).cpu().numpy()
    distance, nearest = NearestNeighbors(n_neighbors=neighbours).fit(flat).kneighbors()
    return edges_of(nearest, distance, prune)


def edges_of(nearest: np.ndarray, distance: np.ndarray, prune: float | None = None) -> np.ndarray:
    """Edges [edges, 2] from each point to those of `nearest` [count, neighbours], each once; `-1`
    is none. `distance`, same shape, and `prune` as in `nearest_edges`.
    """
    count, neighbours = nearest.shape
    pairs = np.stack([np.repeat(np.arange(count), neighbours), nearest.ravel()], 1)
    kept = nearest >= 0
    if prune is not None:
        kept &= distance <= prune * np.median(distance, axis=1, keepdims=True)
    pairs = pairs[kept.ravel()]
    return np.unique(np.sort(pairs, 1), axis=0)


class ReferenceGraph:
    """Reference points connected by `edges`, and shortest paths between ends tied to their nearest
    of them.
    """

    def __init__(
        self,
        metric: AbstractMetric,
        points: torch.Tensor,
        edges: np.ndarray,
        ties: int,
        rule: Quadrature,
        cache: bool,
        direct: bool = True,
        power: float = 1.0,
    ) -> None:
        """`points` [count, *shape]; `edges` [edges, 2]; `ties`: edges from each end to come;
        `rule`: of an edge's length.

        `cache`: take the lengths from the cache folder where they are there, and keep them there
        where not; counted alike. `direct`: whether a pair's own ends have an edge between them.
        `power`: of the lengths, whose sum a shortest path has least.
        """
        from sklearn.neighbors import NearestNeighbors

        self.metric, self.points, self.edges, self.rule = metric, points, edges, rule
        self.ties, self.direct, self.power = max(1, min(ties, len(points) - 1)), direct, power
        self.search = NearestNeighbors(n_neighbors=self.ties).fit(points.flatten(1).cpu().numpy())
        if not cache or not len(edges):
            self.weights = self._edge_lengths(np.arange(len(edges)))
            return
        with priced(metric.field, edge_evaluations(metric, edges, rule)):
            self.weights = self._cached_lengths()

    def _cached_lengths(self) -> np.ndarray:
        key = graph_key(self.metric, self.points, self.edges, self.rule)
        probes = np.unique(np.linspace(0, len(self.edges) - 1, _PROBES).astype(np.int64))

        def fits(found: dict[str, torch.Tensor]) -> bool:
            lengths = found["lengths"]
            if lengths.shape != (len(self.edges),) or not lengths.isfinite().all():
                return False
            return same(
                torch.from_numpy(self._edge_lengths(probes)), lengths[torch.from_numpy(probes)]
            )

        found = recall(key, ("lengths",), fits)
        if found is None:
            lengths = self._edge_lengths(np.arange(len(self.edges)))
            keep(key, {"lengths": torch.from_numpy(lengths)})
            return lengths
        if cost := edge_evaluations(self.metric, self.edges, self.rule):
            log.info(
                "reference graph: lengths from the cache, %d score evaluations saved, %d spent on a"
                " check.",
                cost,
                edge_evaluations(self.metric, self.edges[probes], self.rule),
            )
        return found["lengths"].double().numpy()

    def _edge_lengths(self, index: np.ndarray) -> np.ndarray:
        """Lengths of the edges numbered `index`."""
        return self._measure(self.points, self.edges[index])

    def _measure(self, nodes: torch.Tensor, edges: np.ndarray) -> np.ndarray:
        """Lengths [count] of `edges` [count, 2] between `nodes` [total, *shape]."""
        return edge_lengths(self.metric, nodes, edges, self.rule)

    def _polygon(self, nodes: torch.Tensor, way: list[int]) -> torch.Tensor:
        """The path through `nodes` along the edges of `way`, [1, points, *shape]."""
        return nodes[way][None]

    def paths(self, ends: torch.Tensor, num_points: int) -> torch.Tensor:
        """Ends [pairs, 2, *shape] to shortest paths resampled to equal Euclidean steps, [pairs,
        num_points, *shape].

        Where an end cannot be reached through the references, the straight line, with a line of
        log.
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import dijkstra

        if len(ends) == 0:
            return linear(ends, num_points)
        tips = ends.flatten(0, 1).to(self.points)
        nearest = self.search.kneighbors(tips.flatten(1).cpu().numpy(), return_distance=False)
        count = len(self.points)
        tip_index = np.repeat(count + np.arange(len(tips)), self.ties)
        nodes = torch.cat([self.points, tips])
        ties = np.stack([tip_index, nearest.ravel()], 1)
        tie_weights = self._measure(nodes, ties)
        # A straight edge between the two ends of each pair competes with every path through the
        # references. It is long, and a rule of few parts may find it free: where it crosses a
        # valley in the middle the score is nought by symmetry.
        firsts, seconds = count + np.arange(0, len(tips), 2), count + np.arange(1, len(tips), 2)
        edges, weights = [self.edges, ties], [self.weights, tie_weights]
        if self.direct:
            edges.append(np.stack([firsts, seconds], 1))
            weights.append(edge_lengths(self.metric, nodes, edges[-1], _DIRECT))
        size = count + len(tips)
        rows, columns = np.concatenate(edges).T
        lengths = np.concatenate(weights) ** self.power
        matrix = coo_matrix((lengths, (rows, columns)), shape=(size, size)).tocsr()
        distance, before = dijkstra(
            matrix, directed=False, indices=firsts, return_predecessors=True
        )
        paths = []
        for pair, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            if not np.isfinite(distance[pair, second]):
                log.warning(
                    "pair %d cannot be connected through the references: it starts from the"
                    " straight line.",
                    pair,
                )
                paths.append(linear(ends[pair : pair + 1].to(self.points), num_points))
                continue
            way = [int(second)]
            while way[-1] != first:
                way.append(int(before[pair, way[-1]]))
            paths.append(resample(self._polygon(nodes, way[::-1]), num_points))
        path = torch.cat(paths).to(ends)
        path[:, 0], path[:, -1] = ends[:, 0], ends[:, 1]
        return path

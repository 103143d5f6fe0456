"""Starts that see the whole data: shortest paths through reference points."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from scoregeo.core.errors import ConfigError, check_choice, check_number
from scoregeo.core.seed import generator
from scoregeo.initializer.base import AbstractInitializer, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resample import resample
from scoregeo.score.sampling import ddim_sample

log = logging.getLogger(__name__)

_EDGES_AT_ONCE = 2048


@dataclass(frozen=True)
class GraphInitializer(AbstractInitializer):
    """Shortest path (Dijkstra) on a nearest-neighbour graph of reference points, edges weighted by their length in the metric.

    Built once a run: `edges * quadrature.evaluations(2)` score evaluations, with about `num_references * neighbours` edges or
    fewer; each pair then adds its own ends' edges.

    Attributes:
        num_references: points of the graph.
        neighbours: edges from each point to its nearest others in Euclidean distance.
        subnodes: parts of the trapezoid rule on each edge.
        source: "data" (the dataset's sample) or "model" (samples of the score's own model).
        sample_steps: DDIM steps a model sample takes.
        seed: of the model's samples.
    """

    num_references: int = 3600
    neighbours: int = 8
    subnodes: int = 4
    source: str = "data"
    sample_steps: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("initializer.num_references", self.num_references, at_least=2, integer=True)
        check_number("initializer.neighbours", self.neighbours, at_least=1, below=self.num_references, integer=True)
        check_number("initializer.subnodes", self.subnodes, at_least=1, integer=True)
        check_choice("initializer.source", self.source, ("data", "model"))
        check_number("initializer.sample_steps", self.sample_steps, at_least=1, integer=True)
        check_number("initializer.seed", self.seed, at_least=0, integer=True)

    def prepare(self, metric: AbstractMetric, references: Callable[[int], torch.Tensor]) -> Starter:
        if self.source == "data":
            points = references(self.num_references)
        elif metric.field is None:
            raise ConfigError("initializer.source = 'model' needs a metric with a score.")
        else:
            draws = generator(self.seed, "graph references")
            points = ddim_sample(metric.field.score, self.num_references, self.sample_steps, draws)
        graph = _ReferenceGraph(metric, points, min(self.neighbours, len(points) - 1), Quadrature("trapezoid", self.subnodes))
        log.info("reference graph: %d points, %d edges.", len(points), graph.num_edges)
        return graph.paths


class _ReferenceGraph:
    """A nearest-neighbour graph, and shortest paths between ends tied into it."""

    def __init__(self, metric: AbstractMetric, points: torch.Tensor, neighbours: int, rule: Quadrature) -> None:
        from sklearn.neighbors import NearestNeighbors

        self.metric, self.points, self.rule, self.neighbours = metric, points, rule, neighbours
        flat = points.flatten(1).cpu().numpy()
        self.search = NearestNeighbors(n_neighbors=neighbours).fit(flat)
        nearest = self.search.kneighbors(return_distance=False)
        pairs = np.stack([np.repeat(np.arange(len(flat)), neighbours), nearest.ravel()], 1)
        self.edges = np.unique(np.sort(pairs, 1), axis=0)
        self.weights = self._lengths(points[self.edges[:, 0]], points[self.edges[:, 1]])

    @property
    def num_edges(self) -> int:
        return len(self.edges)

    @torch.no_grad()
    def _lengths(self, first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
        """Length in the metric of straight edges; zero-length ones get the smallest weight csgraph keeps."""
        chunks = zip(first.split(_EDGES_AT_ONCE), second.split(_EDGES_AT_ONCE), strict=True)
        lengths = [self.metric.length(torch.stack([a, b], 1), self.rule).cpu() for a, b in chunks]
        return np.maximum(torch.cat(lengths).double().numpy(), 1e-12)

    def paths(self, ends: torch.Tensor, num_points: int) -> torch.Tensor:
        """Ends [pairs, 2, *shape] to shortest paths resampled to equal Euclidean steps, [pairs, num_points, *shape].

        Where an end cannot be reached through the references, the straight line, with a line of log.
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import dijkstra

        tips = ends.flatten(0, 1).to(self.points)
        nearest = self.search.kneighbors(tips.flatten(1).cpu().numpy(), return_distance=False)
        count = len(self.points)
        tip_index = np.repeat(count + np.arange(len(tips)), self.neighbours)
        targets = torch.as_tensor(nearest.ravel())
        tie_weights = self._lengths(tips.repeat_interleave(self.neighbours, 0), self.points[targets])
        # A straight edge between the two ends of each pair competes with every way through the references.
        firsts, seconds = count + np.arange(0, len(tips), 2), count + np.arange(1, len(tips), 2)
        rows = np.concatenate([self.edges[:, 0], tip_index, firsts])
        columns = np.concatenate([self.edges[:, 1], nearest.ravel(), seconds])
        weights = np.concatenate([self.weights, tie_weights, self._lengths(tips[0::2], tips[1::2])])
        size = count + len(tips)
        matrix = coo_matrix((weights, (rows, columns)), shape=(size, size)).tocsr()
        distance, before = dijkstra(matrix, directed=False, indices=firsts, return_predecessors=True)
        nodes = torch.cat([self.points, tips])
        paths = []
        for pair, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            if not np.isfinite(distance[pair, second]):
                log.warning("pair %d cannot be joined through the references: it starts from the straight line.", pair)
                paths.append(linear(ends[pair : pair + 1], num_points))
                continue
            way = [int(second)]
            while way[-1] != first:
                way.append(int(before[pair, way[-1]]))
            paths.append(resample(nodes[way[::-1]][None], num_points))
        path = torch.cat(paths).to(ends)
        path[:, 0], path[:, -1] = ends[:, 0], ends[:, 1]
        return path

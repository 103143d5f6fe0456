"""The graph start for sparse references: edges relaxed by the string method."""

from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo._utils.memory import numbers_at_once
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.reference_graph import ReferenceGraph
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import MOST_SUBNODES, Quadrature
from scoregeo.solver.string_method import StringMethod

_COPIES = 8  # of an edge's curve, in float64, that its relaxation holds
_LEAST = 1e-12  # of a weight that csgraph keeps


@dataclass(frozen=True)
class RelaxedGraphInitializer(GraphInitializer):
    """`GraphInitializer` whose edges are curves: each chord takes `relax` steps of the string
    method, at `subnodes` parts, before its length in the metric is measured; the start follows the
    curves.

    A chord between sparse neighbours crosses a valley of the density even where both lie on one
    piece of the data, so its length says little of whether they do. The curve reaches the data
    there; between two pieces it keeps its jump, and stays long.

    Costs one score evaluation a point, at most `(1 + relax) (subnodes - 1) + subnodes` an edge, and
    those of the relaxation once more for the edges on a pair's way. Nothing is kept in the cache.

    Attributes:
        subnodes: parts of a curve, at least 2.
        relax: steps of the string method on each edge, at least 1.
    """

    cache: bool = False
    relax: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(
            "initializer.subnodes", self.subnodes, at_least=2, at_most=MOST_SUBNODES, integer=True
        )
        check_number("initializer.relax", self.relax, at_least=1, integer=True)
        if self.cache:
            raise ConfigError(
                "initializer.cache = True is not allowed with relaxed edges: it must be False."
            )

    def check(self, metric: AbstractMetric) -> None:
        super().check(metric)
        if not metric.has_score_chords:
            raise ConfigError(
                "initializer = 'graph_relaxed' relaxes edges by the string method, which does not"
                f" serve metric = {metric.name!r}: metric must be pullback."
            )

    def _graph(
        self, metric: AbstractMetric, points: torch.Tensor, edges: np.ndarray
    ) -> ReferenceGraph:
        string = StringMethod(self.subnodes + 1, self.relax, tolerance=1e-6)
        return _RelaxedGraph(string, metric, points, edges, self.neighbours)


class _RelaxedGraph(ReferenceGraph):
    """A reference graph whose edges are the curves that `string` makes of their chords."""

    def __init__(
        self,
        string: StringMethod,
        metric: AbstractMetric,
        points: torch.Tensor,
        edges: np.ndarray,
        ties: int,
    ) -> None:
        self.string = string
        rule = Quadrature(
            "trapezoid", 2
        )  # the middles of a curve's parts see what is left of jumps
        super().__init__(metric, points, edges, ties, rule, cache=False, direct=False)

    def _curves(
        self, nodes: torch.Tensor, edges: np.ndarray, ends: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The relaxed `edges` [count, 2] between `nodes`, [count, points, *shape], and the scores
        at their points, [count, points, D]; `ends` [total, D]: those at the nodes, where known.
        """
        rows = torch.from_numpy(edges).to(nodes.device)
        known = None if ends is None else ends[rows]
        return self.string.relax(self.metric, linear(nodes[rows], self.string.num_points), known)

    @torch.no_grad()
    def _measure(self, nodes: torch.Tensor, edges: np.ndarray) -> np.ndarray:
        numbers = _COPIES * self.string.num_points * nodes[0].numel()
        at_once = max(1, numbers_at_once() // numbers)
        used, index = np.unique(edges, return_inverse=True)
        nodes, edges = nodes[torch.from_numpy(used).to(nodes.device)], index.reshape(edges.shape)
        ends = torch.cat([self._scores(part) for part in nodes.split(at_once)])
        lengths = []
        with tqdm(
            total=len(edges), desc="edges", unit="edge", leave=False, delay=3, disable=None
        ) as bar:
            for first in range(0, len(edges), at_once):
                part = edges[first : first + at_once]
                lengths.append(self._lengths(*self._curves(nodes, part, ends)))
                bar.update(len(part))
        return np.maximum(torch.cat(lengths).cpu().numpy(), _LEAST)

    def _lengths(self, curves: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Lengths [count] of `curves`, the middles of whose parts see what is left of a jump."""
        middles = (curves[:, :-1] + curves[:, 1:]) / 2
        between = self._scores(middles.flatten(0, 1)).view(*middles.shape[:2], -1)
        parts = torch.stack([scores[:, :-1], between, scores[:, 1:]], 2)
        return self.metric.measure_scores(parts, curves, self.rule).length.double()

    def _scores(self, points: torch.Tensor) -> torch.Tensor:
        """The score at `points` [count, *shape], [count, D] float64."""
        assert self.metric.field is not None
        return self.metric.field(points).flatten(1).double()

    def _polygon(self, nodes: torch.Tensor, way: list[int]) -> torch.Tensor:
        curves, _ = self._curves(nodes, np.array([way[:-1], way[1:]]).T)
        return torch.cat([curves[:, :-1].flatten(0, 1), curves[-1, -1:]])[None]

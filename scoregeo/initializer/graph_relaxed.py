"""The graph start for sparse references: edges relaxed by the string method."""

from dataclasses import dataclass

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo._utils.memory import numbers_at_once
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.reference_graph import ReferenceGraph
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.serving import refusal
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

    Costs at most `subnodes + 1 + relax (subnodes - 1)` score evaluations an edge, `2 subnodes + 1`
    for its length, and the former once more for the edges on a pair's way. Nothing is kept in the
    cache.

    Attributes:
        subnodes: parts of a curve, at least 2.
        relax: steps of the string method on each edge, at least 1.
    """

    cache: bool = False
    relax: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("initializer.subnodes", self.subnodes, at_least=2, integer=True)
        check_number("initializer.relax", self.relax, at_least=1, integer=True)
        if self.cache:
            raise ConfigError(
                "initializer.cache = True is not allowed with relaxed edges: it must be False."
            )

    def check(self, metric: AbstractMetric) -> None:
        super().check(metric)
        if not metric.has_score_chords:
            raise refusal("string", metric.name, "energy of chords of the score")

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

    def _curves(self, nodes: torch.Tensor, edges: np.ndarray) -> torch.Tensor:
        """The relaxed `edges` [count, 2] between `nodes`, [count, points, *shape]."""
        rows = torch.from_numpy(edges).to(nodes.device)
        return self.string.relax(self.metric, linear(nodes[rows], self.string.num_points))

    def _measure(self, nodes: torch.Tensor, edges: np.ndarray) -> np.ndarray:
        numbers = _COPIES * self.string.num_points * nodes[0].numel()
        at_once = max(1, numbers_at_once() // numbers)
        lengths = []
        for first in range(0, len(edges), at_once):
            curves = self._curves(nodes, edges[first : first + at_once])
            with torch.no_grad():
                lengths.append(self.metric.length(curves, self.rule).double().cpu().numpy())
        return np.maximum(np.concatenate(lengths), _LEAST)

    def _polygon(self, nodes: torch.Tensor, way: list[int]) -> torch.Tensor:
        curves = self._curves(nodes, np.array([way[:-1], way[1:]]).T)
        return torch.cat([curves[:, :-1].flatten(0, 1), curves[-1, -1:]])[None]

"""Starts over the modes of the density, found by following the score; they need no data."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, check_length, check_number
from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.initializer.edge_lengths import edge_lengths
from scoregeo.initializer.perturbed import PerturbedInitializer, bent
from scoregeo.initializer.reference_graph import nearest_edges
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import resample

Field = Callable[[torch.Tensor], torch.Tensor]

_RULE = Quadrature("trapezoid", 8)  # of the edges that a shortest path uses
_MOST = 10_000  # of each count, whose product is the score evaluations
_ROUNDS = 40  # of measuring the edges of the shortest path
_LONGER, _SHORTER = 1.3, 0.4  # an ascent's next step where the score keeps its direction, or turns
# Of |b - a|: nodes nearer than the first are one; edges lead to the nearest of all that are left,
# and of those left at each larger distance, so that clusters of nodes are connected
_APART = (0.01, 0.05, 0.2)


@dataclass(frozen=True)
class ModesInitializer(AbstractInitializer):
    """Shortest path through points on ascents of the score to the modes of the density.

    Ascents start at `points_a_line` points on the straight line and on `lines - 1` lines bent away
    from it at random (`perturbed`). Each follows the score uphill for `steps` steps, the first
    `reach |b - a|` long, longer by 1.3 where the score keeps its direction and shorter by 0.4 where
    it turns, so that it ends at a mode whatever the mode's width. The points met are the nodes of a
    graph: edges lead to the nearest `neighbours`, at three scales, and along lines and ascents. An
    edge is first taken to be as long as the scores s at its ends say, with `f = s.d` linear along
    it,

        sqrt( |d|^2 + lam ( mean(f)^2 + (f_1 - f_0)^2 / 12 ) ),

    and is measured on 8 sub-nodes once a shortest path (Dijkstra) uses it, until all edges of the
    shortest path are measured.

    Costs `lines * points_a_line * (steps + 1) + 2` score evaluations a pair, and 9 or less for each
    edge measured: in the plane about as many again.

    Attributes:
        lines, points_a_line, steps, neighbours: see above.
        amplitude: of the bent lines on average, as a share of |b - a|; it rises from line to line.
        reach: first step's length, as a share of |b - a|.
        seed: of the bent lines.
    """

    lines: int = 8
    points_a_line: int = 16
    steps: int = 12
    amplitude: float = 0.5
    reach: float = 0.03
    neighbours: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("lines", "points_a_line", "steps", "neighbours"):
            value = getattr(self, key)
            check_number(f"initializer.{key}", value, at_least=1, at_most=_MOST, integer=True)
        check_length("initializer.amplitude", self.amplitude)
        check_length("initializer.reach", self.reach)
        check_number("initializer.seed", self.seed, at_least=0, integer=True)

    def check(self, metric: AbstractMetric) -> None:
        if metric.least_squares is None:
            raise ConfigError(
                "initializer = 'modes' needs a metric whose energy is a sum of squares, such as"
                f" metric = 'stein', not {metric.name!r}."
            )

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        self.check(metric)

        @torch.no_grad()
        def paths(ends: torch.Tensor, num_points: int) -> torch.Tensor:
            return torch.cat([self._path(metric, one, num_points) for one in ends.split(1)])

        return paths

    def _path(self, metric: AbstractMetric, ends: torch.Tensor, num_points: int) -> torch.Tensor:
        """One pair's start, [1, num_points, *shape]."""
        energy = metric.least_squares
        assert energy is not None
        if torch.equal(ends[:, 0], ends[:, 1]):
            return linear(ends, num_points)
        points, scores, chains = self._met(energy.field, ends)
        chord = float((points[1] - points[0]).norm())
        every = [chains]
        for apart in _APART:
            kept, _ = _thinned(points, apart * chord)
            every.append(kept[nearest_edges(points[kept], min(self.neighbours, len(kept) - 1))])
        edges = np.unique(np.sort(np.concatenate(every), 1), axis=0)
        edges = edges[edges[:, 0] < edges[:, 1]]
        lengths = _estimated(points, scores, edges, energy.lam)
        nodes = points.to(ends).unflatten(1, ends.shape[2:])
        way = _shortest(metric, nodes, edges, lengths)
        path = resample(nodes[way][None], num_points)
        path[:, 0], path[:, -1] = ends[:, 0], ends[:, 1]
        return path

    def _met(
        self, field: Field, ends: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """The points met, the two ends first, [count, D] float64, the scores there, and the edges
        [edges, 2] along lines and ascents.
        """
        shape, per_line = ends.shape[2:], self.points_a_line

        def score(x: torch.Tensor) -> torch.Tensor:
            return field(x.to(ends).unflatten(1, shape)).flatten(1).double()

        lines = [linear(ends, per_line + 2)]
        for k in range(1, self.lines):
            amplitude = 2 * self.amplitude * k / self.lines
            bend = PerturbedInitializer(amplitude, seed=self.seed + k)
            lines.append(bent(bend, ends, per_line + 2))
        tips = ends[0].flatten(1).double()
        x = torch.cat([line[0, 1:-1] for line in lines]).flatten(1).double()
        chord = (tips[1] - tips[0]).norm()
        step = torch.full((len(x), 1), float(self.reach * chord)).to(x)
        met, scores = [tips, x], [score(tips), score(x)]
        for _ in range(self.steps):
            slope = scores[-1]
            x = x + step * slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-300)
            met.append(x)
            scores.append(score(x))
            turned = (scores[-1] * slope).sum(1, keepdim=True) < 0
            step = step * torch.where(turned, _SHORTER, _LONGER)
        points, found = torch.cat(met), torch.cat(scores)
        kept, stands_for = _thinned(points, _APART[0] * float(chord))
        return points[kept], found[kept], stands_for[self._chains()]

    def _chains(self) -> np.ndarray:
        """Edges along the lines from end to end, and along the ascents, between all points met."""
        count = self.lines * self.points_a_line
        first = 2 + np.arange(count).reshape(self.lines, self.points_a_line)
        whole = np.pad(first, ((0, 0), (1, 1)))
        whole[:, -1] = 1
        climbs = 2 + np.arange(count * (self.steps + 1)).reshape(self.steps + 1, count).T
        return np.concatenate(
            [np.stack([rows[:, :-1], rows[:, 1:]], 2).reshape(-1, 2) for rows in (whole, climbs)]
        )


def _thinned(points: torch.Tensor, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Which of `points` [count, D] to keep, none within `apart` of one before it, and the place
    among them of the point that each stands for.
    """
    near = (torch.cdist(points, points) < apart).cpu().numpy()
    stands_for, kept = np.full(len(points), -1), list[int]()
    for index in range(len(points)):
        if stands_for[index] < 0 or index < 2:
            stands_for[near[index] & (stands_for < 0)] = len(kept)
            stands_for[index] = len(kept)
            kept.append(index)
    return np.array(kept), stands_for


def _estimated(
    points: torch.Tensor, scores: torch.Tensor, edges: np.ndarray, lam: float
) -> np.ndarray:
    """Lengths of `edges` [edges, 2] between `points` [count, D] by the `scores` at their ends."""
    first, second = torch.from_numpy(edges).to(points.device).T
    d = points[second] - points[first]
    a, b = (scores[first] * d).sum(1), (scores[second] * d).sum(1)
    square = d.square().sum(1) + lam * ((a + b).square() / 4 + (b - a).square() / 12)
    return square.sqrt().clamp_min(1e-12).cpu().numpy()


def _shortest(
    metric: AbstractMetric, nodes: torch.Tensor, edges: np.ndarray, lengths: np.ndarray
) -> list[int]:
    """The shortest way from node 0 to node 1 along `edges`, which are measured as far as it uses
    them.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    number = {(int(i), int(j)): row for row, (i, j) in enumerate(edges)}
    measured = np.zeros(len(edges), dtype=bool)
    for _ in range(_ROUNDS):
        graph = coo_matrix((lengths, edges.T), shape=(len(nodes),) * 2).tocsr()
        _, before = dijkstra(graph, directed=False, indices=0, return_predecessors=True)  # type: ignore[call-overload]
        way = [1]
        while way[-1] != 0:
            way.append(int(before[way[-1]]))
        used = np.array([number[min(pair), max(pair)] for pair in zip(way, way[1:], strict=False)])
        new = used[~measured[used]]
        if len(new) == 0:
            break
        lengths[new] = edge_lengths(metric, nodes, edges[new], _RULE)
        measured[new] = True
    return way[::-1]

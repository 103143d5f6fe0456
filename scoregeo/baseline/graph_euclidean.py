"""The score-free control: a shortest path through the data by Euclidean distance."""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.baseline.base import DATA, AbstractBaseline, BaselinePath, Ends, closed_form
from scoregeo.initializer.reference_graph import ReferenceGraph, nearest_edges
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.path.quadrature import Quadrature


@dataclass(frozen=True)
class GraphEuclidean(AbstractBaseline):
    """Shortest path through clean data points on their nearest-neighbour graph, edges as long as
    they are in Euclidean distance; resampled to equal steps. No score evaluation.

    It has the data points that `initializer=graph` starts from, and neither network nor metric: a
    geodesic from such a start owes to the metric what it achieves beyond this path. The straight
    line between the ends, the shortest of all, is no edge of the graph; a pair that the graph does
    not connect has it as its path, with a line of log.

    Attributes:
        num_references: data points, the dataset's sample of the run's seed.
        neighbours: edges from each point to its nearest others, and from each end to the points.
        power: of the edges' lengths in the sum that is least, from 1 to 16. Above 1 many short
            edges cost less than a long one, as where data are dense (the power-weighted shortest
            path distance of Bijral, Ratliff and Srebro 2011).
    """

    num_references: int = 3600
    neighbours: int = 8
    power: float = 1.0
    space = DATA
    needs_noise = False

    def __post_init__(self) -> None:
        key = "baseline.graph_euclidean"
        check_number(f"{key}.num_references", self.num_references, at_least=2, integer=True)
        check_number(
            f"{key}.neighbours",
            self.neighbours,
            at_least=1,
            below=self.num_references,
            integer=True,
        )
        # At most what keeps a power of the least length above 0
        check_number(f"{key}.power", self.power, at_least=1.0, at_most=16.0)

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        if ends.references is None:
            raise ConfigError("baseline.graph_euclidean needs data points, and has none here.")
        points = ends.references(self.num_references)
        neighbours = min(self.neighbours, len(points) - 1)
        graph = ReferenceGraph(
            EuclideanMetric(),
            points,
            nearest_edges(points, neighbours),
            neighbours,
            Quadrature("trapezoid", 1),
            cache=False,
            direct=False,
            power=self.power,
        )
        # One pair at a time: no way leads through another pair's end.
        return closed_form(
            torch.cat([graph.paths(pair, num_points) for pair in ends.clean.split(1)])
        )

"""Starts that see the whole data: shortest paths through reference points."""

import logging
from dataclasses import dataclass

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, check_choice, check_number
from scoregeo._utils.seed import generator
from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.initializer.graph_cache import keep, priced, recall, same, samples_key
from scoregeo.initializer.reference_graph import ReferenceGraph, nearest_edges
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import MOST_SUBNODES, Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.score.sampling import ddim_sample

log = logging.getLogger(__name__)

_PROBES = 8


@dataclass(frozen=True)
class GraphInitializer(AbstractInitializer):
    """Shortest path (Dijkstra) on a nearest-neighbour graph of reference points, edges weighted by
    their length in the metric.

    Built once a run: `num_references + edges * (subnodes - 1)` score evaluations, with about
    `num_references * neighbours` edges or fewer, and `num_references * sample_steps` more for the
    model's samples; each pair then adds its own ends' edges. Both are kept in the cache folder by
    content: a graph built before of the same points, in the same metric, with the same score, takes
    only the evaluations that make sure of it: those of 8 edges, and 7 for samples. It is counted as
    built anew.

    Attributes:
        num_references: points of the graph.
        neighbours: edges from each point to its nearest others in Euclidean distance.
        prune: drop an edge longer than this many times the median of its point's edges; None keeps
            all.
        subnodes: parts of the trapezoid rule on each edge.
        source: "data" (the dataset's sample) or "model" (samples of the score's own model).
        sample_steps: DDIM steps a model sample takes.
        seed: of the model's samples.
        cache: whether graphs are kept in the cache folder and taken from it.
    """

    num_references: int = 3600
    neighbours: int = 8
    prune: float | None = None
    subnodes: int = 4
    source: str = "data"
    sample_steps: int = 50
    seed: int = 0
    cache: bool = True
    joint = True  # a way may lead through another pair's end

    def __post_init__(self) -> None:
        check_number("initializer.num_references", self.num_references, at_least=2, integer=True)
        check_number(
            "initializer.neighbours",
            self.neighbours,
            at_least=1,
            below=self.num_references,
            integer=True,
        )
        if self.prune is not None:
            check_number("initializer.prune", self.prune, at_least=1.0)
        check_number(
            "initializer.subnodes", self.subnodes, at_least=1, at_most=MOST_SUBNODES, integer=True
        )
        check_choice("initializer.source", self.source, ("data", "model"))
        check_number("initializer.sample_steps", self.sample_steps, at_least=1, integer=True)
        check_number("initializer.seed", self.seed, at_least=0, integer=True)
        check_choice("initializer.cache", self.cache, (True, False))

    @property
    def needs_references(self) -> bool:
        return self.source == "data"

    def check(self, metric: AbstractMetric) -> None:
        if self.source == "model" and metric.field is None:
            raise ConfigError("initializer.source = 'model' needs a metric with a score.")

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        self.check(metric)
        if self.source == "data":
            points = references(self.num_references)
        else:
            assert metric.field is not None
            with priced(metric.field, self.num_references * self.sample_steps):
                points = self._samples(metric.field)
            if noisy:
                noise = torch.randn(
                    points.shape, generator=generator(self.seed, "graph noise"), dtype=torch.float64
                )
                points = points + metric.field.sigma * noise.to(points)
        edges = self._edges(points, min(self.neighbours, len(points) - 1))
        log.info("reference graph: %d points, %d edges.", len(points), len(edges))
        return self._graph(metric, points, edges).paths

    def _graph(
        self, metric: AbstractMetric, points: torch.Tensor, edges: np.ndarray
    ) -> ReferenceGraph:
        rule = Quadrature("trapezoid", self.subnodes)
        return ReferenceGraph(metric, points, edges, self.neighbours, rule, self.cache)

    def _edges(self, points: torch.Tensor, neighbours: int) -> np.ndarray:
        """Edges [edges, 2] from each of `points` to its nearest others."""
        return nearest_edges(points, neighbours, self.prune)

    @torch.no_grad()
    def _samples(self, field: ScoreField) -> torch.Tensor:
        """The model's samples [num_references, *shape], drawn or taken from the cache.

        Those in the cache are the same model's where its score between neighbouring samples, where
        it is far from 0, is what it was then.
        """
        key = samples_key(field, self.num_references, self.sample_steps, self.seed)

        def probe(samples: torch.Tensor) -> torch.Tensor:
            few = samples[:_PROBES]
            return field((few[:-1] + few[1:]) / 2)

        if self.cache:
            found = recall(
                key, ("samples", "scores"), lambda t: same(probe(t["samples"]), t["scores"])
            )
            if found is not None:
                saved = self.num_references * self.sample_steps
                log.info(
                    "reference graph: the model's samples from the cache, %d score evaluations"
                    " saved.",
                    saved,
                )
                return found["samples"]
        draws = generator(self.seed, "graph references")
        samples = ddim_sample(field.score, self.num_references, self.sample_steps, draws)
        if self.cache:
            keep(key, {"samples": samples, "scores": probe(samples)})
        return samples

"""The graph start for many references: its edges by a kept index of nearest neighbours."""

import logging
from dataclasses import dataclass

import numpy as np
import torch

from scoregeo._utils.errors import check_choice, check_number
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.reference_graph import edges_of
from scoregeo.score.neighbours import SEARCHES, ExactSearch, make_search, recall

log = logging.getLogger(__name__)

_AT_ONCE = 4096  # points whose neighbours are looked for together
_PROBES = 64  # points on which the recall is measured


@dataclass(frozen=True)
class IndexedGraphInitializer(GraphInitializer):
    """`GraphInitializer` with edges by `scoregeo.score.neighbours`: of 10^5 references and more.

    An index misses some of the nearest; how many is logged, measured at 64 points. What it misses
    lengthens shortest paths or leaves them as they are.

    Attributes:
        search: "exact", "ivf" or "hnsw"; the last two need faiss.
        probes: lists (ivf) or points (hnsw) that are looked at.
    """

    search: str = "ivf"
    probes: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("initializer.search", self.search, SEARCHES)
        check_number("initializer.probes", self.probes, at_least=1, integer=True)

    def _edges(self, points: torch.Tensor, neighbours: int) -> np.ndarray:
        flat = points.flatten(1).cpu().numpy()
        found = make_search(flat, self.search, self.probes)
        if not found.exact:
            rows = np.unique(np.linspace(0, len(flat) - 1, _PROBES).astype(np.int64))
            few = flat[rows].astype(np.float64)
            share = recall(found, ExactSearch(flat), few, neighbours + 1)
            log.info("reference graph: the index finds %.1f %% of the nearest.", 100 * share)
        nearest, distance = [], []
        for start in range(0, len(flat), _AT_ONCE):
            part = flat[start : start + _AT_ONCE].astype(np.float64)
            index, square = found.nearest(part, neighbours + 1)
            own = start + np.arange(len(part))[:, None]
            # Each point but itself, the farthest left out where a copy of it stands in its place
            order = np.argsort(index == own, 1, kind="stable")[:, :neighbours]
            nearest.append(np.take_along_axis(index, order, 1))
            distance.append(np.sqrt(np.take_along_axis(square, order, 1)))
        return edges_of(np.concatenate(nearest), np.concatenate(distance), self.prune)

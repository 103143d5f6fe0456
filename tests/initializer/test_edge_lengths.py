"""Edges of a graph measured together against each measured alone, and what that costs."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from scoregeo._utils.memory import GIB, memory_limit
from scoregeo.initializer.edge_lengths import edge_evaluations, edge_lengths
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore

METRICS: dict[str, Callable[[ScoreField], AbstractMetric]] = {
    "stein": lambda field: SteinMetric(field, 100.0),
    "pullback": PullbackMetric,
    "conformal": lambda field: ConformalMetric(field, alpha=0.1),
    "euclidean": EuclideanMetric,
}
EDGES = np.array([[0, 1], [0, 2], [1, 2], [2, 5], [3, 5]])  # no edge at point 4


def case(name: str) -> tuple[AbstractMetric, torch.Tensor, CountingScore]:
    score = CountingScore(SphereScore(2, 3))
    points = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).double()
    points = points / points.norm(dim=1, keepdim=True) * torch.linspace(0.9, 1.1, 6)[:, None]
    return METRICS[name](ScoreField(score, 0.2)), points, score


@pytest.mark.parametrize("subnodes", (1, 2, 5))
@pytest.mark.parametrize("name", METRICS)
def test_each_edge_has_the_length_it_has_alone(name: str, subnodes: int) -> None:
    metric, points, score = case(name)
    rule = Quadrature("trapezoid", subnodes)
    found = edge_lengths(metric, points, EDGES, rule)
    assert score.count == edge_evaluations(metric, EDGES, rule)
    alone = [
        float(metric.length(points[edge][None], rule) * metric.unit(points[edge[:1]]))
        for edge in torch.from_numpy(EDGES)
    ]
    np.testing.assert_allclose(found, alone, rtol=1e-12)


def test_five_points_with_edges_cost_five_evaluations_and_those_between() -> None:
    metric, _, _ = case("stein")
    assert edge_evaluations(metric, EDGES, Quadrature("trapezoid", 1)) == 5
    assert edge_evaluations(metric, EDGES, Quadrature("trapezoid", 4)) == 5 + 3 * 5
    flat, _, _ = case("euclidean")
    assert edge_evaluations(flat, EDGES, Quadrature("trapezoid", 4)) == 0


def test_conformal_lengths_compare_between_edges() -> None:
    """`e^f` integrated along both edges of a broken line, in one unit."""
    metric, points, _ = case("conformal")
    rule = Quadrature("trapezoid", 256)
    found = edge_lengths(metric, points, np.array([[0, 1], [1, 2]]), rule)
    way = points[[0, 1, 2]][None]
    together = float(metric.length(way, rule) * metric.unit(points[:1]))
    assert found.sum() == pytest.approx(together, rel=1e-6)


def test_equal_points_keep_a_weight() -> None:
    metric, points, _ = case("stein")
    twice = torch.cat([points, points[:1]])
    assert edge_lengths(metric, twice, np.array([[0, 6]]), Quadrature("trapezoid", 2)) == 1e-12


@pytest.mark.parametrize("name", METRICS)
def test_fewer_edges_in_flight_give_the_same_lengths_at_the_same_cost(name: str) -> None:
    metric, points, score = case(name)
    rule = Quadrature("trapezoid", 4)
    whole, cost = edge_lengths(metric, points, EDGES, rule), score.count
    batches: list[int] = []
    evaluate = SphereScore._score

    def watched(self: SphereScore, x: torch.Tensor, sigma: float) -> torch.Tensor:
        batches.append(len(x))
        return evaluate(self, x, sigma)

    with memory_limit(512 * 40 / GIB), pytest.MonkeyPatch.context() as patch:
        patch.setattr(SphereScore, "_score", watched)
        few = edge_lengths(metric, points, EDGES, rule)  # two edges of 15 numbers at a time
    np.testing.assert_allclose(few, whole, rtol=1e-12)
    assert score.count == 2 * cost
    if metric.cost.unit == 0:
        assert max(batches, default=0) <= 13  # the points' own scores, 13 at a time

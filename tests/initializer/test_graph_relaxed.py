"""Graph starts with relaxed edges: on the data between sparse references, never across a gap."""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.initializer.base import References
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.graph_relaxed import RelaxedGraphInitializer
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField

SIGMA = 0.05


class Circles(AbstractScore):
    """Exact score of circles about the origin of the plane, blurred: points of them, 720 a circle,
    under a Gaussian.
    """

    shape = (2,)

    def __init__(self, *radii: float) -> None:
        self.points = torch.cat([circle(720, radius) for radius in radii])

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        square = (x[:, None] - self.points).square().sum(2)
        weight = torch.softmax(-square / (2 * sigma**2), 1)
        return (weight @ self.points - x) / sigma**2


def circle(count: int, radius: float = 1.0, first: float = 0.0) -> torch.Tensor:
    """`count` even points, from `first` degrees on, [count, 2] float64."""
    angle = math.radians(first) + 2 * math.pi * torch.arange(count, dtype=torch.float64) / count
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def given(points: torch.Tensor) -> References:
    return lambda count: points[:count]


def off(path: torch.Tensor) -> float:
    """The largest distance of a path's points to the unit circle."""
    return float((path.norm(dim=2) - 1).abs().max())


def test_follows_the_data_between_sparse_references() -> None:
    references = given(circle(8))
    metric = PullbackMetric(ScoreField(Circles(1.0), SIGMA))
    ends = torch.stack([circle(1, first=22.5), circle(1, first=170.0)], 1)
    relaxed = RelaxedGraphInitializer(8, 2, subnodes=8, relax=3).prepare(metric, references)
    chords = GraphInitializer(8, 2, subnodes=8, cache=False).prepare(metric, references)
    start = relaxed(ends, 65)
    assert torch.equal(start[:, [0, -1]], ends)
    # A chord over 45 degrees has the sagitta 0.076, a part of it an eighth of that angle
    assert off(chords(ends, 65)) > 0.07
    assert off(start) < 0.005


def test_does_not_cross_a_gap_that_a_chord_finds_short() -> None:
    """Half a turn of the outer circle, of sparse references, beside an inner circle of dense ones:
    four long chords cost more than the gap twice. Relaxed, they are on the data; the gap is not.
    """
    outer, inner = circle(8), circle(24, 0.75)
    metric = PullbackMetric(ScoreField(Circles(1.0, 0.75), SIGMA))
    ends = torch.stack([circle(1), circle(1, first=180.0)], 1)
    points = given(torch.cat([outer, inner]))
    settings = {"num_references": 32, "neighbours": 12, "subnodes": 6}
    chords = GraphInitializer(**settings, cache=False).prepare(metric, points)(ends, 65)
    assert float(chords.norm(dim=2).min()) < 0.8
    relaxed = RelaxedGraphInitializer(**settings, relax=4).prepare(metric, points)(ends, 65)
    assert off(relaxed) < 0.02


def test_costs_what_it_says() -> None:
    counted = CountingScore(Circles(1.0))
    metric = PullbackMetric(ScoreField(counted, SIGMA))
    count, parts, relax = 12, 4, 2
    start = RelaxedGraphInitializer(count, 2, subnodes=parts, relax=relax)
    starter = start.prepare(metric, given(circle(count)))
    edges = count  # each point with the two beside it
    most = count + edges * ((1 + relax) * (parts - 1) + parts)
    assert count + edges * (2 * (parts - 1) + parts) <= counted.count <= most
    before = counted.count
    way = starter(torch.stack([circle(1, first=15.0), circle(1, first=75.0)], 1), 9)
    # Two ends with two edges each to four references; then the way's own edges, at most all
    ties = 6 + 4 * ((1 + relax) * (parts - 1) + parts)
    assert way.shape == (1, 9, 2)
    assert counted.count - before <= ties + 4 * (2 + (1 + relax) * (parts - 1))


def test_settings_and_metrics_that_cannot_serve_are_refused() -> None:
    with pytest.raises(ConfigError, match="initializer.subnodes"):
        RelaxedGraphInitializer(subnodes=1)
    with pytest.raises(ConfigError, match="initializer.relax"):
        RelaxedGraphInitializer(relax=0)
    with pytest.raises(ConfigError, match="initializer.cache"):
        RelaxedGraphInitializer(cache=True)
    with pytest.raises(ConfigError, match="graph_relaxed.*metric must be pullback"):
        RelaxedGraphInitializer().check(SteinMetric(ScoreField(Circles(1.0), SIGMA), 1.0))

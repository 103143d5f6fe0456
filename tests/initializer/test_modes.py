"""Starts over the modes: ascents end at modes, the way avoids a gap, evaluations are counted."""

import pytest
import torch

import scoregeo
from scoregeo._utils.errors import ConfigError
from scoregeo.initializer.modes import ModesInitializer, _thinned
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from tests.fields import MixtureScore
from tests.initializer.cases import (
    across_ends,
    counted_gap_metric,
    given,
    metric_of,
    open_ring,
    ring_metric,
)

FINE = Quadrature("trapezoid", 16)


def made(ends: torch.Tensor, num_points: int, **settings: int) -> torch.Tensor:
    metric, _ = counted_gap_metric()
    return ModesInitializer(**settings).prepare(metric, given(open_ring()))(ends, num_points)


def test_ascents_end_at_the_modes() -> None:
    """Of two Gaussians far apart, whose modes are their means, whatever their width."""
    centres = torch.tensor([[0.0, 0.0], [3.0, 1.0]], dtype=torch.float64)
    ends = torch.tensor([[[-0.5, 0.8], [3.4, 0.1]]], dtype=torch.float64)
    for width in (0.05, 0.3):
        field = metric_of(MixtureScore(centres, width), sigma=0.01).field
        assert field is not None
        points, scores, _ = ModesInitializer(steps=40)._met(field, ends)
        distance = torch.cdist(points, centres)
        apart = 0.01 * float((ends[0, 1] - ends[0, 0]).norm())  # nodes nearer than that are one
        assert float(distance.min(0).values.max()) < 1.5 * apart
        torch.testing.assert_close(scores, field(points))


def test_the_way_goes_round_the_gap() -> None:
    """Across the gap of the ring the straight line costs thousands of times the long way; the
    graph's way is a polygon, far from smooth.
    """
    ends = across_ends()
    metric, _ = counted_gap_metric()
    path = made(ends, 65)
    assert torch.equal(path[:, [0, -1]], ends)
    assert path[0, :, 0].max() > 0.5  # round the side that has no gap
    assert float(metric.energy(path, FINE)) < 0.2 * float(metric.energy(linear(ends, 65), FINE))


def test_the_cost_is_counted_and_bounded() -> None:
    metric, score = counted_gap_metric()
    ModesInitializer().prepare(metric, given(open_ring()))(across_ends(), 17)
    ascents = 8 * 16 * (12 + 1) + 2
    assert ascents < score.count <= 3 * ascents


def test_pairs_types_and_equal_ends() -> None:
    both = torch.cat([across_ends(), across_ends().flip(1)])
    together = made(both, 17)
    assert torch.equal(together[:1], made(both[:1], 17)) and together.isfinite().all()
    metric = ring_metric(torch.float32)
    single = ModesInitializer().prepare(metric, given(open_ring()))(across_ends().float(), 17)
    assert single.dtype == torch.float32 and single.isfinite().all()
    same = across_ends()[:, [0, 0]]
    assert torch.equal(made(same, 5), linear(same, 5))


def test_thinning_keeps_both_ends_and_one_of_each_cluster() -> None:
    points = torch.tensor([[0.0], [0.001], [5.0], [5.001], [0.002], [9.0]])
    kept, stands_for = _thinned(points, 0.01)
    assert kept.tolist() == [0, 1, 2, 5]
    assert stands_for.tolist() == [0, 1, 2, 2, 0, 3]


def test_what_cannot_be_used_is_refused() -> None:
    field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
    with pytest.raises(ConfigError, match=r"initializer = 'modes' needs a metric .* 'pullback'"):
        ModesInitializer().check(PullbackMetric(field))
    for key, value in (("lines", 0), ("steps", 1.5), ("amplitude", 0.0), ("reach", -1.0)):
        with pytest.raises(ConfigError, match=rf"initializer\.{key} = {value}"):
            ModesInitializer(**{key: value})  # type: ignore[arg-type]

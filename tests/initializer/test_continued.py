"""Sigma continued from large to small finds the way round a gap in which the straight line stays
caught.
"""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.initializer.continued import ContinuedInitializer
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.path.interpolation import linear
from scoregeo.solver.gauss_newton import GaussNewton
from tests.initializer.cases import across_ends, counted_gap_metric, given, open_ring, ring_metric


def test_goes_round_the_gap_that_catches_lerp() -> None:
    metric, _ = counted_gap_metric()
    ends = across_ends()
    start = ContinuedInitializer(sigma_start=1.0).prepare(metric, given(open_ring()))(ends, 33)
    found = GaussNewton(33, subnodes=4, continuation=False).solve(metric, start)
    caught = GaussNewton(33, subnodes=4).solve(metric, linear(ends, 33))
    assert float(caught.certified_energy) > 1000 * float(found.certified_energy)
    # The long way round has 43 steps of the circle, and an energy of a little more than half its
    # length squared.
    length = 43 * 2 * math.pi / 60
    assert 0.95 * length**2 / 2 < float(found.certified_energy) < 2 * length**2 / 2
    assert float(found.path[0, 16, 0]) > 0.9  # the middle is on the far side


def test_cost_stays_within_what_is_stated() -> None:
    metric, score = counted_gap_metric()
    settings = ContinuedInitializer(sigma_start=1.0, levels=3, subnodes=2, max_iterations=4)
    settings.prepare(metric, given(open_ring()))(across_ends(), 17)
    evaluations, certificate = 2 * 16 + 1, 4 * 2 * 16 + 1
    assert 0 < score.count <= 3 * ((4 + 1) * evaluations + certificate)


def test_what_it_cannot_serve_is_refused() -> None:
    with pytest.raises(ConfigError, match="such as metric = 'stein', not 'euclidean'"):
        ContinuedInitializer().check(EuclideanMetric())
    with pytest.raises(
        ConfigError, match=r"initializer\.sigma_start = 0.1 .* above score\.sigma = 0.1"
    ):
        ContinuedInitializer(sigma_start=0.1).check(ring_metric())
    for key, value in (
        ("sigma_start", -1.0),
        ("levels", 0),
        ("subnodes", 0),
        ("max_iterations", 0),
    ):
        with pytest.raises(ConfigError, match=rf"initializer\.{key} = "):
            ContinuedInitializer(**{key: value})  # type: ignore[arg-type]


def test_reads_no_reference() -> None:
    metric, _ = counted_gap_metric()

    def references(count: int) -> torch.Tensor:
        pytest.fail("data asked for")

    ContinuedInitializer(1.0, levels=1, max_iterations=1).prepare(metric, references)(
        across_ends(), 9
    )

"""A remembered score: equal in every bit to the score itself, and evaluated once."""

import pytest
import torch

from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.memo import MemoizedScore, ScoreMemory
from scoregeo.score.sphere import SphereScore


def scores(memory: ScoreMemory) -> tuple[CountingScore, MemoizedScore]:
    """What the network below the memory is asked, and the score above it."""
    evaluated = CountingScore(SphereScore(2, 3))
    return evaluated, MemoizedScore(evaluated, memory)


def points(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)).double()


def test_an_equal_batch_is_evaluated_once_and_a_changed_one_anew() -> None:
    evaluated, score = scores(ScoreMemory())
    x = points(64)
    first = score.score(x, 0.1)
    assert torch.equal(score.score(x.clone(), 0.1), first) and evaluated.count == 64
    # One number that is no probe, another noise level, another type: all evaluated.
    changed = x.clone()
    changed[1, 2] += 1e-15
    assert not torch.equal(changed, x)
    score.score(changed, 0.1)
    score.score(x, 0.2)
    score.score(x.float(), 0.1)
    assert evaluated.count == 4 * 64
    score.score(changed, 0.1).zero_()  # what is given out is not what is kept
    assert torch.equal(score.score(changed, 0.1), SphereScore(2, 3).score(changed, 0.1))
    assert evaluated.count == 4 * 64


def test_derivatives_and_small_batches_are_evaluated() -> None:
    evaluated, score = scores(ScoreMemory())
    x, v = points(64), points(64, 1)
    reference = SphereScore(2, 3)
    for _ in range(2):
        value, product = score.jvp(x, v, 0.1)
        torch.testing.assert_close(product, reference.jvp(x, v, 0.1)[1], rtol=0, atol=0)
        torch.testing.assert_close(
            score.vjp(x, v, 0.1)[1], reference.vjp(x, v, 0.1)[1], rtol=0, atol=0
        )
    before = evaluated.count
    for _ in range(2):
        score.score(points(31), 0.1)
    assert evaluated.count == before + 62
    assert torch.equal(value, reference.score(x, 0.1))


def test_memory_is_bounded_and_keeps_the_latest() -> None:
    kib = 64 * 3 * 8 * 2 / 2**20  # of one batch with its score
    evaluated, score = scores(ScoreMemory(megabytes=2.5 * kib))
    batches = [points(64, seed) for seed in range(3)]
    for x in batches:
        score.score(x, 0.1)
    for x in batches[1:]:
        score.score(x, 0.1)
    assert evaluated.count == 3 * 64
    score.score(batches[0], 0.1)
    assert evaluated.count == 4 * 64
    large, once = points(1000), evaluated.count
    for _ in range(2):
        score.score(large, 0.1)
    assert evaluated.count == once + 2000


def test_scores_that_share_a_memory_do_not_share_values() -> None:
    memory = ScoreMemory()
    sphere, line = (MemoizedScore(SphereScore(d, 3), memory) for d in (2, 1))
    x = points(64)
    first = sphere.score(x, 0.1)
    assert torch.equal(line.score(x, 0.1), SphereScore(1, 3).score(x, 0.1))
    assert torch.equal(sphere.score(x, 0.1), first)


@pytest.mark.parametrize("subnodes", (4, 8))
def test_metrics_of_one_field_share_a_path(subnodes: int) -> None:
    evaluated, score = scores(ScoreMemory())
    counted = CountingScore(score)
    field, rule = ScoreField(counted, 0.1), Quadrature("trapezoid", subnodes)
    path = linear(points(2)[None], 17)
    with torch.no_grad():
        for metric in (SteinMetric(field, 10.0), PullbackMetric(field), ConformalMetric(field)):
            once = metric.measure(path, rule)
            assert torch.equal(once.energy, metric.measure(path, rule).energy)
    assert evaluated.count == 16 * subnodes + 1
    assert counted.count == 6 * evaluated.count  # an evaluation counts whether remembered or not

"""Log-density differences piece by piece: the same numbers and the same cost as all at once."""

import pytest
import torch

import scoregeo
from scoregeo._utils.memory import numbers_at_once
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.differences import path_differences
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import RULES, Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import QuarticShell

GIB = 2**30


def path() -> torch.Tensor:
    ends = torch.randn(3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return linear(ends, 12)


class Largest(QuarticShell):
    """Remembers the largest batch it was given."""

    largest = 0

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        self.largest = max(self.largest, len(x))
        return super()._score(x, sigma)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("segments", [1, 2, 4, 11])
def test_pieces_give_the_differences_of_the_whole_at_its_cost(rule: str, segments: int) -> None:
    score = Largest()
    counted = CountingScore(score)
    field, quadrature = ScoreField(counted, 0.3), Quadrature(rule, 3)
    whole = path_differences(field, path(), quadrature)
    cost, largest = counted.count, score.largest
    counted.count = score.largest = 0
    numbers = 3 * 3 * quadrature.evaluations(12) / 11 * (segments + 0.01)
    with scoregeo.memory_limit(512 * (numbers + 1) / GIB):
        pieces = path_differences(field, path(), quadrature)
    assert torch.equal(pieces, whole)
    assert counted.count == cost == 3 * quadrature.evaluations(12)
    assert score.largest <= largest * (segments + 1) / 11 + 3


@pytest.mark.parametrize("make", [SteinMetric, ConformalMetric])
def test_metrics_measure_the_same_in_pieces(make: type) -> None:
    metric: AbstractMetric = make(ScoreField(QuarticShell(), 0.3), 2.0)
    whole = metric.measure(path(), Quadrature("trapezoid", 4))
    with scoregeo.memory_limit(512 * 120 / GIB):
        assert numbers_at_once() == 120  # two or three segments of the eleven
        pieces = metric.measure(path(), Quadrature("trapezoid", 4))
    for name, value in vars(whole).items():
        assert torch.equal(value, getattr(pieces, name)), name


def test_a_path_that_is_differentiated_keeps_its_gradient() -> None:
    metric = SteinMetric(ScoreField(QuarticShell(), 0.3), 2.0)
    rule = Quadrature("trapezoid", 2)
    whole = autograd_gradient(metric, path(), rule)
    with scoregeo.memory_limit(512 * 40 / GIB):
        assert torch.equal(autograd_gradient(metric, path(), rule), whole)

"""The bootstrap interval against the normal theory, and its edge cases."""

import math

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.statistics import Estimate, NotAvailable, bootstrap_mean


def known(values: list[float], **options: int) -> Estimate:
    estimate = bootstrap_mean(values, **options)
    assert isinstance(estimate, Estimate)
    return estimate


def test_close_to_the_normal_interval() -> None:
    values = (
        torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3 + 10
    )
    estimate = known(values.tolist())
    half = 1.96 * float(values.std()) / math.sqrt(200)
    assert estimate.mean == pytest.approx(float(values.mean()), abs=1e-12)
    # 200 nearly normal values: skewness and 9,999 resamples move each bound by a few per cent of
    # the half-width.
    assert estimate.low == pytest.approx(estimate.mean - half, abs=0.1 * half)
    assert estimate.high == pytest.approx(estimate.mean + half, abs=0.1 * half)
    assert estimate.n == 200


def test_covers_the_true_mean_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(size=(200, 15))
    hits = sum(e.low <= 0 <= e.high for e in (known(list(row), resamples=500) for row in draws))
    # Bootstrap intervals of 15 values cover a little less than 95 %; 200 trials have a deviation of
    # 1.8 %.
    assert 0.85 <= hits / 200 <= 0.99


def test_small_and_constant_samples() -> None:
    one = known([2.0])
    assert (one.mean, one.n) == (2.0, 1)
    assert math.isnan(one.low) and math.isnan(one.high)
    assert known([1.0, 3.0]) == Estimate(2.0, 1.0, 3.0, 2)
    assert known([4.0] * 5) == Estimate(4.0, 4.0, 4.0, 5)
    assert known([0.1] * 7).low == pytest.approx(0.1, abs=1e-15)
    three = known([0.0, 0.0, 1.0])
    assert 0 <= three.low < three.mean < three.high <= 1


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    estimate = known([1.0, math.nan, 3.0, math.inf, 2.0])
    assert (estimate.mean, estimate.n, estimate.left_out) == (2.0, 3, 2)
    assert bootstrap_mean([math.nan, math.nan]) == NotAvailable(
        "none of 2 pairs gave a finite value"
    )
    assert isinstance(bootstrap_mean([]), NotAvailable)


def test_same_seed_same_interval() -> None:
    values = [0.3, 0.1, 0.9, 0.4, 0.7]
    assert known(values, seed=3) == known(values, seed=3)


def test_bad_level() -> None:
    with pytest.raises(ConfigError, match="level"):
        bootstrap_mean([1.0, 2.0], level=1.0)

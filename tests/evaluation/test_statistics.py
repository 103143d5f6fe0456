"""Intervals of means: scipy's t interval, coverage by simulation, edge cases; the jackknife."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp

from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.statistics import (
    Estimate,
    NotAvailable,
    jackknife_error,
    mean_error,
    mean_with_interval,
    t_interval,
    t_test,
)

TRIALS = 2000
COUNTS = (3, 4, 5, 8, 12, 24)


def known(values: list[float] | np.ndarray, **options: float) -> Estimate:
    estimate = mean_with_interval(values, **options)  # type: ignore[arg-type]
    assert isinstance(estimate, Estimate)
    return estimate


def coverage(draws: np.ndarray, mean: float) -> float:
    found = [known(row) for row in draws]
    return sum(one.low <= mean <= one.high for one in found) / len(found)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("n", [2, 3, 24])
def test_the_interval_and_the_test_are_scipy_s(n: int, level: float) -> None:
    values = np.random.default_rng(n).normal(0.3, 2, n)
    wanted = ttest_1samp(values, 0)
    bounds = wanted.confidence_interval(level)
    found = known(values, level=level)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), rel=1e-12)
    assert (found.mean, found.n) == (pytest.approx(values.mean(), rel=1e-14), n)
    p = t_test(found.mean, mean_error(torch.from_numpy(values)), n)
    assert p == pytest.approx(max(float(wanted.pvalue), 2 / 2**n), rel=1e-10)


# Binomial deviation of 2,000 trials at 0.95: 0.0049. 0.015 is three of them, one chance in 370.
@pytest.mark.parametrize("n", COUNTS)
def test_covers_as_often_as_it_says(n: int) -> None:
    draws = np.random.default_rng(n).normal(size=(TRIALS, n))
    assert coverage(draws, 0) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize(("a", "b"), [(5, 2), (8, 2)])  # skewness -0.6 and -0.83, as of an SSIM
def test_covers_moderately_skewed_values(n: int, a: float, b: float) -> None:
    draws = np.random.default_rng(n).beta(a, b, size=(TRIALS, n))
    # 0.93 to 0.97, less three binomial deviations at 0.93, 0.017. BCa of n <= 8 would fail.
    assert 0.93 - 0.017 <= coverage(draws, a / (a + b)) <= 0.97


@pytest.mark.parametrize("n", COUNTS)
def test_heavy_tails_are_covered_as_badly_as_the_docstring_says(n: int) -> None:
    rng = np.random.default_rng(n)
    alone = rng.lognormal(size=(TRIALS, n))
    assert 0.80 <= coverage(alone, math.exp(0.5)) <= 0.90
    # A difference of two is symmetric: there is no skewness, and wide intervals cover more.
    assert 0.95 <= coverage(alone - rng.lognormal(size=(TRIALS, n)), 0) <= 0.985
    apart = alone - rng.lognormal(size=(TRIALS, n)) / 10
    assert 0.81 <= coverage(apart, 0.9 * math.exp(0.5)) <= 0.90


def test_small_and_constant_samples() -> None:
    one = known([2.0])
    assert (one.mean, one.n) == (2.0, 1)
    assert math.isnan(one.low) and math.isnan(one.high)
    two = known([1.0, 3.0])  # the quantile of one degree of freedom is the Cauchy one's
    assert two.high - 2 == pytest.approx(math.tan(0.475 * math.pi))
    assert known([4.0] * 5) == Estimate(4.0, 4.0, 4.0, 5)
    assert known([0.1] * 7).low == pytest.approx(0.1, abs=1e-15)


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    estimate = known([1.0, math.nan, 3.0, math.inf, 2.0])
    assert (estimate.mean, estimate.n, estimate.left_out) == (2.0, 3, 2)
    assert mean_with_interval([math.nan, math.nan]) == NotAvailable(
        "none of 2 pairs gave a finite value"
    )
    assert isinstance(mean_with_interval([]), NotAvailable)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    without = (values.sum() - values) / 8
    assert jackknife_error(without) == pytest.approx(float(values.std()) / 3, rel=1e-12)
    assert math.isnan(jackknife_error(values[:1]))


def test_no_p_below_what_so_few_values_allow() -> None:
    for n in (2, 5, 6):
        assert t_test(1.0, 0.0, n) == t_test(1.0, 1e-9, n) == 2 / 2**n
    assert t_test(0.0, 0.0, 5) == t_test(0.0, 1.0, 5) == 1.0
    assert math.isnan(t_test(1.0, math.nan, 1)) and math.isnan(t_interval(1.0, math.nan, 1)[0])


def test_bad_level() -> None:
    with pytest.raises(ConfigError, match="level"):
        mean_with_interval([1.0, 2.0], level=1.0)


def test_no_p_where_the_error_is_not_known() -> None:
    assert math.isnan(t_test(1.0, math.nan, 5)) and math.isnan(t_test(math.nan, 1.0, 5))

"""Paired comparisons against scipy, cases worked by hand, and simulation; who is marked and who is
not.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel, wilcoxon

from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.comparison import (
    Comparison,
    Difference,
    compare,
    holm,
    paired_difference,
    rank_biserial,
    resampled_difference,
)
from scoregeo.evaluation.distribution import compare_features
from scoregeo.evaluation.registry import HIGHER, LOWER


def draws(n: int, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    return (
        torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift
    )


def test_sign_flip_counts_every_pattern() -> None:
    d = draws(8, 0.5)
    means = [
        abs(float((d * torch.tensor(signs, dtype=torch.float64)).mean()))
        for signs in itertools.product((1, -1), repeat=8)
    ]
    wanted = sum(mean >= abs(float(d.mean())) - 1e-12 for mean in means) / 256
    assert paired_difference(d, torch.zeros(8)).p == pytest.approx(wanted, abs=1e-12)


def test_large_samples_agree_with_the_t_test() -> None:
    a, b = draws(400, 0.12), draws(400, seed=1)
    found = paired_difference(a, b)
    # Both are normal by then; 9,999 sign patterns have a standard error of at most 0.005.
    assert found.p == pytest.approx(float(ttest_rel(a, b).pvalue), abs=0.015)
    assert found.mean == pytest.approx(float((a - b).mean()), abs=1e-12)
    half = 1.96 * float((a - b).std()) / 20
    assert (found.low, found.high) == pytest.approx(
        (found.mean - half, found.mean + half), abs=0.1 * half
    )


def test_no_p_below_what_so_few_pairs_allow() -> None:
    for n in (2, 5, 6):
        assert paired_difference(torch.ones(n), torch.zeros(n)).p == pytest.approx(2 / 2**n)
    assert paired_difference(torch.ones(1), torch.zeros(1)).p == 1.0


def test_rank_biserial_is_wilcoxon_s_statistic() -> None:
    d = draws(30, 0.4)
    smaller = float(wilcoxon(d.numpy()).statistic)  # the smaller of W+ and W-
    total = 30 * 31 / 2
    assert abs(rank_biserial(d)) == pytest.approx((total - 2 * smaller) / total, abs=1e-12)
    assert (
        rank_biserial(d.abs()) == 1.0
        and rank_biserial(-d.abs()) == -1.0
        and rank_biserial(torch.zeros(3)) == 0.0
    )


def test_pairs_that_are_not_finite_and_rounding_are_left_out() -> None:
    a, b = draws(9, 1.0), draws(9, seed=1)
    a[0], b[1] = math.nan, math.inf
    assert paired_difference(a, b) == paired_difference(a[2:], b[2:])
    assert paired_difference(a[:2], b[:2]).n == 0
    equal = paired_difference(b[2:] + 1e-15, b[2:])
    assert (equal.mean, equal.p, equal.effect) == (0.0, 1.0, 0.0)


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never decreasing.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []
    assert holm([math.nan, 0.02])[1] == 0.02


def test_false_alarms_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        values = {name: torch.from_numpy(rng.normal(size=8)) for name in ("lerp", "a", "b", "c")}
        goodness = {name: float(value.mean()) for name, value in values.items()}
        found = compare(
            goodness,
            ["lerp"],
            HIGHER,
            lambda m, r, v=values: paired_difference(v[m], v[r], resamples=50),
        )  # type: ignore[misc]
        alarms += any(one.better is not None for one in found)
    # At most 5 % of families, whatever their number; 100 trials have a standard error of 2.2 %.
    assert alarms / 100 <= 0.05 + 2 * 0.022


def fixed(
    values: dict[str, float], p: float = 0.001, n: int = 20, half: float = 0.1
) -> list[Comparison]:
    """Comparisons of methods whose differences are known: intervals of +- `half`."""

    def between(method: str, reference: str) -> Difference:
        mean = values[method] - values[reference]
        return Difference(mean, mean - half, mean + half, p, 0.5, n)

    return compare(values, ["lerp", "slerp"], HIGHER, between)


def test_a_method_is_marked_where_it_beats_the_best_baseline() -> None:
    found = fixed({"lerp": 1.0, "slerp": 2.0, "ours": 3.0, "other": 2.05})
    assert {one.method: one.better for one in found} == {"lerp": False, "ours": True, "other": None}
    assert {one.reference for one in found} == {"slerp"}
    assert [one.p_corrected for one in found] == pytest.approx([0.003] * 3)


def test_a_baseline_is_marked_where_it_beats_every_method_with_a_metric() -> None:
    found = fixed({"lerp": 3.0, "slerp": 2.95, "ours": 1.0, "other": 2.0})
    last = found[-1]
    assert (last.method, last.reference, last.better) == ("lerp", "other", True)
    assert (last.difference.mean, last.difference.low, last.difference.high) == pytest.approx(
        (1.0, 0.9, 1.1)
    )
    assert {one.method: one.better for one in found[:-1]} == {
        "slerp": None,
        "ours": False,
        "other": False,
    }
    # One of ours that cannot be told apart is enough to mark nobody.
    assert all(one.better is not True for one in fixed({"lerp": 3.0, "ours": 1.0, "other": 2.95}))


@pytest.mark.parametrize("change", [{"p": 0.04}, {"n": 5}, {"half": 1.5}])
def test_interval_corrected_test_and_count_must_all_say_so(change: dict[str, float]) -> None:
    values = {"lerp": 1.0, "ours": 2.0, "other": 2.0}
    assert [one.better for one in fixed(values)] == [True, True]
    assert [one.better for one in fixed(values, **change)] == [None, None]  # type: ignore[arg-type]


def test_differences_of_rounding_are_none() -> None:
    large, small = 1e6 * (1 + draws(8).abs()), draws(8, seed=1).abs()
    for values in (large, small):
        # The size of a float64 sum's error, one way on every pair: the test alone would find it.
        found = paired_difference(values * (1 + 1e-10), values)
        assert (found.mean, found.p, found.effect) == (0.0, 1.0, 0.0)
        found = paired_difference(values * (1 + 1e-6), values)
        assert found.mean > 0 and found.p == pytest.approx(2 / 2**8) and found.effect == 1.0
    zero = torch.full((8,), 4e-15)
    assert paired_difference(zero, 2 * zero).p == 1.0
    moved = torch.linspace(-1, 1, 9, dtype=torch.float64)
    near = resampled_difference(100.0 + 1e-9, 100.0, moved + 1e-9, moved, 9)
    assert (near.mean, near.p) == (0.0, 1.0)


def test_a_baseline_that_is_best_by_rounding_is_not_marked() -> None:
    n = 8
    ours = 0.02 + 0.001 * draws(n)
    constant = 4e-15 * (1 + draws(n, seed=1).abs())  # a straight line's variation of speed
    other = 5e-15 * (1 + draws(n, seed=2).abs())
    slow = 0.01 + 0.001 * draws(n, seed=3)

    def of(**values: torch.Tensor) -> dict[tuple[str, str], bool | None]:
        found = compare(
            {name: float(value.mean()) for name, value in values.items()},
            ["lerp", "slerp"],
            LOWER,
            lambda method, reference: paired_difference(values[method], values[reference]),
        )
        return {(one.method, one.reference): one.better for one in found}

    # Worse than what is exact by construction, which is not marked for it; nor told from another.
    assert of(lerp=constant, ours=ours) == {("ours", "lerp"): False}
    assert of(lerp=constant, slerp=other, ours=ours) == {
        ("slerp", "lerp"): None,
        ("ours", "lerp"): False,
    }
    single = 1e-7 * (1 + draws(n, seed=1).abs())  # of float32 points
    assert of(lerp=single, ours=ours) == {("ours", "lerp"): False}
    # Of two equal baselines neither is the best; of two that differ the better one is.
    assert of(lerp=slow, slerp=slow * (1 + 1e-13), ours=ours) == {
        ("slerp", "lerp"): None,
        ("ours", "lerp"): False,
    }
    assert of(lerp=slow, slerp=slow + 0.005, ours=ours)[("lerp", "ours")] is True
    # A method with a metric that is exact where the best baseline is not has won.
    assert of(lerp=slow, ours=constant) == {("ours", "lerp"): True}


def test_lower_is_better_where_said() -> None:
    def between(method: str, reference: str) -> Difference:
        return Difference(-1.0, -1.5, -0.5, 0.001, -1.0, 9)

    (only,) = compare({"lerp": 3.0, "ours": 2.0}, ["lerp"], LOWER, between)
    assert only.better is True
    with pytest.raises(ConfigError, match="direction = 'up'"):
        compare({"lerp": 3.0, "ours": 2.0}, ["lerp"], "up", between)


def test_nothing_to_compare() -> None:
    assert (
        fixed({"lerp": 1.0}) == [] and fixed({"ours": 1.0, "other": 2.0} | {"lerp": math.nan}) == []
    )


def test_fid_of_two_methods_is_compared_on_the_same_draws_of_pairs() -> None:
    def features(shift: float, noise: float = 0.0) -> torch.Tensor:
        base = torch.randn(
            12, 10, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        pairs = torch.randn(
            12, 1, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
        extra = torch.randn(
            12, 10, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64
        )
        return base + pairs + shift + noise * extra

    reference = torch.randn(200, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    near, far = (
        compare_features(features(s, n), reference, "given", subset_size=50, subsets=2)
        for s, n in ((1.0, 0), (1.3, 0.1))
    )
    joint = resampled_difference(
        far.fid.mean, near.fid.mean, far.resampled["fid"], near.resampled["fid"], 12
    )
    assert (
        joint.mean == pytest.approx(far.fid.mean - near.fid.mean)
        and joint.low > 0
        and joint.p < 0.05
        and math.isnan(joint.effect)
    )
    # Apart, their intervals overlap, for both move with the pairs drawn.
    assert far.fid.low < near.fid.high
    same = resampled_difference(
        near.fid.mean, near.fid.mean, near.resampled["fid"], near.resampled["fid"], 12
    )
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    sudden = resampled_difference(2.0, 1.0, torch.full((9,), 2.0), torch.ones(9), 4)
    assert sudden.p == 2 / 2**4  # no certainty from four pairs
    assert math.isnan(resampled_difference(2.0, 1.0, torch.ones(9), torch.ones(9), 1).p)


def test_resampled_test_of_a_mean_agrees_with_the_t_test() -> None:
    # For a mean the bootstrap's standard error is known, and the p is the t test's up to the error
    # of 4,000 resamples' deviation.
    a, b = draws(15, 0.5), draws(15, seed=1)
    index = torch.randint(15, (4000, 15), generator=torch.Generator().manual_seed(0))
    found = resampled_difference(
        float(a.mean()), float(b.mean()), a[index].mean(1), b[index].mean(1), 15
    )
    assert found.p == pytest.approx(float(ttest_rel(a, b).pvalue), rel=0.15)

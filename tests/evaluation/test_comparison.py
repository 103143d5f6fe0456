"""Paired comparisons against scipy, cases worked by hand, and simulation; who is marked and who is
not.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel, wilcoxon

from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.comparison import Comparison, compare
from scoregeo.evaluation.difference import (
    Difference,
    holm,
    jackknife_difference,
    paired_difference,
    rank_biserial,
)
from scoregeo.evaluation.distribution import compare_features
from scoregeo.evaluation.fid_kid import weighted_fid, weighted_kid
from scoregeo.evaluation.registry import HIGHER, LOWER


def draws(n: int, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    return (
        torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift
    )


@pytest.mark.parametrize("n", [6, 9, 24])
def test_interval_and_test_are_those_of_paired_t(n: int) -> None:
    for seed in range(100):
        a, b = draws(n, 0.8, seed), draws(n, seed=1000 + seed)
        found, wanted = paired_difference(a, b), ttest_rel(a, b)
        bounds = wanted.confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), rel=1e-10)
        assert found.p == pytest.approx(max(float(wanted.pvalue), 2 / 2**n), rel=1e-10)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


def test_no_p_below_what_so_few_pairs_allow() -> None:
    for n in (2, 5, 6):
        assert paired_difference(torch.ones(n), torch.zeros(n)).p == pytest.approx(2 / 2**n)
    one = paired_difference(torch.ones(1), torch.zeros(1))
    assert one.n == 1 and math.isnan(one.p) and math.isnan(one.low)


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
            lambda m, r, v=values: paired_difference(v[m], v[r]),
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
        assert found.mean > 0 and found.p < 0.05 and found.effect == 1.0
    zero = torch.full((8,), 4e-15)
    assert paired_difference(zero, 2 * zero).p == 1.0
    moved = torch.linspace(-1, 1, 9, dtype=torch.float64)
    near = jackknife_difference(100.0 + 1e-9, 100.0, moved + 1e-9, moved)
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


def test_equal_means_are_not_equal_values() -> None:
    """A start whose mean is a baseline's by chance is compared; so is a baseline that wins."""
    lerp = torch.tensor([0, 0.25, 0.5, 0.25, 0, 0.5, 0.25, 0.25, 0, 0.5], dtype=torch.float64)
    start = torch.tensor([0.5, 0, 0, 0.5, 0.5, 0, 0, 0.25, 0.5, 0.25], dtype=torch.float64)
    values = {"lerp": lerp, "start": start, "ours": lerp + 0.125}
    assert lerp.mean() == start.mean()

    def of(values: dict[str, torch.Tensor]) -> dict[tuple[str, str], bool | None]:
        found = compare(
            {name: float(value.mean()) for name, value in values.items()},
            ["lerp", "slerp"],
            HIGHER,
            lambda method, reference: paired_difference(values[method], values[reference]),
            "start",
        )
        return {(one.method, one.reference): one.better for one in found}

    assert of(values) == {("start", "lerp"): None, ("ours", "lerp"): True, ("ours", "start"): None}
    values = {"lerp": lerp + 9, "slerp": start + 9, "ours": lerp + draws(10, seed=3) / 9}
    assert of(values)[("lerp", "ours")] is True


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


def features(pairs: int, shift: float, noise: float, seed: int, method: int = 0) -> torch.Tensor:
    """Frames [pairs, 10, 4] about a point of each pair: what all methods share, moved by `shift`,
    and `noise` of each method's own.
    """

    def normal(*shape: int, own: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(4 * seed + own)
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    common = normal(pairs, 10, 4, own=0) + normal(pairs, 1, 4, own=1)
    return common + shift + noise * normal(pairs, 10, 4, own=2 + method)


def test_fid_of_two_methods_is_compared_without_the_same_pairs() -> None:
    reference = torch.randn(200, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    near, far = (
        compare_features(features(12, s, n, 0), reference, "given", subset_size=50, subsets=2)
        for s, n in ((1.0, 0), (1.3, 0.1))
    )
    joint = jackknife_difference(
        far.fid.mean, near.fid.mean, far.jackknife["fid"], near.jackknife["fid"]
    )
    assert (
        joint.mean == pytest.approx(far.fid.mean - near.fid.mean)
        and joint.low > 0
        and joint.p < 0.05
        and joint.n == 12
        and math.isnan(joint.effect)
    )
    # Apart, their intervals overlap, for both move with the pairs drawn.
    assert far.fid.low < near.fid.high
    same = jackknife_difference(
        near.fid.mean, near.fid.mean, near.jackknife["fid"], near.jackknife["fid"]
    )
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    sudden = jackknife_difference(2.0, 1.0, torch.full((4,), 2.0), torch.ones(4))
    assert sudden.p == 2 / 2**4  # no certainty from four pairs


def test_the_jackknife_s_test_of_a_mean_is_the_t_test() -> None:
    a, b = draws(15, 0.5), draws(15, seed=1)
    without = [(x.sum() - x) / 14 for x in (a, b)]
    found = jackknife_difference(float(a.mean()), float(b.mean()), *without)
    wanted = paired_difference(a, b)
    assert (found.p, found.low) == (pytest.approx(wanted.p), pytest.approx(wanted.low))


@pytest.mark.parametrize("measure", [weighted_fid, weighted_kid])
def test_level_and_power_of_the_test_of_sets(
    measure: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    pairs, trials = 10, 80
    reference = torch.randn(200, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = torch.cat([torch.ones(1, pairs), 1 - torch.eye(pairs)]).double()

    def significant(shift: float) -> float:
        found = []
        for seed in range(trials):
            one, other = (
                measure(features(pairs, 0.5 + moved, 0.5, seed, method), reference, weights)
                for method, moved in enumerate((shift, 0.0))
            )
            found.append(jackknife_difference(float(one[0]), float(other[0]), one[1:], other[1:]))
        return sum(one.p < 0.05 for one in found) / trials

    # Two methods of equal distribution: 0.05 plus two binomial deviations of 80 trials, 0.024.
    assert significant(0.0) <= 0.05 + 2 * 0.024
    # A shift of a third of a deviation, known to be there: found in 0.64 of cases by KID, more by
    # FID; less two binomial deviations, 0.054.
    assert significant(0.5) >= 0.64 - 2 * 0.054

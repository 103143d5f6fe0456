"""Methods against each other on the same pairs: difference with interval, test, correction, effect
size, and who is marked.

Pairs are the unit: a method's value for one, or for FID and KID all of its frames, is one
observation."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_choice
from scoregeo.evaluation.registry import HIGHER, LOWER, NEARER_ZERO
from scoregeo.evaluation.statistics import Estimate, bootstrap_mean

LEVEL = 0.05
FEWEST_PAIRS = 6  # 2 / 2^6 is the first exact two-sided p below 0.05
_FLIPS = 9999  # sign patterns, all of them up to 13 pairs
# Measures are computed in float64 (epsilon 2.2e-16), as sums of up to some 10^6 terms: the order of
# summation changes a result by at most 10^6 epsilon of its size, and terms of size one that cancel
# leave some 10^3 epsilon. Tables show four digits.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12
# A quantity that is 0 by construction, such as a straight line's variation of speed, comes out as
# the rounding of the points: some 1e-15 in float64, some 1e-7 in float32 (epsilon 1.2e-7).
_ZERO = 1e-6
RULE = (
    "Bold: better than the best baseline (of the methods without a metric of ours, the one whose"
    " mean is best on these pairs) and, for a geodesic, than the solver's start as well; or the"
    " best baseline itself where it is better than every method with a metric, unless another"
    " baseline equals it or its value is 0 by construction (both up to rounding). Better means that"
    " the 95 % bootstrap interval of the paired difference leaves out 0, and that the two-sided p,"
    " Holm-corrected for all comparisons of one table and measure, is below"
    f" {LEVEL}: of a sign-flip test of the mean difference, for FID, KID and recall of a t test"
    " with the deviation of joint resamples of pairs. No p is below 2 / 2^pairs, times the number"
    f" of comparisons once corrected: with fewer than {FEWEST_PAIRS} pairs nothing can be bold. A"
    " start that equals a baseline (LERP's, say) is not compared again; the truth and columns"
    " without a better direction are not compared."
)


@dataclass(frozen=True)
class Difference:
    """Method less reference: the mean over `n` pairs, its interval, two-sided `p`, effect size."""

    mean: float
    low: float
    high: float
    p: float
    effect: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """One method against `reference`: their difference, and p corrected within the family.

    `better` is True or False where interval and corrected p both say so, None where they do not.
    """

    method: str
    reference: str
    difference: Difference
    p_corrected: float
    better: bool | None


def paired_difference(
    values: torch.Tensor,
    reference: torch.Tensor,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Difference:
    """`values - reference`, [pairs] each: mean, bootstrap interval, sign-flip p, matched-pairs
    rank-biserial correlation.

    The test permutes which of a pair's two values is whose, so its null hypothesis is that the
    methods are exchangeable within a pair. It takes the mean difference, the number that the table
    shows and the interval is of, and is exact up to 13 pairs (scipy.stats.permutation_test);
    Wilcoxon's test would answer for ranks instead. No p below `2 / 2^n` exists: with fewer than 6
    pairs none is under 0.05. Effect: `rank_biserial`. Differences up
    to rounding count as none. Pairs where either value is not finite are left out; NaN where none
    is left.
    """
    values, reference = values.double(), reference.double()
    both = values - reference
    size = torch.maximum(values.abs(), reference.abs())
    d = both.where(both.abs() > _ABSOLUTE + _RELATIVE * size, 0.0)[both.isfinite()]
    n = len(d)
    if n == 0:
        return Difference(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
    estimate = bootstrap_mean(d, level=level, resamples=resamples, seed=seed)
    assert isinstance(estimate, Estimate)
    return Difference(
        estimate.mean, estimate.low, estimate.high, _sign_flip(d, seed), rank_biserial(d), n
    )


def rank_biserial(differences: torch.Tensor) -> float:
    """Matched-pairs rank-biserial correlation (Kerby 2014): `(W+ - W-) / (W+ + W-)`, in [-1, 1], 0
    where no pair differs.

    W+ and W- are the sums of the ranks of `|differences|` [pairs] above and below 0, zeros left
    out.
    """
    from scipy.stats import rankdata

    d = differences[differences != 0].double().numpy()
    if len(d) == 0:
        return 0.0
    ranks = rankdata(abs(d))
    return float(ranks[d > 0].sum() - ranks[d < 0].sum()) / float(ranks.sum())


def resampled_difference(
    value: float,
    reference: float,
    resampled: torch.Tensor,
    resampled_reference: torch.Tensor,
    pairs: int,
    level: float = 0.95,
) -> Difference:
    """Difference of two numbers that belong to all pairs together, FID or KID, from resamples
    [resamples] of the same pairs.

    The k-th entry of both belongs to the same draw of pairs, so what the methods share cancels.
    Interval: percentiles of the resampled differences, moved by their mean's distance from the
    difference itself. p: two-sided, t with `pairs - 1` degrees of freedom, of the difference over
    its resamples' deviation times `sqrt(n / (n - 1))`, which the bootstrap's is too small by; but
    not below `2 / 2^n`, for it is only about right for few pairs. No effect size: there is no value
    of one pair.
    """
    from scipy.stats import t

    found = value - reference
    if abs(found) <= _ABSOLUTE + _RELATIVE * max(abs(value), abs(reference)):
        found = 0.0
    spread = resampled.double() - resampled_reference.double()
    if pairs < 2:
        return Difference(found, math.nan, math.nan, math.nan, math.nan, pairs)
    tail = (1 - level) / 2
    low, high = torch.quantile(
        spread - spread.mean(), torch.tensor([tail, 1 - tail], dtype=torch.float64)
    ).tolist()
    error = float(spread.std(correction=0)) * math.sqrt(pairs / (pairs - 1))
    p = float(2 * t.sf(abs(found) / error, pairs - 1)) if error > 0 else float(found == 0)
    return Difference(found, found + low, found + high, max(p, 2.0 ** (1 - pairs)), math.nan, pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: `max over smaller p of min(1, (m - rank) p)`; NaN stays NaN."""
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    corrected = [math.nan] * len(p_values)
    least = 0.0
    for rank, (p, i) in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * p))
        corrected[i] = least
    return corrected


def compare(
    goodness: Mapping[str, float],
    baselines: Sequence[str],
    direction: str,
    difference: Callable[[str, str], Difference],
    start: str | None = None,
) -> list[Comparison]:
    """Every method against the best baseline, and every geodesic against its start, by one
    measure; then that baseline against the best of the rest, where it wins.

    `goodness`: each compared method's value over the same pairs; `baselines`: those of them without
    a metric of ours, any others left out; `start`: the path that the geodesics' solver began with,
    of this metric but of no solver; `direction`: as in `Column` (for `NEARER_ZERO` the caller gives
    absolute values); `difference(method, reference)`. A start that equals a baseline up to rounding
    is left out: a straight line is compared once. All tests are one family of Holm's correction.

    Where every method with a metric is worse than the best baseline, the last entry is that
    baseline's: the mirror image of the one of the best of them, and `better`. It is no test of its
    own. It is left out where another baseline equals the best up to rounding, and where the best
    one's value is 0 by construction, which is no finding. Empty without a baseline and a start, or
    without another method. The best baseline is chosen on the same pairs, which makes it look a
    little better than it is, never worse.
    """
    check_choice("direction", direction, (HIGHER, LOWER, NEARER_ZERO))
    sign = 1.0 if direction == HIGHER else -1.0
    known = {name: sign * value for name, value in goodness.items() if math.isfinite(value)}
    candidates = [name for name in known if name in baselines]
    if start in known and any(difference(start, name).mean == 0 for name in candidates):
        del known[start]
    solved = [name for name in known if name not in baselines and name != start]
    pairs: list[tuple[str, str]] = []
    reference = max(candidates, key=lambda name: known[name], default=None)
    if reference is not None:
        pairs += [(name, reference) for name in known if name != reference]
    if start in known:
        pairs += [(name, start) for name in solved]
    differences = [difference(method, other) for method, other in pairs]
    found = [
        Comparison(method, other, one, p, _better(one, p, sign))
        for (method, other), one, p in zip(
            pairs, differences, holm([one.p for one in differences]), strict=True
        )
    ]
    if reference is None:
        return found
    against = {one.method: one for one in found if one.reference == reference}
    ours = [name for name in against if name not in baselines]
    equalled = any(against[name].difference.mean == 0 for name in candidates if name != reference)
    by_rounding = equalled or abs(known[reference]) <= _ZERO
    if not ours or by_rounding or any(against[name].better is not False for name in ours):
        return found
    best = against[max(ours, key=lambda name: known[name])]
    return [
        *found,
        Comparison(reference, best.method, _mirror(best.difference), best.p_corrected, True),
    ]


def _better(difference: Difference, p_corrected: float, sign: float) -> bool | None:
    if (
        difference.n < FEWEST_PAIRS
        or not p_corrected < LEVEL
        or not (difference.low > 0 or difference.high < 0)
    ):
        return None
    return sign * difference.mean > 0


def _mirror(d: Difference) -> Difference:
    return Difference(-d.mean, -d.high, -d.low, d.p, -d.effect, d.n)


def _sign_flip(differences: torch.Tensor, seed: int) -> float:
    import numpy as np
    from scipy.stats import permutation_test

    d = differences.numpy()
    if not d.any() or len(d) == 1:
        return 1.0
    found = permutation_test(
        (d,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_FLIPS,
        batch=max(1, 10**6 // len(d)),
        random_state=np.random.default_rng(seed),
    )
    return float(found.pvalue)

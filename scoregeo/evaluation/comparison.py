"""Methods against each other on the same pairs: difference with interval, test, correction, effect
size, and who is marked.

Pairs are the unit: a method's value for one, or for FID and KID all of its frames, is one
observation."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scoregeo._utils.errors import check_choice
from scoregeo.evaluation.difference import Difference, holm
from scoregeo.evaluation.registry import HIGHER, LOWER, NEARER_ZERO

LEVEL = 0.05
MOST_PAIRS = 0.75  # share of pairs that a baseline must have a value for to be the best one
FEWEST_PAIRS = 6  # 2 / 2^6 is the first floor of p (`t_test`) below 0.05
# A quantity that is 0 by construction, such as a straight line's variation of speed, comes out as
# the rounding of the points: some 1e-15 in float64, some 1e-7 in float32 (epsilon 1.2e-7).
_ZERO = 1e-6
RULE = (
    "Bold: better than the best baseline (of the methods without a metric of ours, the one whose"
    " mean is best on the pairs that all of them have a value for; one that has a value for"
    f" fewer than {MOST_PAIRS:.0%} as many pairs as another is not it) and, for a geodesic, than"
    " the solver's start as well; or the best baseline itself where it is better than every"
    " method with a metric, unless another baseline equals it or its value is 0 by construction"
    " (both up to rounding). Better means that the two-sided p of a paired t test,"
    f" Holm-corrected for all comparisons of one table and measure, is below {LEVEL}: of the mean"
    " difference, for FID and KID of the difference over its jackknife error over pairs."
    " Uncorrected, p is below 0.05 where the 95 % t interval of the difference leaves out 0,"
    f" from {FEWEST_PAIRS} pairs on. No p is below 2 / 2^pairs, times the number of comparisons"
    f" once corrected: with fewer than {FEWEST_PAIRS} pairs nothing can be bold. Nor can a value"
    " that is its reference's to the digits shown. A start that equals a baseline (LERP's, say)"
    " is not compared again; the truth and columns without a better direction are not compared,"
    " nor are methods with other numbers of points by measures that depend on it."
)


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


def compare(
    goodness: Mapping[str, float],
    baselines: Sequence[str],
    direction: str,
    difference: Callable[[str, str], Difference],
    start: str | None = None,
    eligible: Sequence[str] | None = None,
) -> list[Comparison]:
    """Every method against the best baseline, and every geodesic against its start, by one
    measure; then that baseline against the best of the rest, where it wins.

    `goodness`: each compared method's value; `baselines`: those of them without a metric of ours,
    any others left out; `start`: the path that the geodesics' solver began with, of this metric but
    of no solver; `eligible`: the baselines of which the best is taken, with values over the same
    pairs; all by default; `direction`: as in `Column` (for `NEARER_ZERO` the caller gives absolute
    values); `difference(method, reference)`. A start that equals a baseline up to rounding is left
    out: a straight line is compared once. All tests are one family of Holm's correction.

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
    if start in known and _equalled(start, candidates, difference):
        del known[start]
    solved = [name for name in known if name not in baselines and name != start]
    pairs: list[tuple[str, str]] = []
    fit = [name for name in candidates if eligible is None or name in eligible]
    reference = max(fit, key=lambda name: known[name], default=None)
    if reference is not None:
        pairs += [(name, reference) for name in known if name != reference]
    if start in known:
        pairs += [(name, start) for name in solved]
    found = _tested(pairs, difference, sign)
    if reference is None:
        return found
    against = {one.method: one for one in found if one.reference == reference}
    ours = [name for name in against if name not in baselines]
    by_rounding = _equalled(reference, candidates, difference) or abs(known[reference]) <= _ZERO
    if not ours or by_rounding or any(against[name].better is not False for name in ours):
        return found
    best = against[max(ours, key=lambda name: known[name])]
    return [
        *found,
        Comparison(reference, best.method, _mirror(best.difference), best.p_corrected, True),
    ]


def compare_each(
    methods: Sequence[str],
    goodness: Mapping[str, float],
    direction: str,
    difference: Callable[[str, str], Difference],
    start: str | None = None,
) -> list[Comparison]:
    """Each of `methods` against every method that is none of them, by one measure; nothing is bold
    for it.

    Arguments as of `compare`. All tests are one family of Holm's correction, apart from those of
    `compare`.
    """
    check_choice("direction", direction, (HIGHER, LOWER, NEARER_ZERO))
    known = [name for name, value in goodness.items() if math.isfinite(value)]
    others = [name for name in known if name not in methods]
    if start in others and _equalled(start, others, difference):
        others.remove(start)
    pairs = [(name, other) for name in known if name in methods for other in others]
    return _tested(pairs, difference, 1.0 if direction == HIGHER else -1.0)


def _equalled(
    method: str, others: Sequence[str], difference: Callable[[str, str], Difference]
) -> bool:
    """Whether another method's values are the same up to rounding, all of them."""
    found = (difference(method, name) for name in others if name != method)
    return any(d.mean == 0 and (d.n == 1 or d.low == d.high == 0) for d in found)


def _tested(
    pairs: Sequence[tuple[str, str]], difference: Callable[[str, str], Difference], sign: float
) -> list[Comparison]:
    """Methods against references, all tests one family of Holm's correction."""
    differences = [difference(method, other) for method, other in pairs]
    return [
        Comparison(method, other, one, p, _better(one, p, sign))
        for (method, other), one, p in zip(
            pairs, differences, holm([one.p for one in differences]), strict=True
        )
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

"""A mean over pairs with its bootstrap interval, and the mark for a number that
could not be had.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_number


@dataclass(frozen=True)
class NotAvailable:
    """A number that could not be had, and why, in words a reader of the table can act on."""

    reason: str


NOT_DECODED = NotAvailable("paths were not decoded (evaluation.decode is false)")


@dataclass(frozen=True)
class Estimate:
    """A value over `n` pairs with an interval [low, high]; the bounds are NaN where `n` is too
    small for one.

    `left_out` counts the pairs whose value was not finite: they are in neither `mean` nor `n`.
    `detail`: a few words that a table shows beside the value, such as the frames it was computed
    of.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    n: int = 1
    left_out: int = 0
    detail: str = ""


def deviation(values: torch.Tensor) -> torch.Tensor:
    """Standard deviation of each row of [rows, count], dividing by the count: [rows].

    `Tensor.std` adds up in another order where there is one row: a row's last digits would depend
    on the others.
    """
    return (values - values.mean(1, keepdim=True)).square().mean(1).sqrt()


def bootstrap_mean(
    values: torch.Tensor | Sequence[float],
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Estimate | NotAvailable:
    """Mean of one value a pair, [pairs], with a bootstrap interval over pairs
    (scipy.stats.bootstrap).

    BCa (Efron 1987) from three pairs on; the percentile interval where BCa is undefined and for two
    pairs; [mean, mean] where all values are equal; no interval (NaN bounds) for one pair. Values
    that are not finite are left out and counted. Deterministic for a seed. NotAvailable where no
    value is finite.
    """
    check_number("level", level, above=0, below=1)
    check_number("resamples", resamples, at_least=1, integer=True)
    import numpy as np

    everything = np.asarray(
        values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=np.float64
    ).ravel()
    finite = everything[np.isfinite(everything)]
    n, left_out = len(finite), len(everything) - len(finite)
    if n == 0:
        return NotAvailable(f"none of {len(everything)} pairs gave a finite value")
    mean = float(finite.mean())
    if n == 1:
        return Estimate(mean, n=1, left_out=left_out)
    if np.ptp(finite) <= 1e-12 * max(abs(mean), np.finfo(np.float64).tiny):
        return Estimate(mean, mean, mean, n, left_out)

    from scipy.stats import bootstrap

    low = high = math.nan
    for method in ("BCa", "percentile") if n >= 3 else ("percentile",):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter(
                "ignore"
            )  # a degenerate BCa warns and gives NaN, which is handled here
            interval = bootstrap(
                (finite,),
                np.mean,
                confidence_level=level,
                n_resamples=resamples,
                batch=max(1, 10**6 // n),
                method=method,
                random_state=np.random.default_rng(seed),
            ).confidence_interval
        low, high = float(interval.low), float(interval.high)
        if math.isfinite(low) and math.isfinite(high):
            break
    return Estimate(mean, low, high, n, left_out)

"""FID, KID, precision and recall of a method's frames against a reference set, on features computed
once.

They compare two sets of images, so they belong to a method and a set of pairs, not to a pair (but
for precision, a mean over images). Intervals come from leaving out each pair in turn, with all its
frames. FID and KID are torchmetrics'. FID of few frames is biased upwards, the more so the more
features, so frame counts go with it; KID of few pairs, as their frames are not independent
(`polynomial_mmd`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError, bad_value, check_number
from scoregeo._utils.words import count
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.fid_kid import (
    torchmetrics_fid,
    torchmetrics_kid,
    weighted_fid,
    weighted_kid,
)
from scoregeo.evaluation.precision_recall import NEIGHBOURS, Coverage, coverage
from scoregeo.evaluation.statistics import Estimate, jackknife_error, t_interval

SUBSET_KEY = "evaluation.kid_subset_size"
# KID's interval covers 0.91 and 0.92 of four and five pairs of digits: its cubic kernel skews it.
_KID_PAIRS = 6


@dataclass(frozen=True, eq=False)
class DistributionResult:
    """FID, KID and the rest of one method. `n` of the estimates counts pairs; `frames` and
    `reference_frames` count images.

    `kid_spread` is the standard deviation of KID over its `subsets` random subsets of `subset_size`
    images, as torchmetrics has it (over their number, not one less). `inside` [pairs, frames]:
    which frames lie in the reference's manifold, precision being their share; it and `recall` are
    None where there are too few images for them.
    `jackknife`: by measure ("fid", "kid", "recall"), its value with each pair left out, [pairs], up
    to a constant; empty for one pair. `whole`: its value of all pairs, where it is not the
    estimate's: KID of all frames, up to the same constant, without random subsets."""

    fid: Estimate
    kid: Estimate
    kid_spread: float
    inside: torch.Tensor | None
    recall: Estimate | None
    jackknife: Mapping[str, torch.Tensor]
    whole: Mapping[str, float]
    network: str
    frames: int
    reference_frames: int
    subset_size: int
    subsets: int


def check_frame_counts(
    pairs: int, num_points: int, reference_frames: int, subset_size: int
) -> None:
    """Raise, before long work, where FID and KID could not be computed of the
    paths' inner frames.
    """
    check_number(SUBSET_KEY, subset_size, at_least=2, integer=True)
    frames = pairs * max(num_points - 2, 0)
    _check_counts(frames, reference_frames, subset_size)


def fitting_subset(subset_size: int, frames: int, references: int) -> int:
    """The size of KID's subsets that both sets have images for: `subset_size`, at least 2, or all
    of the smaller set.
    """
    return max(2, min(subset_size, frames, references))


def inner_frame_features(network: FeatureNetwork, frames: torch.Tensor) -> torch.Tensor:
    """Features of the inner frames (the given ends left out) of [pairs, points, C, H, W]: [pairs,
    points - 2, d], float64.
    """
    if frames.ndim != 5 or frames.shape[1] < 3:
        raise DataError(
            "Frames are [pairs, points >= 3, channels, height, width]; these have"
            f" {list(frames.shape)}."
        )
    inner = frames[:, 1:-1]
    return network.features(inner.flatten(0, 1)).reshape(*inner.shape[:2], -1)


def compare_features(
    features: torch.Tensor,
    reference: torch.Tensor,
    network: str,
    *,
    subset_size: int = 100,
    subsets: int = 100,
    level: float = 0.95,
    seed: int = 0,
) -> DistributionResult:
    """Features [pairs, frames, d] against `reference` [count, d], with intervals over pairs.

    Student's t interval with the jackknife's error over pairs, cut to the measure's range; KID's
    has the error of the mean over its random subsets as well, and there is none of fewer than six
    pairs. The reference stays fixed; so does FID's bias for few frames (the interval is of FID of
    so many), and so do the radii of the balls that recall counts. One FID a pair: O(pairs d^3)
    arithmetic.
    Coverage by simulation, 3 to 24 pairs of ten frames: of Gaussian features 0.94 to 0.99; of a
    classifier's features of real digits FID 0.94 to 0.97, KID 0.93 to 0.95 (of four and five pairs
    0.91 and 0.92: its cubic kernel makes it skewed, and logarithm or cube root do not mend it);
    recall 0.94 to 0.99.
    Raises ConfigError naming `evaluation.kid_subset_size` where there are fewer images than that in
    either set, DataError for reference sets of one image, other numbers of features, or values that
    are not finite.
    """
    check_number(SUBSET_KEY, subset_size, at_least=2, integer=True)
    if features.ndim != 3 or reference.ndim != 2 or features.shape[-1] != reference.shape[-1]:
        raise DataError(
            f"Features [pairs, frames, d] and [count, d] expected: {list(features.shape)},"
            f" {list(reference.shape)}."
        )
    features, reference = features.double(), reference.double()
    if not bool(features.isfinite().all() and reference.isfinite().all()):
        raise DataError("Features that are not finite: FID and KID need every frame.")
    pairs, flat = len(features), features.flatten(0, 1)
    _check_counts(len(flat), len(reference), subset_size)

    fid = torchmetrics_fid(flat, reference)
    kid, spread = torchmetrics_kid(
        flat, reference, subset_size=subset_size, subsets=subsets, seed=seed
    )
    found = coverage(flat, reference) if min(len(flat), len(reference)) > NEIGHBOURS else None
    without: dict[str, torch.Tensor] = {}
    whole: dict[str, float] = {}
    if pairs > 1:
        all_but_one = 1 - torch.eye(pairs, dtype=torch.float64)
        every = torch.ones(1, pairs, dtype=torch.float64)
        kids = weighted_kid(features, reference, torch.cat([every, all_but_one]))
        without |= {"fid": weighted_fid(features, reference, all_but_one), "kid": kids[1:]}
        whole["kid"] = float(kids[0])
        if found is not None:
            without["recall"] = _recall_of(found, pairs, all_but_one)
    return DistributionResult(
        fid=_around(fid, without.get("fid"), level, floor=0.0),
        kid=(
            _around(kid, without.get("kid"), level, noise=_subset_noise(spread, subsets))
            if pairs >= _KID_PAIRS
            else Estimate(kid, n=pairs)
        ),
        kid_spread=spread,
        inside=None if found is None else found.inside.reshape(pairs, -1),
        recall=(
            None
            if found is None
            else _around(found.recall, without.get("recall"), level, floor=0.0, ceiling=1.0)
        ),
        jackknife=without,
        whole=whole,
        network=network,
        frames=len(flat),
        reference_frames=len(reference),
        subset_size=subset_size,
        subsets=subsets,
    )


def _subset_noise(spread: float, subsets: int) -> float:
    """Standard error of a mean over random subsets of the deviation `spread`; NaN of one subset."""
    return spread / math.sqrt(subsets - 1) if subsets > 1 else math.nan


def _recall_of(found: Coverage, pairs: int, weights: torch.Tensor) -> torch.Tensor:
    """Recall of the frames of those pairs that a row of `weights` [rows, pairs] holds, [rows]: what
    any of them covers.
    """
    by_pair = found.covers.reshape(pairs, -1, found.covers.shape[1]).any(1).double()
    return ((weights > 0).double() @ by_pair > 0).double().mean(1)


def _around(
    value: float,
    without: torch.Tensor | None,
    level: float,
    floor: float = -math.inf,
    ceiling: float = math.inf,
    noise: float = 0.0,
) -> Estimate:
    """`value` with its interval; `noise`: the standard error it has apart from the pairs."""
    if without is None:
        return Estimate(value, n=1)
    n = len(without)
    error = math.hypot(jackknife_error(without), noise)
    low, high = t_interval(value, error, n, level=level)
    return Estimate(value, max(low, floor), min(high, ceiling), n)


def _check_counts(frames: int, reference_frames: int, subset_size: int) -> None:
    if reference_frames < 2:
        raise DataError(
            f"A reference set of {count(reference_frames, 'image')} has no covariance: FID and KID"
            " need at least two."
        )
    if subset_size > min(frames, reference_frames):
        most = min(frames, reference_frames)
        compared = (
            f"at most the number of images compared ({frames} inner frames, {reference_frames}"
            " reference images)"
        )
        more = (
            "compare more pairs or points"
            if frames == most
            else "raise evaluation.reference_frames"
        )
        advice = f"set {SUBSET_KEY}={most} or less, or {more}" if most >= 2 else more
        raise bad_value(SUBSET_KEY, subset_size, f"{compared}: {advice}")

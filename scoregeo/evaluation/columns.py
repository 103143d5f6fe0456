"""The measures that tables and plots of runs show: their order, their titles, and which way of each
is better.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HIGHER, LOWER, NEARER_ZERO = "higher", "lower", "nearer zero"
_METRICS = ("stein", "pullback", "conformal", "euclidean")  # as in scoregeo/run/settings.py


@dataclass(frozen=True)
class Column:
    """A measure's title, and the direction that is better: `HIGHER`, `LOWER`, `NEARER_ZERO`, or
    None where neither is.

    Only measures with a direction are compared between methods. Costs have none: a formula's is
    nothing, which says nothing."""

    title: str
    direction: str | None = None


COLUMNS = {
    "length": Column("length"),
    "length_error": Column("length error", NEARER_ZERO),
    "truth_distance_max": Column("greatest distance to truth", LOWER),
    "truth_distance_mean": Column("mean distance to truth", LOWER),
    "truth_distance_share": Column("greatest distance to truth / length", LOWER),
    "arrival_share": Column("share of the true way at the end", HIGHER),
    "arrival_distance": Column("distance to the true way at the end", LOWER),
    "manifold_distance_max": Column("greatest distance to manifold", LOWER),
    "manifold_distance_mean": Column("mean distance to manifold", LOWER),
    "psnr": Column("PSNR (dB)", HIGHER),
    "psnr_end": Column("PSNR of the last frame (dB)", HIGHER),
    "ssim": Column("SSIM", HIGHER),
    "ssim_end": Column("SSIM of the last frame", HIGHER),
    "lpips": Column("LPIPS", LOWER),
    "lpips_sum": Column("PPL: sum of LPIPS between neighbours", LOWER),
    "lpips_spread": Column("PDV: spread of LPIPS between neighbours", LOWER),
    "lpips_greatest": Column("greatest LPIPS between neighbours", LOWER),
    "lpips_nearer_end": Column("LPIPS to the nearer end"),  # 0 for a path that only shows its ends
    "lpips_ends": Column("LPIPS of the ends", LOWER),
    "feature": Column("feature distance", LOWER),
    "feature_sum": Column("sum of feature distances between neighbours", LOWER),
    "feature_spread": Column("spread of feature distances between neighbours", LOWER),
    "feature_greatest": Column("greatest feature distance between neighbours", LOWER),
    "feature_nearer_end": Column("feature distance to the nearer end"),
    "feature_ends": Column("feature distance of the ends", LOWER),
    "psnr_ends": Column("PSNR of the ends (dB)", HIGHER),
    "end_error": Column("greatest distance of an end", LOWER),
    "straightness": Column("straightness"),  # a geodesic need not be straight
    "speed_variation": Column("variation of speed", LOWER),
    "fid": Column("FID", LOWER),
    "kid": Column("KID", LOWER),
    "precision": Column("precision", HIGHER),
    "recall": Column("recall", HIGHER),
    "confidence": Column("classifier's confidence", HIGHER),
    "departure": Column("greatest departure / chord"),
    "departure_score": Column("share of it along the score"),
    "departure_truth": Column("share of it along the truth's"),
    "energy": Column("energy", LOWER),
    "energy_excess": Column("energy above bound"),  # the energy again, less what no path can avoid
    "metric_length": Column("length in metric"),
    **{f"energy_{name}": Column(f"energy, {name}") for name in _METRICS},
    **{f"length_{name}": Column(f"length, {name}") for name in _METRICS},
    "stationarity": Column("stationarity"),
    "tunnelled": Column("share of pairs that tunnel"),
    "reached": Column("share of the way gone"),
    "energy_drift": Column("drift of the energy"),
    "iterations": Column("iterations"),
    "score_evaluations": Column("score evaluations"),
    "evaluations_per_point": Column("score evaluations a point"),
    "start_evaluations": Column("evaluations for the start"),
    "other_evaluations": Column("evaluations to lift and decode"),
    "metrics_evaluations": Column("evaluations to measure in the metrics"),
    "seconds": Column("seconds a pair"),
}
TITLES = {name: column.title for name, column in COLUMNS.items()}
_HEADLINES = ("length_error", "psnr", "metric_length", "evaluations_per_point", "energy")
_MOST_HEADLINES = 3


def direction(measure: str) -> str | None:
    """Which way of a measure is better; None where neither is, and for measures
    that are not known.
    """
    return COLUMNS[measure].direction if measure in COLUMNS else None


def present(rows: Iterable[Mapping[str, Any]], wanted: Sequence[str] = tuple(TITLES)) -> list[str]:
    """Those of `wanted` that rows of `summary.json` hold for some method but the truth, in the
    order of `wanted`.
    """
    found = {row["measure"] for row in rows if row["method"] != "truth"}
    return [name for name in wanted if name in found]


def iterated(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The methods that iterate: those a sweep of solver or metric settings changes."""
    spent = [row["method"] for row in rows if row["measure"] == "iterations" and row["mean"]]
    return list(dict.fromkeys(spent))


def headlines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The few measures a sweep is plotted by: how good, how short, how dear."""
    return present(rows, _HEADLINES)[:_MOST_HEADLINES]

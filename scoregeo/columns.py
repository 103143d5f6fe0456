"""Which measures the tables and plots of runs show, in which order, and what their columns are called."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TITLES = {
    "length": "length",
    "length_error": "length error",
    "truth_distance_max": "greatest distance to truth",
    "truth_distance_mean": "mean distance to truth",
    "truth_distance_share": "greatest distance to truth / length",
    "arrival_share": "share of the true way at the end",
    "arrival_distance": "distance to the true way at the end",
    "manifold_distance_max": "greatest distance to manifold",
    "manifold_distance_mean": "mean distance to manifold",
    "psnr": "PSNR (dB)",
    "psnr_end": "PSNR of the last frame (dB)",
    "ssim": "SSIM",
    "ssim_end": "SSIM of the last frame",
    "lpips": "LPIPS",
    "lpips_sum": "PPL: sum of LPIPS between neighbours",
    "lpips_spread": "PDV: spread of LPIPS between neighbours",
    "lpips_greatest": "greatest LPIPS between neighbours",
    "lpips_nearer_end": "LPIPS to the nearer end",
    "lpips_ends": "LPIPS of the ends",
    "feature_sum": "sum of feature distances between neighbours",
    "feature_spread": "spread of feature distances between neighbours",
    "feature_greatest": "greatest feature distance between neighbours",
    "feature_nearer_end": "feature distance to the nearer end",
    "feature_ends": "feature distance of the ends",
    "psnr_ends": "PSNR of the ends (dB)",
    "fid": "FID",
    "kid": "KID",
    "energy": "energy",
    "energy_excess": "energy above bound",
    "metric_length": "length in metric",
    "stationarity": "stationarity",
    "tunnelled": "share of pairs that tunnel",
    "reached": "share of the way gone",
    "energy_drift": "drift of the energy",
    "iterations": "iterations",
    "score_evaluations": "score evaluations",
    "evaluations_per_point": "score evaluations a point",
    "start_evaluations": "evaluations for the start",
    "other_evaluations": "evaluations to lift and decode",
    "seconds": "seconds a pair",
}
_HEADLINES = ("length_error", "psnr", "metric_length", "evaluations_per_point", "energy")
_MOST_HEADLINES = 3


def present(rows: Iterable[Mapping[str, Any]], wanted: Sequence[str] = tuple(TITLES)) -> list[str]:
    """Those of `wanted` that rows of `summary.json` hold for some method but the truth, in the order of `wanted`."""
    found = {row["measure"] for row in rows if row["method"] != "truth"}
    return [name for name in wanted if name in found]


def iterated(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The methods that iterate: those a sweep of solver or metric settings changes."""
    spent = [row["method"] for row in rows if row["measure"] == "iterations" and row["mean"]]
    return list(dict.fromkeys(spent))


def headlines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The few measures a sweep is plotted by: how good, how short, how dear."""
    return present(rows, _HEADLINES)[:_MOST_HEADLINES]

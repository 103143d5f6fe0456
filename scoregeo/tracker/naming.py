"""What runs call things in Weights & Biases: the tracker logs by these names, and the dashboard's
panels are made of them.

A run's summary has the values of `summary.json`, over all pairs, as `METHOD/MEASURE`; its history
has curves against `EVALUATIONS`, one row an iteration; its tables are `PAIRS`, one row a method and
pair, and `SUMMARY`, the rows of `summary.json`."""

from collections.abc import Mapping
from typing import Any

from scoregeo._utils.targets import option_of

EVALUATIONS = "evaluations_per_point"  # the x axis of all curves
CURVES, PROGRESS, PICTURES = "curve", "progress", "pictures"
PAIRS, SUMMARY = "tables/pairs", "tables/summary"
STRIP, ANIMATION = "strip", "animation"  # columns of PAIRS
MOST_PICTURES = 40  # figures of a run
# What a curve is of: the mean and the greatest energy of the pairs, the iteration, and how far the
# points of a path moved in it.
ENERGY, GREATEST_ENERGY, ITERATION, STEP_LENGTH = (
    "energy",
    "greatest_energy",
    "iteration",
    "step_length",
)


def value_key(method: str, measure: str) -> str:
    """The summary's name of a method's measure."""
    return f"{method}/{measure}"


def curve_key(method: str, quantity: str) -> str:
    """The history's name of a quantity of a method's iterations."""
    return f"{CURVES}/{method}/{quantity}"


def picture_key(name: str) -> str:
    """The name of a figure."""
    return f"{PICTURES}/{name}"


def job_type(config: Mapping[str, Any]) -> str:
    """What the run's methods do: "extrapolation" or "interpolation"."""
    return "extrapolation" if config.get("extrapolation") else "interpolation"


def tags(config: Mapping[str, Any]) -> list[str]:
    """The options that make the problem, as "dataset:sphere"; each by its target's module."""
    nodes = {group: config.get(group) for group in ("dataset", "score", "metric", "solver")}
    return [f"{group}:{option_of(node['_target_'])}"[:64] for group, node in nodes.items() if node]

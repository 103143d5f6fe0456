"""What an energy costs in score evaluations, for the solvers that only ask a metric for it."""

from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.path.quadrature import Quadrature

BACKWARD = 2  # evaluations that a backward pass through the score is counted as


def energy_evaluations(metric: AbstractMetric, rule: Quadrature, num_points: int) -> int:
    """Score evaluations of `metric.energy` for one path of `num_points` points; 0 for the flat
    metric.

    `pullback` measures chords of the score between the parts' ends, whatever the rule:
    `subnodes * (num_points - 1) + 1`."""
    if metric.name == "euclidean":
        return 0
    return (
        Quadrature("trapezoid", rule.subnodes) if metric.name == "pullback" else rule
    ).evaluations(num_points)


def gradient_evaluations(metric: AbstractMetric, rule: Quadrature, num_points: int) -> int:
    """Score evaluations of the energy and a backward pass through it."""
    return (1 + BACKWARD) * energy_evaluations(metric, rule, num_points)


def inner_evaluations(metric: AbstractMetric) -> int:
    """Score evaluations of `metric.inner(x, u, u)` at one point; `conformal` integrates the score
    along a line.
    """
    if isinstance(metric, ConformalMetric):
        return metric.nodes
    return {"euclidean": 0, "pullback": 1 + BACKWARD}.get(metric.name, 1)

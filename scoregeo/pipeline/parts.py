"""Metric, solver and start of a morph, from what its caller gives."""

from collections.abc import Callable
from dataclasses import is_dataclass, replace
from functools import partial

import torch

from scoregeo._utils.errors import ConfigError, bad_value
from scoregeo.initializer.base import AbstractInitializer
from scoregeo.initializer.several import NAMED, SeveralInitializer, solve_from_several
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import AbstractSolver, Solution, Step, check_solver
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.lbfgs import LBFGS

MetricOf = Callable[[ScoreField], AbstractMetric]
Initializer = AbstractInitializer | SeveralInitializer
METRICS = ("stein", "conformal", "pullback", "euclidean")


def metric_from(metric: str | MetricOf, lam: float) -> MetricOf:
    """A function that makes the metric of a score field; `lam` is the Stein metric's."""
    if callable(metric):
        return partial(_own_metric, metric)
    named: dict[str, MetricOf] = {
        "stein": lambda field: SteinMetric(field, lam),
        "conformal": ConformalMetric,
        "pullback": PullbackMetric,
        "euclidean": EuclideanMetric,
    }
    if not isinstance(metric, str) or metric not in named:
        raise bad_value(
            "metric", metric, f"one of {', '.join(METRICS)}, or a function of a ScoreField"
        )
    return named[metric]


def _own_metric(metric: MetricOf, field: ScoreField) -> AbstractMetric:
    try:
        return metric(field)
    except TypeError as error:  # a function of other arguments
        raise bad_value("metric", metric, f"a function of a ScoreField alone ({error})") from error


def solver_for(
    solver: AbstractSolver | None, metric: AbstractMetric, num_frames: int
) -> AbstractSolver:
    """The solver with a point for each frame; by default Gauss-Newton, and L-BFGS for metrics that
    it does not serve. Raises ConfigError for one that does not serve the metric.
    """
    if not isinstance(metric, AbstractMetric):
        raise bad_value("metric", type(metric).__name__, "a function that returns a metric")
    if solver is None:
        # Not refined: of a learned score that costs several times as much, for no better pictures.
        solver = GaussNewton(num_frames, refinement="none")
        try:
            solver.check(metric)
        except ConfigError:
            solver = LBFGS(num_points=num_frames)
    check_solver(solver)
    if solver.num_points != num_frames:
        if not is_dataclass(solver):
            raise bad_value("num_frames", num_frames, f"solver.num_points = {solver.num_points}")
        solver = replace(solver, num_points=num_frames)
    solver.check(metric)
    return solver


def initializer_from(initializer: str | Initializer, metric: AbstractMetric) -> Initializer:
    """An initializer, or the one of this name with its default settings. Raises ConfigError where
    its starts cannot be made for the metric, or go through data, of which a pipeline has none.
    """
    if isinstance(initializer, str) and initializer in NAMED:
        initializer = NAMED[initializer]()
    if not isinstance(initializer, (AbstractInitializer, SeveralInitializer)):
        raise bad_value("initializer", initializer, f"an initializer, or one of {', '.join(NAMED)}")
    if initializer.needs_references:
        _no_references(0)
    initializer.check(metric)
    return initializer


def solve_between(
    ends: torch.Tensor,
    metric: AbstractMetric,
    solver: AbstractSolver,
    initializer: Initializer,
    on_step: Callable[[Step], None] | None,
) -> Solution:
    """The geodesic between `ends` [1, 2, *shape] at the metric's noise level."""
    if isinstance(initializer, SeveralInitializer):
        return solve_from_several(solver, metric, ends, initializer, on_step=on_step)
    with torch.no_grad():
        starter = initializer.prepare(metric, _no_references, noisy=True)
        start = starter(ends, solver.num_points)
    return solver.solve(metric, start, on_step)


def _no_references(count: int) -> torch.Tensor:
    raise ConfigError(
        "initializer = 'graph' is not allowed: it goes through points of the data, and a pipeline"
        " has none; take lerp, slerp, perturbed, modes or high_noise."
    )

"""The logarithm: the velocity with which a geodesic leaves one point to be at another after unit
time.
"""

import time
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, DataError, check_number
from scoregeo.geometry.exponential_map import ATOL, RTOL
from scoregeo.geometry.momentum import initial_velocity, velocity_cost
from scoregeo.geometry.saddle import solve_to_minimum
from scoregeo.geometry.shooting import shoot_at
from scoregeo.geometry.spline_geodesic import spline_geodesic
from scoregeo.geometry.support import (
    check_like,
    check_points,
    check_serves,
    of_arrays,
    require_closed_form,
    rule_of,
)
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import CONVERGED, AbstractSolver, Solution


@dataclass(frozen=True)
class Logarithm:
    """Initial velocities of geodesics from x to y.

    `velocity` [batch, *shape], of dtype and device of x. `status`: with shooting, the shooting's
    (converged: exp_x(velocity) is at y; stalled: the residual falls no further; out_of_budget;
    failed: the score was bad on the way, and the velocity is the solver's), else the solver's. CPU
    tensors, [batch]: `residual` `|exp_x(velocity) - y|` in data units, NaN where it was not
    computed; `score_evaluations` of solver, momentum and shots, its certificate left out.
    `solution` is the solver's, of all pairs; `seconds` is for the batch.
    """

    velocity: torch.Tensor
    status: tuple[str, ...]
    residual: torch.Tensor
    score_evaluations: torch.Tensor
    solution: Solution
    seconds: float


@of_arrays
@torch.no_grad()
def logarithm(
    metric: AbstractMetric,
    x: torch.Tensor,
    y: torch.Tensor,
    solver: AbstractSolver,
    *,
    start: torch.Tensor | None = None,
    shoot: bool = True,
    tolerance: float = 1e-6,
    max_shots: int = 30,
    rtol: float = RTOL,
    atol: float = ATOL,
    max_evaluations: int = 50_000,
) -> Logarithm:
    """`log_x(y)` for `x`, `y` [batch, *shape]: `solver` finds the geodesic from `start`, its
    momentum at x is the velocity, shots correct it.

    `start` [batch, solver.num_points, *shape] begins at x and ends at y; None is the straight line.
    The discrete momentum (`scoregeo.geometry.momentum`) gives the velocity to second order in the
    segments' length, for a few score evaluations more than the solver's. With `shoot` the
    exponential map refines it until `|exp_x(v) - y| <= tolerance |y - x|`; for a graph metric such
    as `stein` shots start from a cubic spline of stationary energy near the path
    (`scoregeo.geometry.spline_geodesic`: about five times `2 num_points` evaluations, at most 26
    times), which does not pay for chords that leave a thin shell. Shots
    (`scoregeo.geometry.shooting`) cost a few hundred evaluations each, more where the geodesic
    crosses ridges; after `max_evaluations` for a pair none begins. `rtol` and `atol` are those of
    the last shots, earlier ones are as rough as their residuals. Without `shoot` the velocity is
    the solver's: its error is not known, the status the solver's, the residual NaN. The result is a
    local minimum's: where several geodesics connect the points, the start decides which. Solutions
    that may be saddles are left (`scoregeo.geometry.saddle`). Zero where y is x.

    Raises ConfigError where the metric has no Christoffel action or the solver does not serve it,
    DataError for mixed shapes or dtypes, input that is not finite, and a start that does not
    connect x and y; ScoreError where the score is bad on the start itself.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.2)
        >>> metric = scoregeo.SteinMetric(field, lam=10.0)
        >>> x, y = torch.tensor([[[1.0, 0, 0]], [[0.8, 0.6, 0]]], dtype=torch.float64)
        >>> solver = scoregeo.GaussNewton(num_points=33)
        >>> found = scoregeo.logarithm(metric, x, y, solver, shoot=False)
        >>> reached = scoregeo.exponential(metric, x, found.velocity).path[:, -1]
        >>> bool((reached - y).norm() < 0.01)
        True
    """
    served = require_closed_form(metric, "the logarithm")
    began = time.perf_counter()
    check_points(served, "x", x)
    check_like("y", y, "x", x)
    check_serves(solver, served, x)
    check_number("tolerance", tolerance, above=0.0)
    check_number("max_shots", max_shots, at_least=1, integer=True)
    path = linear(torch.stack([x, y], 1), solver.num_points) if start is None else start
    _check_start(path, x, y, solver.num_points)

    rule = rule_of(solver)
    solution = solve_to_minimum(served, solver, path)
    apart = (x != y).flatten(1).any(1)
    velocity, evaluations = torch.zeros_like(x), solution.score_evaluations.clone()
    if apart.any():
        velocity[apart], spent = _discrete_velocity(
            served, solution.path[apart], rule, splines=shoot
        )
        evaluations[apart.cpu()] += spent
    status = [
        one if far else CONVERGED for one, far in zip(solution.status, apart.tolist(), strict=True)
    ]
    residual = torch.zeros(len(x), dtype=torch.float64).where(~apart.cpu(), torch.nan)
    if shoot and apart.any():
        shots = shoot_at(
            served,
            x[apart],
            y[apart],
            velocity[apart],
            tolerance=tolerance,
            max_shots=max_shots,
            rtol=rtol,
            atol=atol,
            max_evaluations=max_evaluations,
        )
        velocity[apart] = shots.velocity
        evaluations[apart.cpu()] += shots.score_evaluations
        residual[apart.cpu()] = shots.residual
        for row, one in zip(apart.nonzero()[:, 0].tolist(), shots.status, strict=True):
            status[row] = one
    return Logarithm(
        velocity, tuple(status), residual, evaluations, solution, time.perf_counter() - began
    )


def _discrete_velocity(
    metric: AbstractClosedFormMetric, path: torch.Tensor, rule: Quadrature, splines: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Velocities at the paths' starts, [pairs, *shape], and evaluations [pairs]: with `splines`
    of the spline geodesic near each path of a graph metric, of the path itself where there is none.
    """
    spent = torch.zeros(len(path), dtype=torch.int64)
    done = torch.zeros(len(path), dtype=torch.bool)
    velocity = torch.zeros_like(path[:, 0])
    if splines and metric.least_squares is not None and path.shape[1] > 2:
        smooth = spline_geodesic(metric.least_squares, path)
        spent, done = spent + smooth.evaluations, smooth.converged
        if done.any():
            there = done.to(path.device)
            momentum = smooth.momentum[there].to(path)
            velocity[there] = metric.initial_velocity(path[there, 0], momentum)
            spent[done] += metric.cost.initial_velocity
    if not done.all():
        rest = ~done.to(path.device)
        velocity[rest] = initial_velocity(metric, path[rest], rule)
        spent[~done] += velocity_cost(metric, rule)
    return velocity, spent


def _check_start(path: torch.Tensor, x: torch.Tensor, y: torch.Tensor, num_points: int) -> None:
    if path.ndim != x.ndim + 1 or path.shape[1] != num_points:
        raise ConfigError(
            f"the start has shape {list(path.shape)}; [batch, solver.num_points = {num_points},"
            " *shape] is needed."
        )
    check_like("the start's first points", path[:, 0], "x", x)
    if not (torch.equal(path[:, 0], x) and torch.equal(path[:, -1], y)):
        raise DataError("the start does not begin at x and end at y.")

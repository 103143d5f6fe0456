"""Extrapolation: a geodesic continued past its end."""

from dataclasses import replace

import torch

from scoregeo._utils.errors import DataError, check_number
from scoregeo.geometry.exponential_map import ATOL, MAX_EVALUATIONS, RTOL, GeodesicFlow, exponential
from scoregeo.geometry.momentum import final_velocity, velocity_cost
from scoregeo.geometry.support import check_path, expand, of_arrays, require_closed_form
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature, check_rule


@of_arrays
@torch.no_grad()
def extrapolate(
    metric: AbstractMetric,
    path: torch.Tensor,
    reach: torch.Tensor | float,
    num_points: int,
    *,
    quadrature: Quadrature | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
    max_evaluations: int = MAX_EVALUATIONS,
) -> GeodesicFlow:
    """Continue discrete geodesics `path` [pairs, points, *shape] past their last points by `reach`
    times their length.

    `exp_b(reach v_b)` from the last point b, where `v_b = g^-1 dE/dx_n` is the velocity over unit
    time that the discrete momentum holds there (`scoregeo.geometry.momentum`); `|v_b|` is the
    path's length, and `reach` times it the continuation's. `reach`: a number or [pairs], not
    negative (0 stays at b). `num_points`: of the continuation, b the first of them. `quadrature` is
    the one the path was solved on, the trapezoid rule if None: on it the path is stationary, and
    its momentum is the geodesic's to second order in the segments' length. Velocities of the flow
    are over unit time of the continuation. Cost: the velocity (the energy of two segments and an
    inverse), and an exponential. Raises as `exponential`.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=100.0)
        >>> a, b = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0, 1.0, 0]]).double()
        >>> solver = scoregeo.GaussNewton(num_points=33, max_subnodes=4)
        >>> path = solver.solve(metric, scoregeo.linear(torch.stack([a, b], 1), 33)).path
        >>> flow = scoregeo.extrapolate(metric, path, reach=1.0, num_points=9)
        >>> flow.path[0, -1].round(decimals=1)  # as far again: opposite a
        tensor([-1.0000,  0.1000,  0.0000], dtype=torch.float64)
    """
    served = require_closed_form(metric, "extrapolation by the exponential map")
    check_path(served, "path", path)
    if isinstance(reach, torch.Tensor):
        if reach.shape != (len(path),) or not reach.isfinite().all() or (reach < 0).any():
            raise DataError(
                f"reach = {reach.tolist()} is not allowed: one finite number at least 0 for each of"
                f" {len(path)} paths."
            )
    else:
        check_number("reach", reach, at_least=0.0)
        reach = torch.full((len(path),), float(reach), dtype=torch.float64)
    rule = Quadrature() if quadrature is None else quadrature
    check_rule(rule)
    velocity = final_velocity(served, path, rule)
    flow = exponential(
        served,
        path[:, -1],
        expand(reach, velocity) * velocity,
        points=num_points,
        rtol=rtol,
        atol=atol,
        max_evaluations=max_evaluations,
    )
    return replace(flow, score_evaluations=flow.score_evaluations + velocity_cost(served, rule))

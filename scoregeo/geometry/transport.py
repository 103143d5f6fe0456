"""Parallel transport of vectors along discrete paths and along geodesics."""

import time
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import check_number
from scoregeo.geometry.exponential_map import (
    ATOL,
    MAX_EVALUATIONS,
    RTOL,
    GeodesicFlow,
    geodesic_flow,
    tolerances,
)
from scoregeo.geometry.integrator import integrate
from scoregeo.geometry.support import check_like, check_path, cost_of, require_closed_form
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric


@dataclass(frozen=True)
class Transport:
    """Vectors transported along paths, at the paths' own points.

    `vector` [batch, points, *shape], of dtype and device of the path, NaN at points beyond
    `reached`. CPU tensors, [batch]: `reached` in [0, 1], the share of the path's parameter;
    `score_evaluations`, a JVP counted as two. `status`: converged, out_of_budget or failed.
    `seconds` is for the batch.
    """

    vector: torch.Tensor
    status: tuple[str, ...]
    reached: torch.Tensor
    score_evaluations: torch.Tensor
    seconds: float

    @property
    def end(self) -> torch.Tensor:
        """The vectors at the last points, [batch, *shape]."""
        return self.vector[:, -1]


@torch.no_grad()
def parallel_transport(
    metric: AbstractMetric,
    path: torch.Tensor,
    vector: torch.Tensor,
    *,
    rtol: float = RTOL,
    atol: float = ATOL,
    max_evaluations: int = MAX_EVALUATIONS,
) -> Transport:
    """`V' = -Gamma(x', V)` along the cubic spline through `path` [batch, points, *shape], from
    `vector` [batch, *shape].

    The connection is the metric's own (Levi-Civita), so inner products of vectors transported along
    the same path are kept; the spline, not-a-knot, is of fourth order between the points, and, its
    third derivative jumping there, integrated from one to the next. Cost: one Christoffel action on
    two vectors a stage, which for `stein` is two score evaluations and two JVPs (6 evaluations), 12
    to 15 stages a step, at least one step a segment. Tolerances, budget and errors as
    `scoregeo.geometry.exponential_map.exponential`. A path of no length leaves its vector as it is.
    """
    served = require_closed_form(metric, "parallel transport")
    began = time.perf_counter()
    check_path(served, "path", path)
    check_like("vector", vector, "the path's first points", path[:, 0])
    check_number("max_evaluations", max_evaluations, at_least=1, integer=True)
    rtol, atol = tolerances(path, rtol, atol)
    per_call = cost_of(served).bilinear
    curve = _Curve(served, path)
    found = integrate(
        curve.derivative,
        vector.flatten(1),
        path.shape[1],
        rtol=rtol,
        atol=atol,
        max_calls=max_evaluations // max(per_call, 1),
        stops=True,
    )
    moved = found.states.reshape(path.shape).to(path)
    return Transport(
        moved, found.status, found.reached, per_call * found.calls, time.perf_counter() - began
    )


def transport_along_geodesic(
    metric: AbstractMetric,
    x: torch.Tensor,
    v: torch.Tensor,
    vector: torch.Tensor,
    *,
    points: int = 2,
    rtol: float = RTOL,
    atol: float = ATOL,
    max_evaluations: int = MAX_EVALUATIONS,
) -> tuple[GeodesicFlow, torch.Tensor]:
    """The geodesic from `x` with velocity `v`, and `vector` [batch, *shape] transported along it,
    [batch, points, *shape].

    Both equations are integrated together, so no interpolation comes between them. Cost: two
    Christoffel actions a stage, for `stein` 9 evaluations. All else as
    `scoregeo.geometry.exponential_map.exponential`, whose result the first one is.
    """
    served = require_closed_form(metric, "parallel transport along a geodesic")
    flow, moved = geodesic_flow(
        served, x, v, vector, points=points, rtol=rtol, atol=atol, max_evaluations=max_evaluations
    )
    assert moved is not None
    return flow, moved


class _Curve:
    """The transport equation along the splines through a batch of paths; lives as long as one
    integration.
    """

    def __init__(self, metric: AbstractClosedFormMetric, path: torch.Tensor) -> None:
        from scipy.interpolate import CubicSpline

        self.metric, self.like = metric, path
        u = torch.linspace(0, 1, path.shape[1], dtype=torch.float64).numpy()
        self.spline = CubicSpline(u, path.detach().cpu().double().flatten(2).numpy(), axis=1)
        self.tangent = self.spline.derivative()

    def derivative(self, rows: torch.Tensor, time: float, state: torch.Tensor) -> torch.Tensor:
        x, tangent, vector = (
            part.reshape(-1, *self.like.shape[2:]).to(self.like)
            for part in (
                torch.from_numpy(self.spline(time))[rows],
                torch.from_numpy(self.tangent(time))[rows],
                state,
            )
        )
        return -self.metric.christoffel(x, tangent, vector).flatten(1).double().cpu()

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
from scoregeo.geometry.spline_transport import Rolled, roll_along, rows_at_once
from scoregeo.geometry.support import check_like, check_path, of_arrays, require_closed_form
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric
from scoregeo.metric.least_squares import LeastSquares


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


@of_arrays
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
    the same path are kept; the spline, not-a-knot, is of fourth order between the points.

    For a graph metric such as `stein` the vectors turn with its unit normal
    (`scoregeo.geometry.rolling`): scores alone, inner products kept to rounding whatever the
    tolerance, at the least four evaluations a segment and one. The vector is turned by an angle
    that is wrong by at most `rtol + atol / |vector|`. Any other metric's equation is integrated
    from point to point, the spline's third derivative jumping there: one Christoffel action on two
    vectors a stage, 12 to 15 stages a step, at least one step a segment, tolerances as in
    `scoregeo.geometry.exponential_map.exponential`. `max_evaluations` is an element's: where they
    are spent the part so far is returned. A path of no length leaves its vector as it is. Errors as
    `exponential`.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.2)
        >>> metric = scoregeo.SteinMetric(field, lam=10.0)
        >>> x, v, w = torch.eye(3, dtype=torch.float64)[:, None]
        >>> path = scoregeo.exponential(metric, x, v, points=9).path
        >>> carried = scoregeo.parallel_transport(metric, path, w)
        >>> carried.status
        ('converged',)
        >>> there = metric.norm(path[:, -1], carried.end)
        >>> bool((there - metric.norm(x, w)).abs() < 1e-6)  # lengths are kept
        True
    """
    served = require_closed_form(metric, "parallel transport")
    began = time.perf_counter()
    check_path(served, "path", path)
    check_like("vector", vector, "the path's first points", path[:, 0])
    check_number("max_evaluations", max_evaluations, at_least=1, integer=True)
    rtol, atol = tolerances(path, rtol, atol)
    curve = _Spline(path)
    squares = served.least_squares
    if squares is None:
        found = _integrated(served, curve, vector, rtol, atol, max_evaluations)
    else:
        found = _rolled(squares, curve, vector, rtol, atol, max_evaluations)
    moved = found.vector.reshape(path.shape).to(path)
    return Transport(
        moved, found.status, found.reached, found.evaluations, time.perf_counter() - began
    )


@of_arrays
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

    Both equations are integrated together, so no interpolation comes between them. Cost: a
    Christoffel action on two vectors beside the geodesic's own a stage; for `stein` nothing beyond
    the geodesic's 3 evaluations, as both are made of `J x'`. All else as
    `scoregeo.geometry.exponential_map.exponential`, whose result the first one is.
    """
    served = require_closed_form(metric, "parallel transport along a geodesic")
    flow, moved = geodesic_flow(
        served, x, v, vector, points=points, rtol=rtol, atol=atol, max_evaluations=max_evaluations
    )
    assert moved is not None
    return flow, moved


class _Spline:
    """The cubic splines through a batch of paths, [batch, points, *shape]."""

    def __init__(self, path: torch.Tensor) -> None:
        from scipy.interpolate import CubicSpline

        self.like = path
        self.times = torch.linspace(0, 1, path.shape[1], dtype=torch.float64)
        values = path.detach().cpu().double().flatten(2).numpy()
        # [4, segments, batch, D], highest power first
        self.powers = torch.from_numpy(CubicSpline(self.times.numpy(), values, axis=1).c)

    def __call__(self, rows: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Points at times of their own, [n, *shape] in dtype and device of the path."""
        cubic, square, slope, value, since = self._at(rows, times)
        return self._as_points(((cubic * since + square) * since + slope) * since + value)

    def tangent(self, rows: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Derivatives in time there."""
        cubic, square, slope, _, since = self._at(rows, times)
        return self._as_points((3 * cubic * since + 2 * square) * since + slope)

    def _at(self, rows: torch.Tensor, times: torch.Tensor) -> tuple[torch.Tensor, ...]:
        piece = torch.searchsorted(self.times, times, right=True) - 1
        piece = piece.clamp(0, len(self.times) - 2)
        return *self.powers[:, piece, rows].unbind(0), (times - self.times[piece])[:, None]

    def _as_points(self, flat: torch.Tensor) -> torch.Tensor:
        return flat.reshape(-1, *self.like.shape[2:]).to(self.like)


def _rolled(
    metric: LeastSquares,
    curve: _Spline,
    vector: torch.Tensor,
    rtol: float,
    atol: float,
    max_evaluations: int,
) -> Rolled:
    """By rotations of the normal, some rows at a time where points are large."""
    flat = vector.double().flatten(1)
    size = flat.norm(dim=1)
    atol_share = atol / float(size.max()) if size.any() else 0.0
    parts = []
    for rows in torch.arange(len(vector)).split(rows_at_once(len(curve.times), flat.shape[1])):
        parts.append(
            roll_along(
                metric,
                lambda some, times, rows=rows: curve(rows[some], times),  # type: ignore[misc]
                curve.times,
                flat[rows.to(flat.device)],
                rtol + atol_share,
                max_evaluations,
            )
        )
    return Rolled(
        torch.cat([part.vector for part in parts]),
        tuple(status for part in parts for status in part.status),
        torch.cat([part.reached for part in parts]),
        torch.cat([part.evaluations for part in parts]),
    )


def _integrated(
    metric: AbstractClosedFormMetric,
    curve: _Spline,
    vector: torch.Tensor,
    rtol: float,
    atol: float,
    max_evaluations: int,
) -> Rolled:
    """By integration of the transport equation."""

    def derivative(rows: torch.Tensor, moment: float, state: torch.Tensor) -> torch.Tensor:
        times = torch.full((len(rows),), moment, dtype=torch.float64)
        x, tangent = curve(rows, times), curve.tangent(rows, times)
        moved = state.reshape(x.shape).to(x)
        return -metric.christoffel(x, tangent, moved).flatten(1).double().cpu()

    per_call = metric.cost.christoffel_pair
    found = integrate(
        derivative,
        vector.flatten(1),
        len(curve.times),
        rtol=rtol,
        atol=atol,
        max_calls=max_evaluations // max(per_call, 1),
        stops=True,
    )
    return Rolled(found.states, found.status, found.reached, per_call * found.calls)

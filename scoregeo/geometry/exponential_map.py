"""The exponential map: geodesics from a point and a velocity."""

import time
from dataclasses import dataclass
from functools import partial

import torch

from scoregeo._utils.errors import ScoreError, check_number
from scoregeo.geometry.integrator import integrate
from scoregeo.geometry.support import check_like, check_points, of_arrays, require_closed_form
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric
from scoregeo.solver.base import BUDGET, CONVERGED

RTOL, ATOL = 1e-8, 1e-10
MAX_EVALUATIONS = 20_000


@dataclass(frozen=True)
class GeodesicFlow:
    """Geodesics at equal times of [0, 1].

    `path`, `velocity` [batch, points, *shape], of dtype and device of the start, NaN at times
    beyond `reached`. CPU tensors, [batch]: `reached` in [0, 1], the time up to which the geodesic
    was computed; `energy_drift`, the largest `|E(t) - E(0)| / E(0)` of `E = <x', x'>_x / 2` over
    these times, which an exact geodesic keeps at 0; `score_evaluations`, a JVP counted as two.
    `status`: converged (the whole time), out_of_budget, or failed (the score was bad at `reached`,
    or no step was short enough). `reason`: in words, the budget or the score's own message among
    them, why the whole time was not; "" where it was. `seconds` is for the batch.
    """

    path: torch.Tensor
    velocity: torch.Tensor
    status: tuple[str, ...]
    reached: torch.Tensor
    energy_drift: torch.Tensor
    score_evaluations: torch.Tensor
    seconds: float
    reason: tuple[str, ...] = ()

    @property
    def end(self) -> torch.Tensor:
        """The last points, [batch, *shape]; NaN where `reached` is below 1."""
        return self.path[:, -1]


@of_arrays
def exponential(
    metric: AbstractMetric,
    x: torch.Tensor,
    v: torch.Tensor,
    *,
    points: int = 2,
    rtol: float = RTOL,
    atol: float = ATOL,
    max_evaluations: int = MAX_EVALUATIONS,
) -> GeodesicFlow:
    """The geodesics `x'' = -Gamma(x', x')` from `x` with velocity `v` [batch, *shape], over unit
    time, at `points` equal times.

    The last point is `exp_x(v)`, at the length `|v|_x` along the geodesic. Cost: one Christoffel
    action a stage, which for `stein` is one score and a backward pass (3 evaluations); 12 stages
    a step, accepted or rejected, 3 more where points lie inside it, and one inner product a point
    for the energy. The steps are those of the batch's hardest element.

    States are float64; the metric is evaluated in the dtype of `x`. `rtol` and `atol` (data units)
    are met by every element by itself; `rtol` is not asked to be below 100 unit roundoffs of that
    dtype. `max_evaluations` is an element's: where they are spent the path so far is returned. A
    zero velocity gives the constant geodesic, at no cost.

    Raises ConfigError where the metric has no Christoffel action, DataError for mixed shapes or
    dtypes, and input that is not finite. A bad score on the way raises nothing: the part computed
    is returned, with its status.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.2)
        >>> metric = scoregeo.SteinMetric(field, lam=10.0)
        >>> x, v = torch.eye(3, dtype=torch.float64)[:2, None]
        >>> flow = scoregeo.exponential(metric, x, v, points=5)
        >>> flow.status, flow.path.shape
        (('converged',), torch.Size([1, 5, 3]))
        >>> bool(flow.energy_drift.abs().max() < 1e-4)
        True
    """
    served = require_closed_form(metric, "the exponential map")
    flow, _ = geodesic_flow(
        served, x, v, None, points=points, rtol=rtol, atol=atol, max_evaluations=max_evaluations
    )
    return flow


@torch.no_grad()
def geodesic_flow(
    metric: AbstractClosedFormMetric,
    x: torch.Tensor,
    v: torch.Tensor,
    carried: torch.Tensor | None,
    *,
    points: int,
    rtol: float,
    atol: float,
    max_evaluations: int,
) -> tuple[GeodesicFlow, torch.Tensor | None]:
    """`exponential`, and `carried` [batch, *shape] transported along, `V' = -Gamma(x', V)`: [batch,
    points, *shape].
    """
    began = time.perf_counter()
    check_points(metric, "x", x)
    check_like("v", v, "x", x)
    if carried is not None:
        check_like("vector", carried, "x", x)
    check_number("points", points, at_least=2, integer=True)
    check_number("max_evaluations", max_evaluations, at_least=1, integer=True)
    rtol, atol = tolerances(x, rtol, atol)

    parts = [x, v] if carried is None else [x, v, carried]
    start = torch.stack([part.flatten(1) for part in parts], 1).double()
    moving = v.flatten(1).ne(0).any(1).nonzero()[:, 0].cpu()
    result = start.cpu()[:, None].repeat(1, points, 1, 1)
    batch = len(x)
    status, why = [CONVERGED] * batch, [""] * batch
    evaluations = torch.zeros(batch, dtype=torch.int64)
    reached, drift = torch.ones(batch, dtype=torch.float64), torch.zeros(batch, dtype=torch.float64)
    if len(moving):
        per_call = metric.cost.christoffel
        per_call += 0 if carried is None else metric.cost.transport
        found = integrate(
            partial(_derivative, metric, x, len(parts)),
            start[moving.to(x.device)].flatten(1),
            points,
            rtol=rtol,
            atol=atol,
            max_calls=max_evaluations // max(per_call, 1),
        )
        result[moving] = found.states.view(len(moving), points, len(parts), -1)
        reached[moving] = found.reached
        evaluations[moving] = per_call * found.calls
        for element, row in enumerate(moving.tolist()):
            status[row], why[row] = found.status[element], found.why[element]
    path, velocity, *rest = (
        part.reshape(batch, points, *x.shape[1:]).to(x) for part in result.unbind(2)
    )
    if len(moving):
        known = (~path[moving].flatten(2).isnan().any(2)).cpu()
        drift[moving] = _drift(metric, path[moving], velocity[moving], known)
        evaluations[moving] += metric.cost.product * known.sum(1)
    seconds = time.perf_counter() - began
    reason = tuple(
        _reason(*one, max_evaluations) for one in zip(status, reached.tolist(), why, strict=True)
    )
    flow = GeodesicFlow(path, velocity, tuple(status), reached, drift, evaluations, seconds, reason)
    return flow, rest[0] if rest else None


def _reason(status: str, reached: float, why: str, max_evaluations: int) -> str:
    """Why a flow ended before its time."""
    if status == CONVERGED:
        return ""
    if status == BUDGET:
        budget = f"the budget of max_evaluations = {max_evaluations:,}"
        said = f"{budget} was spent at {reached:.3g} of the time"
        if why:
            said = f"given up at {reached:.3g} of the time: {budget} is too small, for {why}"
        return f"{said}: raise it, or take a shorter velocity"
    said = why.rstrip(".") or "the score was not finite, or no step short enough"
    return f"at {reached:.3g} of the time: {said}"


def tolerances(x: torch.Tensor, rtol: float, atol: float) -> tuple[float, float]:
    """Checked, and raised to what points of this dtype can hold."""
    check_number("rtol", rtol, above=0.0, below=1.0)
    check_number("atol", atol, above=0.0)
    floor = 100 * torch.finfo(x.dtype).eps
    return max(rtol, floor), max(atol, floor * 1e-2)


def _derivative(
    metric: AbstractClosedFormMetric,
    like: torch.Tensor,
    parts: int,
    rows: torch.Tensor,
    _: float,
    state: torch.Tensor,
) -> torch.Tensor:
    """Of states (x, x'[, V]), [rows, parts * D]: `(x', -Gamma(x', x')[, -Gamma(x', V)])`."""
    wide = state.reshape(len(rows), parts, -1)
    x, v, *carried = (part.reshape(-1, *like.shape[1:]).to(like) for part in wide.unbind(1))
    bent, along = metric.accelerations(x, v, carried[0] if carried else None)
    changes = [bent] if along is None else [bent, along]
    # The velocity is passed on as it is, not rounded to the metric's dtype.
    return torch.cat([wide[:, 1], *(change.flatten(1).double().cpu() for change in changes)], 1)


def _drift(
    metric: AbstractClosedFormMetric,
    path: torch.Tensor,
    velocity: torch.Tensor,
    known: torch.Tensor,
) -> torch.Tensor:
    """Largest relative change of `<x', x'>_x` over the known points of each element, [batch]; NaN
    where it has no energy.
    """
    energy = torch.full(known.shape, torch.nan, dtype=torch.float64)
    try:
        energy[known] = metric.inner(path[known], velocity[known], velocity[known]).double().cpu()
    except ScoreError:
        # Points between steps may be bad where the steps' own were not; or the start is, and
        # nothing was reached.
        return (
            torch.full((len(path),), torch.nan, dtype=torch.float64)
            if len(path) == 1
            else torch.cat(
                [
                    _drift(metric, path[i : i + 1], velocity[i : i + 1], known[i : i + 1])
                    for i in range(len(path))
                ]
            )
        )
    return (energy / energy[:, :1] - 1).abs().where(known, 0.0).amax(1)

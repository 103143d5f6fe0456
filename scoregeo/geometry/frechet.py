"""The Frechet mean: the point of least mean squared distance to a set."""

import time
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError, check_number
from scoregeo._utils.tensors import check_tensor
from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.logarithm_map import Logarithm, logarithm
from scoregeo.geometry.support import check_like, check_points, of_arrays, require_closed_form
from scoregeo.metric.base import AbstractClosedFormMetric, AbstractMetric
from scoregeo.path.interpolation import parameter
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, AbstractSolver

# Share of the mean logarithm below which a step that lowers nothing ends the descent
_SHORTEST_STEP = 1e-2
_LEAST_STEP, _LONGEST_STEP = 0.1, 2.0  # bounds of the step that follows from the last one


@dataclass(frozen=True)
class FrechetMean:
    """`point` [*shape]; `variance` `sum_i w_i d(point, y_i)^2`, and `gradient`
    `|sum_i w_i log_point(y_i)|`, both in the metric.

    `status`: converged (gradient at most `tolerance` times the standard deviation), stalled (no
    step lowers variance or gradient), out_of_budget, or failed (a geodesic met a bad score).
    `iterations`: points tried after the first. `score_evaluations` and `seconds` are of the whole.
    """

    point: torch.Tensor
    variance: float
    gradient: float
    status: str
    iterations: int
    score_evaluations: int
    seconds: float


@of_arrays
@torch.no_grad()
def frechet_mean(
    metric: AbstractMetric,
    points: torch.Tensor,
    solver: AbstractSolver,
    *,
    weights: torch.Tensor | None = None,
    start: torch.Tensor | None = None,
    max_iterations: int = 30,
    tolerance: float = 1e-3,
    shoot: bool = False,
) -> FrechetMean:
    """A minimum over x of `sum_i w_i d(x, y_i)^2`, y_i the `points` [N, *shape], by Karcher's flow

        x <- exp_x( tau sum_i w_i log_x(y_i) ),

    whose direction is minus half the gradient of that sum (Karcher 1977, "Riemannian center of mass
    and mollifier smoothing"). tau starts at 1, where the step is exact in flat space, and is then
    `<s, s> / <s, y>` for the last step s and the change y of the mean logarithm over it, both
    carried to the new point (Barzilai & Borwein 1988; on manifolds Iannazzo & Porcelli 2018): plain
    steps zigzag where the space is curved. A step that lowers neither the sum nor the gradient is
    halved, to a hundredth at least. `weights` [N], not negative, are divided by their sum; None:
    equal. `start` [*shape]: None is the point nearest to the Euclidean mean, which, unlike the mean
    itself, is where data are.

    Every step solves N geodesics, each from its own last one with the beginning moved, and one
    exponential. Logarithms are those of the discrete momentum, exact gradients of the solver's
    discrete energies, so the point is where those are least: of second order in the segments'
    length, and no better than the solver's tolerance. `shoot` refines them, at a multiple of the
    cost. The mean of a curved space need not be unique: this is a local one.

    Raises ConfigError where the metric has no Christoffel action or the solver does not serve it,
    DataError for an empty set, mixed shapes or dtypes, input that is not finite, and weights that
    are not.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.5)
        >>> metric = scoregeo.SteinMetric(field, lam=1.0)
        >>> points = torch.tensor([[0.8, 0.6, 0], [0.8, -0.6, 0]], dtype=torch.float64)
        >>> mean = scoregeo.frechet_mean(metric, points, scoregeo.GaussNewton(num_points=9))
        >>> bool(mean.point[1].abs() < 1e-3)  # halfway, by symmetry
        True
    """
    began = time.perf_counter()
    served = require_closed_form(metric, "the Frechet mean")
    check_points(served, "points", points)
    if len(points) == 0:
        raise DataError("points is an empty set: a mean needs at least one point.")
    check_number("max_iterations", max_iterations, at_least=1, integer=True)
    check_number("tolerance", tolerance, above=0.0)
    share = _checked(weights, len(points), points.device)
    if start is None:
        mean = torch.einsum("n,n...->...", share, points.double())
        x = points[(points.double() - mean).flatten(1).norm(dim=1).argmin()]
    else:
        check_like("start", start[None], "a point", points[:1])
        x = start
    here = _Stand(
        served,
        x,
        points,
        share,
        logarithm(served, x.expand_as(points).clone(), points, solver, shoot=shoot),
    )
    evaluations, status, tau, iteration = here.evaluations, BUDGET, 1.0, 0
    while True:
        if here.failed:
            status = FAILED
        elif here.gradient <= tolerance * here.variance**0.5:
            status = CONVERGED
        elif tau < _SHORTEST_STEP:
            status = STALLED
        if status != BUDGET or iteration == max_iterations:
            break
        iteration += 1
        flow = exponential(served, here.x[None], tau * here.direction[None])
        evaluations += int(flow.score_evaluations)
        if flow.status != (CONVERGED,):
            tau /= 2
            continue
        there = here.moved_to(flow.end[0], solver, shoot)
        evaluations += there.evaluations
        if not there.failed and (there.variance < here.variance or there.gradient < here.gradient):
            here, tau = there, _next_step(served, there, flow.velocity[0, -1], tau)
            evaluations += 2 * served.cost.product
        else:
            tau /= 2
    return FrechetMean(
        here.x,
        here.variance,
        here.gradient,
        status,
        iteration,
        evaluations,
        time.perf_counter() - began,
    )


def _next_step(
    metric: AbstractClosedFormMetric, there: "_Stand", arrived: torch.Tensor, tau: float
) -> float:
    """`<s, s> / <s, y>` at the new point: the geodesic arrives with the velocity `s = tau d`, and
    `y = d - d'`.
    """
    s, x = arrived[None], there.x[None]
    square = float(metric.inner(x, s, s))
    change = square / tau - float(metric.inner(x, s, there.direction[None]))
    return min(max(square / change, _LEAST_STEP), _LONGEST_STEP) if change > 0 else _LONGEST_STEP


class _Stand:
    """A point, the logarithms from it to all points, and what follows from them."""

    def __init__(
        self,
        metric: AbstractClosedFormMetric,
        x: torch.Tensor,
        points: torch.Tensor,
        share: torch.Tensor,
        logs: Logarithm,
    ) -> None:
        self.metric, self.x, self.points, self.share, self.logs = metric, x, points, share, logs
        self.direction = torch.einsum("n,n...->...", share, logs.velocity.double()).to(points)
        self.failed = FAILED in logs.status or not bool(self.direction.isfinite().all())
        self.gradient = float(metric.norm(x[None], self.direction[None]))
        unit = metric.unit(x[None]).cpu()
        # Twice the energy of a path of constant speed over unit time is its squared length.
        self.variance = float((2 * logs.solution.energy * unit.square() * share.cpu()).sum())
        self.evaluations = int(logs.score_evaluations.sum()) + metric.cost.product

    def moved_to(self, x: torch.Tensor, solver: AbstractSolver, shoot: bool) -> "_Stand":
        """The same at x, its geodesics solved from these with the displacement faded out along
        them.
        """
        path = self.logs.solution.path
        fade = (1 - parameter(path.shape[1], path)).view(1, -1, *[1] * x.dim())
        start = (path.double() + fade * (x - self.x).double()).to(path)
        start[:, 0], start[:, -1] = x, self.points
        logs = logarithm(
            self.metric,
            x.expand_as(self.points).clone(),
            self.points,
            solver,
            start=start,
            shoot=shoot,
        )
        return _Stand(self.metric, x, self.points, self.share, logs)


def _checked(weights: torch.Tensor | None, count: int, device: torch.device) -> torch.Tensor:
    """Weights of sum 1, [count] float64."""
    if weights is None:
        return torch.full((count,), 1 / count, dtype=torch.float64, device=device)
    check_tensor("weights", weights)
    real = weights.dtype != torch.bool and not weights.is_complex()
    total = weights.double().sum() if real else torch.tensor(torch.nan)
    if (
        not real
        or weights.shape != (count,)
        or not bool(weights.isfinite().all())
        or bool((weights < 0).any())
        or not bool(total > 0)
    ):
        raise DataError(
            f"weights = {weights.tolist()} are not allowed: {count} finite numbers, none below 0"
            " and not all 0."
        )
    return weights.to(device).double() / total.to(device)

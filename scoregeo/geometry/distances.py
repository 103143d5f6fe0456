"""Distances between points, and all of them between the points of a set."""

import logging
from collections import Counter

import torch
from tqdm import tqdm

from scoregeo._utils.errors import check_choice, check_number
from scoregeo._utils.words import count
from scoregeo.geometry.saddle import solve_to_minimum
from scoregeo.geometry.support import check_like, check_points, check_serves, of_arrays, rule_of
from scoregeo.metric.base import AbstractMetric, check_metric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import CONVERGED, FAILED, AbstractSolver
from scoregeo.solver.certificate import REFINEMENT

log = logging.getLogger(__name__)


@of_arrays
@torch.no_grad()
def distance(
    metric: AbstractMetric,
    x: torch.Tensor,
    y: torch.Tensor,
    solver: AbstractSolver,
    certify: bool = True,
    start: torch.Tensor | None = None,
) -> torch.Tensor:
    """Length of the geodesics that `solver` finds from `x` to `y` [batch, *shape], in the metric:
    [batch] float64, CPU.

    It belongs to a real path, so up to quadrature it bounds the distance from above: `start`
    [batch, solver.num_points, *shape] (None: the straight line) decides which local minimum is
    found; paths that may be saddles, as between antipodal points, are solved again from a bent
    start (`scoregeo.geometry.saddle`). With `certify` it is measured on a quadrature `REFINEMENT`
    times finer than the solver's, which charges for the valleys that a coarse one tunnels through,
    for `REFINEMENT * subnodes * (points - 1) + 1` evaluations a pair beyond the solver's. Works for
    every metric the solver serves; lengths of `conformal` are in units of its anchor, so that they
    compare.

    0 where x is y, NaN where the solver failed; pairs that did not converge are named in the log.
    Raises ConfigError where the solver does not serve the metric, DataError for mixed shapes or
    dtypes, and input that is not finite.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=100.0)
        >>> a, b = torch.eye(3, dtype=torch.float64)[:2]
        >>> solver = scoregeo.GaussNewton(num_points=32, max_subnodes=4)
        >>> round(float(scoregeo.distance(metric, a[None], b[None], solver)), 3)
        1.572
    """
    check_metric(metric)
    check_points(metric, "x", x)
    check_like("y", y, "x", x)
    check_choice("certify", certify, (True, False))
    check_serves(solver, metric, x)
    lengths = torch.zeros(len(x), dtype=torch.float64)
    apart = (x != y).flatten(1).any(1)
    if not apart.any():
        return lengths
    path = linear(torch.stack([x, y], 1), solver.num_points) if start is None else start
    solution = solve_to_minimum(metric, solver, path[apart])
    found = solution.length
    if certify:
        finer = Quadrature("trapezoid", REFINEMENT * rule_of(solver).subnodes)
        found = torch.cat([metric.length(one, finer) for one in solution.path.split(1)]).cpu()
    found = found.double() * metric.unit(x[apart]).cpu()
    failed = torch.tensor([status == FAILED for status in solution.status])
    lengths[apart.cpu()] = found.where(~failed, torch.nan)
    others = Counter(status for status in solution.status if status != CONVERGED)
    if others:
        log.warning(
            "%s; not converged: %s.",
            count(len(x), "distance"),
            ", ".join(f"{n} {status}" for status, n in others.items()),
        )
    return lengths


@of_arrays
def distance_matrix(
    metric: AbstractMetric,
    points: torch.Tensor,
    solver: AbstractSolver,
    batch: int = 64,
    certify: bool = True,
) -> torch.Tensor:
    """All distances between `points` [N, *shape]: [N, N] float64, CPU, symmetric, zero on the
    diagonal.

    N (N - 1) / 2 geodesics from straight starts, `batch` of them solved at a time, each once: the
    way back has the same length. Costs, fails and raises as `distance`.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=100.0)
        >>> solver = scoregeo.GaussNewton(num_points=17, max_subnodes=4)
        >>> scoregeo.distance_matrix(metric, torch.eye(3).double(), solver).round(decimals=2)
        tensor([[0.0000, 1.5800, 1.5800],
                [1.5800, 0.0000, 1.5800],
                [1.5800, 1.5800, 0.0000]], dtype=torch.float64)
    """
    check_metric(metric)
    check_points(metric, "points", points)
    check_number("batch", batch, at_least=1, integer=True)
    first, second = torch.triu_indices(len(points), len(points), offset=1)
    matrix = torch.zeros(len(points), len(points), dtype=torch.float64)
    with tqdm(total=len(first), desc="distances", unit="pair", leave=False, disable=None) as bar:
        for i, j in zip(first.split(batch), second.split(batch), strict=True):
            here, there = (points[index.to(points.device)] for index in (i, j))
            matrix[i, j] = matrix[j, i] = distance(metric, here, there, solver, certify)
            bar.update(len(i))
    return matrix

"""What each library is asked to do: its method at settings of rising accuracy."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from experiments.benchmark.outside import (
    MAX_NODES,
    Array,
    geomstats_space,
    import_geomstats,
    scipy_bvp,
    scipy_ivp,
)
from scoregeo.geometry.exponential_map import exponential
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.base import CountingScore
from scoregeo.solver.gauss_newton import GaussNewton

TIMES = np.linspace(0, 1, 9)  # where paths are compared
NOT_INSTALLED = "geomstats is not installed"
Curve = Callable[[Array], Array]
# One try of a method at one setting of its accuracy: the setting in words, and what gives the path,
# or None and the reason.
Try = tuple[str, Callable[[SteinMetric], tuple[Curve | None, str]]]


def _at_nodes(path: Array) -> Curve:
    """A discrete path at equal times; between its points straight."""
    times = np.linspace(0, 1, len(path))
    return lambda u: np.stack([np.interp(u, times, column) for column in path.T], 1)


def gauss_newton(ends: torch.Tensor, rule: str, refinement: str) -> Iterator[Try]:
    for points in (17, 33, 65, 129, 257, 513):

        def solve(metric: SteinMetric, points: int = points) -> tuple[Curve | None, str]:
            # The last hundredth of a narrow valley's shape changes the energy by less than 1e-6
            solver = GaussNewton(
                points, rule, refinement=refinement, tolerance=1e-8, max_iterations=300
            )
            solution = solver.solve(metric, linear(ends[None], points))
            # What certifies the result is the solver's own extra; no other method pays for one.
            if isinstance(metric.field.score, CountingScore):
                metric.field.score.count = int(solution.score_evaluations.sum())
            return _at_nodes(solution.path[0].numpy()), ""

        yield f"{points} points", solve


def scipy_boundary(ends: torch.Tensor, tolerance: float) -> Try:
    return f"tol {tolerance:g}", lambda metric: scipy_bvp(metric, ends, tolerance)


def scipy_initial(x: torch.Tensor, velocity: Array, tolerance: float) -> Try:
    return f"rtol {tolerance:g}", lambda metric: (
        scipy_ivp(metric, x.numpy(), velocity, tolerance),
        "",
    )


def exponential_map(x: torch.Tensor, velocity: Array) -> Iterator[Try]:
    for power in (2, 3, 4, 5, 6, 8):

        def solve(metric: SteinMetric, tolerance: float = 10.0**-power) -> tuple[Curve | None, str]:
            v = torch.from_numpy(velocity)[None]
            flow = exponential(
                metric, x[None], v, points=len(TIMES), rtol=tolerance, atol=tolerance * 1e-2
            )
            return _at_nodes(flow.path[0].numpy()), ""

        yield f"rtol 1e-{power}", solve


def geomstats_log(ends: torch.Tensor) -> Iterator[Try]:
    for tolerance in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6):

        def solve(metric: SteinMetric, tolerance: float = tolerance) -> tuple[Curve | None, str]:
            if import_geomstats() is None:
                return None, NOT_INSTALLED
            from geomstats.numerics.bvp import ScipySolveBVP
            from geomstats.numerics.geodesic import LogODESolver

            integrator = ScipySolveBVP(tol=tolerance, max_nodes=MAX_NODES, save_result=True)
            # Its Jacobian is a second derivative of the metric by automatic differentiation;
            # without it scipy takes differences.
            solver = LogODESolver(
                geomstats_space(metric, 3), n_nodes=17, integrator=integrator, use_jac=False
            )
            path = solver.geodesic_bvp(ends[1], ends[0])
            result = integrator.result_
            if result is not None and not result.success:
                return None, str(result.message)
            points = np.asarray(path(torch.from_numpy(TIMES)))
            return _at_nodes(points), ""

        yield f"tol {tolerance:g}", solve


def geomstats_straightening(ends: torch.Tensor) -> Iterator[Try]:
    for nodes in (17, 33, 65, 129, 257):

        def solve(metric: SteinMetric, nodes: int = nodes) -> tuple[Curve | None, str]:
            if import_geomstats() is None:
                return None, NOT_INSTALLED
            from geomstats.numerics.geodesic import PathStraightening

            solver = PathStraightening(geomstats_space(metric, 3), n_nodes=nodes)
            return _at_nodes(np.asarray(solver.discrete_geodesic_bvp(ends[1], ends[0]))), ""

        yield f"{nodes} points", solve


def geomstats_exp(x: torch.Tensor, velocity: Array) -> Iterator[Try]:
    for power in (2, 3, 4, 5, 6, 8):

        def solve(metric: SteinMetric, tolerance: float = 10.0**-power) -> tuple[Curve | None, str]:
            if import_geomstats() is None:
                return None, NOT_INSTALLED
            from geomstats.numerics.geodesic import ExpODESolver
            from geomstats.numerics.ivp import ScipySolveIVP

            integrator = ScipySolveIVP(method="DOP853", rtol=tolerance, atol=tolerance * 1e-2)
            path = ExpODESolver(geomstats_space(metric, 3), integrator).geodesic_ivp(
                torch.from_numpy(velocity), x
            )
            return _at_nodes(np.asarray(path(torch.from_numpy(TIMES)))), ""

        yield f"rtol 1e-{power}", solve

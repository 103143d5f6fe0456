"""The strongest rival in other programs: a cubic spline in place of points, by L-BFGS."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from scoregeo.baseline.spline import cubic_matrix
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import BUDGET, CONVERGED, STALLED, AbstractSolver, Solution, Step
from scoregeo.solver.conclude import conclude

# Of 10, 20, 40 segments and fineness 2, 4, 8, tried on the sphere at lam 30 and 1,000.
SEGMENTS = 20
FINENESS = 4  # points of the spline at which it is measured, for each segment of the path
_RULE = Quadrature("trapezoid")
_BACKWARD = 2  # evaluations that a backward pass counts as


@dataclass(frozen=True)
class SplineLBFGS(AbstractSolver):
    """Minimise the energy of a natural cubic spline over its inner knots, one pair after another,
    by SciPy's L-BFGS-B; on the trapezoid rule at `fineness` points of the spline for each segment
    of the path, so that it does not tunnel early.

    What stochman does (Detlefsen et al. 2021), written for this metric. Each trial of a line search
    evaluates the energy and its exact gradient, at 3 evaluations a point of the spline.
    """

    num_points: int = 64
    segments: int = SEGMENTS
    fineness: int = FINENESS
    max_iterations: int = 300
    tolerance: float = 1e-10

    def check(self, metric: AbstractMetric) -> None:
        """Any metric with an energy's gradient will do."""

    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        began = time.perf_counter()
        runs = [_Pair(self, metric, path) for path in start.split(1)]
        history = [_step(0, runs)]

        def record() -> None:
            step = _step(len(history), runs)
            history.append(replace(step, path=None))
            if on_step is not None:
                on_step(step)

        for run in runs:
            run.minimise(record)
        return conclude(
            metric,
            torch.cat([run.path for run in runs]),
            _RULE,
            status=[run.status for run in runs],
            iterations=torch.tensor([run.iterations for run in runs]),
            score_evaluations=torch.tensor([run.evaluations for run in runs]),
            reason=["" if run.status == CONVERGED else run.status for run in runs],
            history=history,
            began=began,
        )


def _step(iteration: int, runs: list["_Pair"]) -> Step:
    return Step(
        iteration,
        torch.tensor([run.energy for run in runs], dtype=torch.float64),
        torch.tensor([run.evaluations for run in runs]),
        torch.cat([run.path for run in runs]),
    )


class _Pair:
    """The state of one pair's search."""

    def __init__(self, solver: SplineLBFGS, metric: AbstractMetric, path: torch.Tensor) -> None:
        self.solver, self.metric, self.ends = solver, metric, path[:, [0, -1]]
        self.status, self.iterations, self.evaluations = BUDGET, 0, 0
        points = (solver.num_points - 1) * solver.fineness + 1
        u = torch.linspace(0, 1, points, dtype=torch.float64, device=path.device)
        matrix = cubic_matrix(solver.segments + 1, u)
        ends = self.ends[0].double().flatten(1)
        self.free, self.fixed = matrix[1:-1, 1:-1], matrix[1:-1, [0, -1]] @ ends
        line = torch.linspace(0, 1, solver.segments + 1, dtype=torch.float64, device=path.device)
        self.knots = ends[0] + line[1:-1, None] * (ends[1] - ends[0])
        self._keep()

    @property
    def path(self) -> torch.Tensor:
        """The path's own points, [1, num_points, *shape]."""
        return self.curve[:, :: self.solver.fineness]

    def minimise(self, record: Callable[[], None]) -> None:
        """Search from the present knots, `record` after every iteration."""
        from scipy.optimize import minimize

        def after(knots: np.ndarray) -> None:
            self.knots = torch.from_numpy(knots).to(self.knots).view_as(self.knots)
            self.iterations += 1
            self._keep()
            record()

        found = minimize(  # type: ignore[call-overload]
            self._energy_and_gradient,
            self.knots.cpu().numpy().ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=after,
            options={
                "maxiter": self.solver.max_iterations,
                "maxfun": 20 * self.solver.max_iterations,
                "maxls": 50,
                "ftol": self.solver.tolerance,
                "gtol": 0.0,
            },
        )
        if found.success:
            self.status = CONVERGED
        elif self.iterations < self.solver.max_iterations:
            self.status = STALLED

    @torch.no_grad()
    def _keep(self) -> None:
        """Keep the curve and its energy, not counted: the search has evaluated it already."""
        self.curve = self._at(self.knots)
        self.energy = float(self.metric.energy(self.curve, _RULE))

    def _energy_and_gradient(self, knots: np.ndarray) -> tuple[float, np.ndarray]:
        curve = self._at(torch.from_numpy(knots).to(self.knots).view_as(self.knots))
        self.evaluations += (1 + _BACKWARD) * curve.shape[1]
        with torch.no_grad():
            energy = float(self.metric.energy(curve, _RULE))
        gradient = self.metric.gradient(curve, _RULE)[0].double().flatten(1)
        return energy, (self.free.T @ gradient).cpu().numpy().ravel()

    def _at(self, knots: torch.Tensor) -> torch.Tensor:
        inner = (self.fixed + self.free @ knots).reshape(-1, *self.ends.shape[2:])
        return torch.cat([self.ends[0, :1], inner.to(self.ends), self.ends[0, 1:]])[None]

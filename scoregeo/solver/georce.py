"""GEORCE: geodesics as a control problem, each step in closed form."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from scoregeo._utils.errors import ScoreError, check_number
from scoregeo._utils.words import count
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.cost import BACKWARD
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, AbstractSolver, Solution, Step
from scoregeo.solver.conclude import conclude
from scoregeo.solver.parts import within_memory
from scoregeo.solver.serving import refusal

_ARMIJO = 1e-4  # share of the slope that a step must gain
_SHORTEST = 1e-9  # the line search gives up below this share of the step


@dataclass(frozen=True)
class Georce(AbstractSolver):
    """Minimises `E = (n/2) sum_i u_i . g(x_i) u_i` over velocities u with `x_{i+1} = x_i + u_i`
    (Rygaard & Hauberg 2025, "GEORCE: a fast new control algorithm for computing geodesics", arXiv
    2505.05961, algorithm 1).

    With `nu_i = d/dy [u_i . g(y) u_i]` at x_i and `c_i = sum_{j > i} nu_j`, the minimum with g and
    nu held fixed is

        u_i = -g_i^-1 (mu + c_i) / 2,  mu = -(sum_i g_i^-1)^-1 ( 2 (x_n - x_0) + sum_i g_i^-1 c_i ),

    and a backtracking line search goes towards it from the present velocities. The sum of inverses
    is never made (`scoregeo.metric.inverse_sum`).

    The energy is the left-point rule, of order 1 in the segments' length, and that is what
    `history` holds; the solution's own energy, length and stationarity are on the trapezoid rule,
    to be compared with other solvers'. The trapezoid energy is at no minimum of its own, so its
    stationarity does not vanish.

    An iteration costs `3 (num_points - 1)` score evaluations a pair (one and a backward pass,
    counted as two, at each left end) and `num_points - 1` for each trial of the line search; on
    `conformal`, whose inner product at a point is a line integral, `metric.nodes` times as many.
    Pairs are evaluated in one batch, each with its own line search and stop. A trial at which the
    score fails is a rejected one.

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        max_iterations: closed-form steps.
        tolerance: converged when the decrease that a step promises, and what came of it, are both
            below this share of the energy.
        shrink: factor between two trials of the line search.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.ConformalMetric(field, alpha=0.1)
        >>> a, b = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0, 1.0, 0]]).double()
        >>> start = scoregeo.linear(torch.stack([a, b], 1), 9)
        >>> found = scoregeo.Georce(num_points=9).solve(metric, start)
        >>> found.status
        ('converged',)
    """

    num_points: int = 64
    max_iterations: int = 200
    tolerance: float = 1e-4
    shrink: float = 0.5

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_number("solver.max_iterations", self.max_iterations, at_least=1, integer=True)
        check_number("solver.tolerance", self.tolerance, above=0.0, below=1.0)
        check_number("solver.shrink", self.shrink, above=0.0, below=1.0)

    def check(self, metric: AbstractMetric) -> None:
        if not metric.has_node_inverse:
            raise refusal("georce", metric.name, "matrix-free inverse")

    @within_memory
    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        self.check(metric)
        began = time.perf_counter()
        run = _Run(self, metric, start)
        run.iterate(on_step)
        return conclude(
            metric,
            run.path,
            Quadrature(),
            status=run.status,
            iterations=run.iterations,
            score_evaluations=run.evaluations,
            reason=run.reason,
            history=run.history,
            began=began,
        )


class _Run:
    """The state of one solve: it lives as long as `Georce.solve`."""

    def __init__(self, solver: Georce, metric: AbstractMetric, start: torch.Tensor) -> None:
        pairs = len(start)
        self.solver, self.metric = solver, metric
        self.cost = (solver.num_points - 1) * metric.cost.inner
        self.path = start.detach().clone()
        self.energy = left_point_energy(metric, self.path)
        self.evaluations = torch.full((pairs,), self.cost)
        self.iterations = torch.zeros(pairs, dtype=torch.int64)
        self.status = [BUDGET] * pairs
        self.reason = [f"{count(solver.max_iterations, 'iteration', 'is', 'are')} spent"] * pairs
        self.history = [Step(0, self.energy.cpu().clone(), self.evaluations.clone())]

    def iterate(self, on_step: Callable[[Step], None] | None) -> None:
        for iteration in range(1, self.solver.max_iterations + 1):
            self._iterate_active()
            self.history.append(
                Step(iteration, self.energy.cpu().clone(), self.evaluations.clone())
            )
            if on_step is not None:
                on_step(replace(self.history[-1], path=self.path.clone()))
            if BUDGET not in self.status:
                return

    def _iterate_active(self) -> None:
        active = [pair for pair, status in enumerate(self.status) if status == BUDGET]
        index = torch.tensor(active, device=self.path.device)
        velocity = self.path[index].double().flatten(2).diff(dim=1)
        try:
            target, slope = self._target(index, velocity)
        except ScoreError as error:  # only where the derivative of a finite score is not finite
            for pair in active:
                self._stop(pair, FAILED, f"the score's derivative: {error}")
            return
        self.evaluations[index.cpu()] += (1 + BACKWARD) * self.cost
        settled = 0.5 * slope.abs() <= self.solver.tolerance * self.energy[index]
        for pair in index[settled].tolist():
            self._stop(pair, CONVERGED)
        index, velocity, target, slope = (
            index[~settled],
            velocity[~settled],
            target[~settled],
            slope[~settled],
        )
        before = self.energy[index]
        finite = self._search(index, velocity, target, slope)
        lowered = (before > self.energy[index]).tolist()
        for row, pair in enumerate(index.tolist()):
            self.iterations[pair] += 1
            if not lowered[row] and finite[row]:
                self._stop(
                    pair, STALLED, "no step towards the closed-form velocities lowers the energy"
                )
            elif not lowered[row]:
                self._stop(
                    pair,
                    FAILED,
                    "the score is not finite on any path towards the closed-form velocities that"
                    " was tried",
                )

    def _target(
        self, index: torch.Tensor, velocity: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The closed-form velocities [active, n, D], and the energy's slope towards them [active],
        at most 0.
        """
        nodes = self.path[index][:, :-1]
        nu, inverse = self.metric.linearise(nodes, velocity.view(nodes.shape))
        pull = nu.flip(1).cumsum(1).flip(1) - nu
        along = inverse.apply(pull)
        mu = -inverse.solve_sum(2 * velocity.sum(1) + along.sum(1))
        target = -0.5 * (inverse.apply(mu[:, None].expand_as(pull)) + along)
        n = velocity.shape[1]
        slope = (
            0.5 * n * ((2 * inverse.multiply(velocity) + pull) * (target - velocity)).sum((1, 2))
        )
        return target, slope.clamp_max(0)

    def _search(
        self, index: torch.Tensor, velocity: torch.Tensor, target: torch.Tensor, slope: torch.Tensor
    ) -> list[bool]:
        """Backtrack from the whole step, each pair by itself; whether all its
        trials were finite.
        """
        finite = [True] * len(index)
        searching = torch.ones(len(index), dtype=torch.bool, device=index.device)
        share = 1.0
        while searching.any() and share > _SHORTEST:
            rows = searching.nonzero()[:, 0]
            pairs = index[rows]
            trial = self._follow(pairs, velocity[rows] + share * (target[rows] - velocity[rows]))
            energy = self._try(trial)
            self.evaluations[pairs.cpu()] += self.cost
            for row in rows[~energy.isfinite()].tolist():
                finite[row] = False
            accept = energy <= self.energy[pairs] + _ARMIJO * share * slope[rows]
            self.path[pairs[accept]], self.energy[pairs[accept]] = trial[accept], energy[accept]
            searching[rows[accept]] = False
            share *= self.solver.shrink
        return finite

    def _follow(self, pairs: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        """The path of these velocities; its ends are the old ones to the last bit."""
        trial = self.path[pairs]
        inner = trial[:, :1].double().flatten(2) + velocity[:, :-1].cumsum(1)
        trial[:, 1:-1] = inner.view(trial[:, 1:-1].shape).to(trial)
        return trial

    def _try(self, paths: torch.Tensor) -> torch.Tensor:
        """Energies of trial paths, infinite where the score fails; one pair's bad score does not
        spoil the others'.
        """
        try:
            return left_point_energy(self.metric, paths)
        except ScoreError:
            if len(paths) == 1:
                return self.energy.new_full((1,), torch.inf)
            return torch.cat([self._try(one) for one in paths.split(1)])

    def _stop(self, pair: int, status: str, reason: str = "") -> None:
        self.status[pair], self.reason[pair] = status, reason


@torch.no_grad()
def left_point_energy(metric: AbstractMetric, path: torch.Tensor) -> torch.Tensor:
    """`(n/2) sum_i u_i . g(x_i) u_i`, [pairs] float64; `points - 1` evaluations of `metric.inner` a
    path.
    """
    pairs, points = path.shape[:2]
    nodes, velocity = path[:, :-1].flatten(0, 1), path.diff(dim=1).flatten(0, 1)
    return (
        0.5
        * (points - 1)
        * metric.inner(nodes, velocity, velocity).double().view(pairs, points - 1).sum(1)
    )

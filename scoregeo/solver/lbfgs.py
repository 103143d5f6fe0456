"""L-BFGS on the exact gradient of the energy, in coordinates in which a path's own stiffness is
gone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from scoregeo._utils.errors import ScoreError, check_choice, check_number
from scoregeo._utils.words import count
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.cost import BACKWARD
from scoregeo.metric.energy_gradient import energy_and_gradient
from scoregeo.path.quadrature import MOST_SUBNODES, Quadrature
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, AbstractSolver, Solution, Step
from scoregeo.solver.conclude import conclude
from scoregeo.solver.laplacian import from_path, to_path
from scoregeo.solver.parts import within_memory

_TRIALS = 25  # energies that one line search may try


@dataclass(frozen=True)
class LBFGS(AbstractSolver):
    """Minimises `metric.energy(path, quadrature)` by L-BFGS, line search by the strong Wolfe
    conditions (Nocedal & Wright 2006, algorithms 7.5 and 3.5; torch's).

    The gradient is exact, by a backward pass through the score. The unknown is y in
    `x = start + L^-T y / sqrt(n)`, `T = L L^T` the second-difference matrix of the path: the
    Euclidean part of the energy has the Hessian I in y, so the number of iterations does not grow
    with the number of points. This is L-BFGS preconditioned by `(n T)^-1`.

    A trial of the line search costs three times the energy's score evaluations (trapezoid:
    `3 num_points`), a backward pass counted as two. Each pair has its own optimizer and line
    search, so their trials are not batched together.
    Where the score fails on the way, the pair keeps its last accepted path and is named failed.

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        quadrature: "trapezoid", "simpson" or "midpoint".
        subnodes: equal parts a segment is split into for the quadrature.
        history_size: steps that the Hessian's estimate is made of.
        max_iterations: line searches.
        tolerance: converged when a step's decrease, and what the quadratic model promised of it,
            are both below this share of the energy. A quasi-Newton step gains less than a
            Gauss-Newton one, so the same accuracy needs a smaller number here.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.PullbackMetric(field)
        >>> a, b = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0, 1.0, 0]]).double()
        >>> start = scoregeo.linear(torch.stack([a, b], 1), 17)
        >>> found = scoregeo.LBFGS(num_points=17, subnodes=8).solve(metric, start)
        >>> found.status
        ('converged',)
    """

    num_points: int = 64
    quadrature: str = "trapezoid"
    subnodes: int = 1
    history_size: int = 20
    max_iterations: int = 300
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_choice("solver.quadrature", self.quadrature, ("trapezoid", "simpson", "midpoint"))
        check_number(
            "solver.subnodes", self.subnodes, at_least=1, at_most=MOST_SUBNODES, integer=True
        )
        check_number("solver.history_size", self.history_size, at_least=1, integer=True)
        check_number("solver.max_iterations", self.max_iterations, at_least=1, integer=True)
        check_number("solver.tolerance", self.tolerance, above=0.0, below=1.0)

    def check(self, metric: AbstractMetric) -> None:
        """Every metric will do: it has an energy."""

    def pair_bytes(self, size: int) -> int:
        """The graph of the energy at all nodes, and the steps and gradients remembered."""
        copies = self.copies * self.subnodes + 2 * self.history_size
        return 8 * copies * self.num_points * size

    @within_memory
    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        self.check(metric)
        began = time.perf_counter()
        rule = Quadrature(self.quadrature, self.subnodes)
        runs = [_Pair(self, metric, rule, one) for one in start.detach().split(1)]
        history = [_step(0, runs)]
        for iteration in range(1, self.max_iterations + 1):
            for run in runs:
                if run.status == BUDGET:
                    run.iterate()
            history.append(_step(iteration, runs))
            if on_step is not None:
                on_step(replace(history[-1], path=torch.cat([run.path for run in runs])))
            if all(run.status != BUDGET for run in runs):
                break
        spent = f"{count(self.max_iterations, 'iteration', 'is', 'are')} spent"
        return conclude(
            metric,
            torch.cat([run.path for run in runs]),
            rule,
            status=[run.status for run in runs],
            iterations=torch.tensor([run.iterations for run in runs], dtype=torch.int64),
            score_evaluations=history[-1].score_evaluations,
            reason=[spent if run.status == BUDGET else run.reason for run in runs],
            history=history,
            began=began,
        )


def _step(iteration: int, runs: "list[_Pair]") -> Step:
    energy = torch.tensor([run.energy for run in runs], dtype=torch.float64)
    return Step(
        iteration, energy, torch.tensor([run.evaluations for run in runs], dtype=torch.int64)
    )


@dataclass(frozen=True)
class _Evaluation:
    """The energy and its gradient in y, at y."""

    y: torch.Tensor
    energy: float
    gradient: torch.Tensor


class _Pair:
    """The state of one pair's minimisation: it lives as long as `LBFGS.solve`."""

    def __init__(
        self, solver: LBFGS, metric: AbstractMetric, rule: Quadrature, start: torch.Tensor
    ) -> None:
        self.tolerance, self.metric, self.rule, self.start = solver.tolerance, metric, rule, start
        self.forward_cost = metric.evaluations(solver.num_points, rule)
        self.cost = (1 + BACKWARD) * self.forward_cost
        self.history_size = solver.history_size
        self.evaluations = self.iterations = 0
        self.status, self.reason = BUDGET, ""
        self.path = start.clone()
        self.y = torch.nn.Parameter(start[0, 1:-1].double().flatten(1).mul(0))
        self.optimizer = self._optimizer()
        self.restarted = False
        if solver.num_points == 2:
            with torch.no_grad():
                self.energy = float(metric.energy(start, rule))
            self.evaluations, self.status = self.forward_cost, CONVERGED
            return
        self.seen = [self._evaluate(self.y.detach())]
        self.energy = self.seen[0].energy

    def _optimizer(self) -> torch.optim.LBFGS:
        # One line search a call, and no stop of torch's own: the stopping rules are the project's.
        return torch.optim.LBFGS(
            [self.y],
            lr=1.0,
            max_iter=1,
            max_eval=_TRIALS + 1,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=self.history_size,
            line_search_fn="strong_wolfe",
        )

    def iterate(self) -> None:
        """One line search."""
        if not self.seen[0].gradient.any():
            self.status = CONVERGED
            return
        before = self.energy
        try:
            self.optimizer.step(self._closure)
        except ScoreError as error:
            self.evaluations += self.forward_cost
            self.status = FAILED
            self.reason = f"after {count(self.iterations, 'iteration')}: {error}"
            return
        self.iterations += 1
        here = self._at(self.y.detach())
        if here is None or not here.energy < before:
            self._unmoved(before)
            return
        predicted, self.restarted = self._predicted(), False
        self.seen, self.energy, self.path = [here], here.energy, self._path(here.y)
        if max(before - here.energy, predicted) <= self.tolerance * before:
            self.status = CONVERGED

    def _unmoved(self, before: float) -> None:
        """No trial lowered the energy: at a minimum to machine precision, or along a bad
        estimate of the Hessian.
        """
        if self._predicted() <= self.tolerance * before:
            self.status = CONVERGED
        elif self.restarted:
            self.status, self.reason = (
                STALLED,
                "no step along the steepest descent lowers the energy",
            )
        self.restarted = True
        with torch.no_grad():
            self.y.copy_(self.seen[0].y)
        self.seen = self.seen[:1]
        self.optimizer = self._optimizer()

    def _predicted(self) -> float:
        """Decrease promised by the quadratic model that the last direction d
        minimises, `-g.d / 2`.
        """
        state = self.optimizer.state[self.y]
        return -0.5 * float(state["prev_flat_grad"].dot(state["d"]))

    def _closure(self) -> float:
        known = self._at(self.y.detach())
        if known is None:
            known = self._evaluate(self.y.detach())
            self.seen.append(known)
        self.y.grad = known.gradient.clone()
        return known.energy

    def _at(self, y: torch.Tensor) -> _Evaluation | None:
        """What this iteration already evaluated: torch asks again for the point where a line search
        ended.
        """
        return next((one for one in self.seen if torch.equal(one.y, y)), None)

    def _evaluate(self, y: torch.Tensor) -> _Evaluation:
        energy, gradient = energy_and_gradient(self.metric, self._path(y), self.rule)
        self.evaluations += self.cost
        return _Evaluation(y.clone(), float(energy), from_path(gradient[0].double().flatten(1)))

    def _path(self, y: torch.Tensor) -> torch.Tensor:
        moved = self.start[:, 1:-1].double() + to_path(y).view(1, *self.start[0, 1:-1].shape)
        return torch.cat([self.start[:, :1], moved.to(self.start), self.start[:, -1:]], 1)

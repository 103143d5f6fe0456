"""The paper's solver: Adam on the midpoint energy."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from scoregeo._utils.adam import AdamSteps
from scoregeo._utils.errors import ConfigError, ScoreError, check_choice, check_number
from scoregeo._utils.words import count
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.cost import BACKWARD
from scoregeo.metric.energy_gradient import energy_and_gradient
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import RULES, Quadrature
from scoregeo.score.base import DetachedScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, AbstractSolver, Solution, Step
from scoregeo.solver.conclude import conclude
from scoregeo.solver.parts import within_memory

_WINDOW = 50  # iterations over which the energy must have stopped falling
_ASTRAY = 1.05  # last energy over the least one, from which the iteration is not at its best path
_DONE = (CONVERGED, "")
_LARGE = "the energy rises again from its least: lower solver.learning_rate"


@dataclass(frozen=True)
class Adam(AbstractSolver):
    """Minimises `metric.energy(path, quadrature)` by Adam, all inner points at once; on `stein` and
    midpoints

        E = (n/2) sum ( |d_i|^2 + lam (s((x_i + x_{i+1})/2) . d_i)^2 )
        (Azeglio & Di Bernardo 2025, arXiv 2505.11128).

    An iteration costs three times the energy's score evaluations a pair (midpoint:
    `3 (num_points - 1)`), a backward pass counted as two; with `differentiate_score` false only the
    energy's. The path of least energy seen is returned. Pairs share nothing but the batch; one that
    has converged is not evaluated again. Where the score fails on the way, the pairs that still ran
    keep their best path and are named failed.

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        iterations: Adam steps at most.
        learning_rate: Adam's, in data units.
        differentiate_score: send the gradient through the score; without it the score is held
            constant in each step, which only `stein` allows.
        tolerance: a pair has converged when its least energy fell by less than this share in 50
            iterations and the last one is near it, else it has stalled; 0 never stops early.
        quadrature: "midpoint", the paper's; "trapezoid" and "simpson" are there to compare solvers
            on one energy.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=1.0)
        >>> a, b = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0, 1.0, 0]]).double()
        >>> start = scoregeo.linear(torch.stack([a, b], 1), 9)
        >>> found = scoregeo.Adam(num_points=9, iterations=50).solve(metric, start)
        >>> before = metric.energy(start, scoregeo.path.Quadrature("midpoint"))
        >>> bool(found.energy < before)
        True
    """

    num_points: int = 64
    iterations: int = 1000
    learning_rate: float = 1e-2
    differentiate_score: bool = True
    tolerance: float = 1e-5
    quadrature: str = "midpoint"

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_number("solver.iterations", self.iterations, at_least=1, integer=True)
        check_number("solver.learning_rate", self.learning_rate, above=0.0)
        check_choice("solver.differentiate_score", self.differentiate_score, (True, False))
        check_number("solver.tolerance", self.tolerance, at_least=0.0, below=1.0)
        check_choice("solver.quadrature", self.quadrature, RULES)

    def check(self, metric: AbstractMetric) -> None:
        if not self.differentiate_score and metric.least_squares is None:
            raise ConfigError(
                "solver.differentiate_score = False holds the score constant, which only an energy"
                " that is a sum of squares allows, such as that of metric = 'stein', not"
                f" {metric.name!r}: solver.differentiate_score must be True."
            )

    @within_memory
    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        self.check(metric)
        began = time.perf_counter()
        rule = Quadrature(self.quadrature)
        working = metric if self.differentiate_score else _held(metric)
        cost = metric.evaluations(self.num_points, rule)
        if self.differentiate_score and self.num_points > 2:  # between two ends nothing moves
            cost *= 1 + BACKWARD
        pairs = len(start)
        inner = start[:, 1:-1].detach().clone().requires_grad_(True)
        optimizer = AdamSteps(inner, self.learning_rate)
        best = torch.full((pairs,), torch.inf, dtype=torch.float64, device=start.device)
        best_inner = inner.detach().clone()
        iterations = torch.full((pairs,), 0)
        running = torch.ones(pairs, dtype=torch.bool)
        spent = f"{count(self.iterations, 'iteration', 'is', 'are')} spent"
        status, reason = [BUDGET] * pairs, [spent] * pairs
        past = [best.clone()]
        history: list[Step] = []
        for iteration in range(1, self.iterations + 1):
            index = running.nonzero()[:, 0].to(start.device)
            try:
                path = torch.cat([start[index, :1], inner[index], start[index, -1:]], 1)
                energy, gradient = energy_and_gradient(working, path.detach(), rule)
                inner.grad = torch.zeros_like(inner).index_copy(0, index, gradient)
            except ScoreError as error:
                if iteration == 1:
                    raise
                for pair in index.tolist():
                    status[pair], reason[pair] = FAILED, f"in iteration {iteration}: {error}"
                break
            energy = energy.double()
            better = energy < best[index]
            best[index] = torch.where(better, energy, best[index])
            best_inner[index[better]] = inner.detach()[index[better]]
            optimizer.step()
            past.append(best.clone())
            iterations += running
            history.append(Step(iteration, best.cpu().clone(), iterations * cost))
            if on_step is not None:
                on_step(replace(history[-1], path=_joined(start, best_inner)))
            if iteration > _WINDOW and self.tolerance > 0:
                over = (past[-_WINDOW - 1] - best <= self.tolerance * best).cpu() & running
                astray = torch.zeros(pairs, dtype=torch.bool)
                astray[index.cpu()] = (energy > _ASTRAY * best[index]).cpu()
                for pair in over.nonzero()[:, 0].tolist():
                    running[pair] = False
                    status[pair], reason[pair] = (STALLED, _LARGE) if astray[pair] else _DONE
                if not running.any():
                    break
        return conclude(
            metric,
            _joined(start, best_inner),
            rule,
            status=status,
            iterations=iterations,
            score_evaluations=iterations * cost,
            reason=reason,
            history=history,
            began=began,
        )


def _joined(start: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    return torch.cat([start[:, :1], inner, start[:, -1:]], 1)


def _held(metric: AbstractMetric) -> SteinMetric:
    """The metric of the same energy with a score that no gradient flows through."""
    assert metric.least_squares is not None
    field, lam = metric.least_squares.field, metric.least_squares.lam
    return SteinMetric(ScoreField(DetachedScore(field.score), field.sigma), lam)

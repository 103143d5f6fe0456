"""The paper's solver: Adam on the midpoint energy."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo.core.errors import ConfigError, ScoreError, check_choice, check_number
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import DetachedScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, AbstractSolver, Solution, Step
from scoregeo.solver.conclude import conclude

_WINDOW = 50  # iterations over which the energy must have stopped falling


@dataclass(frozen=True)
class Adam(AbstractSolver):
    """Minimises `(n/2) sum ( |d_i|^2 + lam (s((x_i + x_{i+1})/2) . d_i)^2 )` by Adam (Azeglio & Di Bernardo 2025).

    An iteration costs `3 (num_points - 1)` score evaluations a pair with `differentiate_score`, a backward pass
    counted as two, else `num_points - 1`. The path of least energy seen is returned.

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        iterations: Adam steps at most.
        learning_rate: Adam's, in data units.
        differentiate_score: send the gradient through the score; without it the score is held constant in each step.
        tolerance: a pair has converged when its least energy fell by less than this share in 50 iterations; 0 never stops early.
    """

    num_points: int = 64
    iterations: int = 1000
    learning_rate: float = 1e-2
    differentiate_score: bool = True
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_number("solver.iterations", self.iterations, at_least=1, integer=True)
        check_number("solver.learning_rate", self.learning_rate, above=0.0)
        check_choice("solver.differentiate_score", self.differentiate_score, (True, False))
        check_number("solver.tolerance", self.tolerance, at_least=0.0, below=1.0)

    def check(self, metric: AbstractMetric) -> None:
        if not isinstance(metric, SteinMetric):
            raise ConfigError(f"solver adam serves the metric stein, not {metric.name}.")

    def solve(self, metric: AbstractMetric, start: torch.Tensor, on_step: Callable[[Step], None] | None = None) -> Solution:
        self.check(metric)
        assert isinstance(metric, SteinMetric)
        if start.shape[1] != self.num_points:
            raise ConfigError(f"the start has {start.shape[1]} points, solver.num_points is {self.num_points}.")
        began = time.perf_counter()
        energy_of = _midpoint_energy(metric, self.differentiate_score)
        cost = (self.num_points - 1) * (3 if self.differentiate_score else 1)
        pairs = len(start)
        inner = start[:, 1:-1].detach().clone().requires_grad_(True)
        optimizer = torch.optim.Adam([inner], lr=self.learning_rate)
        best = torch.full((pairs,), torch.inf, dtype=torch.float64, device=start.device)
        best_inner = inner.detach().clone()
        stopped_at = torch.full((pairs,), self.iterations)
        converged = torch.zeros(pairs, dtype=torch.bool)
        failed = torch.zeros(pairs, dtype=torch.bool)
        past = [best.clone()]
        history: list[Step] = []
        for iteration in range(1, self.iterations + 1):
            optimizer.zero_grad()
            path = torch.cat([start[:, :1], inner, start[:, -1:]], 1)
            try:
                energy = energy_of(path)
            except ScoreError:
                if iteration == 1:
                    raise
                failed |= ~converged
                stopped_at[failed] = iteration - 1
                break
            if self.num_points > 2:
                energy.sum().backward()
            running = ~converged.to(best.device)
            better = (energy.detach() < best) & running
            best = torch.where(better, energy.detach(), best)
            best_inner[better] = inner.detach()[better]
            optimizer.step()
            past.append(best.clone())
            spent = torch.minimum(stopped_at, torch.tensor(iteration)) * cost
            step = Step(iteration, best.cpu(), spent)
            history.append(step)
            if on_step is not None:
                on_step(step)
            if iteration > _WINDOW:
                flat = (past[-_WINDOW - 1] - best <= self.tolerance * best).cpu() & ~converged
                flat &= torch.tensor(self.tolerance > 0)
                stopped_at[flat] = iteration
                converged |= flat
                if converged.all():
                    break
        path = torch.cat([start[:, :1], best_inner, start[:, -1:]], 1)
        status = [CONVERGED if c else FAILED if f else BUDGET for c, f in zip(converged, failed, strict=True)]
        return conclude(
            metric, path, Quadrature("midpoint"), status=status, iterations=stopped_at, score_evaluations=stopped_at * cost,
            reason=[""] * pairs, history=history, began=began,
        )  # fmt: skip


def _midpoint_energy(metric: SteinMetric, differentiate: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    field = metric.field if differentiate else ScoreField(DetachedScore(metric.field.score), metric.field.sigma)
    working = SteinMetric(field, metric.lam)
    return lambda path: working.measure(path, Quadrature("midpoint")).energy

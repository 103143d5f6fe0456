"""The project's solver: damped Gauss-Newton on the graph energy, without a backward pass through the score."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from scoregeo.core.errors import ConfigError, ScoreError, check_choice, check_number
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.graph import Residuals, residuals
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, AbstractSolver, Solution, Step
from scoregeo.solver.conclude import conclude
from scoregeo.solver.laplacian import gauss_newton_step, predicted_energy
from scoregeo.solver.serving import check_served

log = logging.getLogger(__name__)

_CONTINUATION_FACTOR = 10.0
_LARGEST_DAMPING = 1e8
_ALMOST_NONE = 1.0


@dataclass(frozen=True)
class GaussNewton(AbstractSolver):
    """Minimises the graph energy of `stein` by Gauss-Newton with Levenberg-Marquardt damping of the path Laplacian.

    An iteration costs `quadrature.evaluations(num_points)` score evaluations a pair, in one batch for all pairs; a
    rejected step costs the same. Each pair has its own damping, continuation and stop.

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        quadrature: "trapezoid" or "simpson".
        subnodes: equal parts a segment is split into for the quadrature (design: it stops leaps over valleys of the density).
        max_iterations: steps tried, rejected ones counted.
        continuation: raise lam tenfold each step from where both parts of the start's energy weigh the same. Good
            from a straight line; it may leave a good start, for which False solves at the final lam from the first step.
        tolerance: converged when the step's predicted and actual decrease are both below this share of the energy.
        damping: initial Levenberg-Marquardt parameter, 0 for a pure Gauss-Newton step.
    """

    num_points: int = 64
    quadrature: str = "trapezoid"
    subnodes: int = 1
    max_iterations: int = 50
    continuation: bool = True
    tolerance: float = 1e-3
    damping: float = 0.0

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_choice("solver.quadrature", self.quadrature, ("trapezoid", "simpson"))
        check_number("solver.subnodes", self.subnodes, at_least=1, integer=True)
        check_number("solver.max_iterations", self.max_iterations, at_least=1, integer=True)
        check_choice("solver.continuation", self.continuation, (True, False))
        check_number("solver.tolerance", self.tolerance, above=0.0, below=1.0)
        check_number("solver.damping", self.damping, at_least=0.0)

    def check(self, metric: AbstractMetric) -> None:
        check_served("gauss_newton", metric.name)

    def solve(self, metric: AbstractMetric, start: torch.Tensor, on_step: Callable[[Step], None] | None = None) -> Solution:
        self.check(metric)
        if start.shape[1] != self.num_points:
            raise ConfigError(f"the start has {start.shape[1]} points, solver.num_points is {self.num_points}.")
        began = time.perf_counter()
        if isinstance(metric, SteinMetric):
            run = _Run(self, metric.field, metric.lam, start)
            run.iterate(on_step)
            return run.solution(metric, began)
        # Every start relaxes to the straight line between its ends, in closed form.
        u = torch.linspace(0, 1, self.num_points, dtype=start.dtype, device=start.device).view(-1, *[1] * (start.dim() - 2))
        line = (1 - u) * start[:, :1] + u * start[:, -1:]
        pairs = len(start)
        zero = torch.zeros(pairs, dtype=torch.int64)
        return conclude(
            metric, line, Quadrature(), status=[CONVERGED] * pairs, iterations=zero, score_evaluations=zero,
            reason=[""] * pairs, history=[], began=began,
        )  # fmt: skip


class _Run:
    """The state of one solve: it lives as long as `GaussNewton.solve`."""

    def __init__(self, solver: GaussNewton, field: ScoreField, lam: float, start: torch.Tensor) -> None:
        pairs = len(start)
        self.solver, self.field, self.lam_final = solver, field, lam
        self.rule = Quadrature(solver.quadrature, solver.subnodes)
        self.path = start.detach().clone()
        with torch.no_grad():
            self.residuals = residuals(field, self.path, self.rule)
        self.cost = self.rule.evaluations(solver.num_points)
        self.evaluations = torch.full((pairs,), self.cost)
        self.iterations = torch.zeros(pairs, dtype=torch.int64)
        self.status = [BUDGET] * pairs
        self.reason = [""] * pairs
        self.lam = self._first_lam()
        self.damping = torch.full_like(self.lam, solver.damping)
        self.active = torch.ones(pairs, dtype=torch.bool)
        self.history = [Step(0, self._energy_at_final(), self.evaluations.clone())]

    def _first_lam(self) -> torch.Tensor:
        final = torch.full((len(self.path),), self.lam_final, dtype=torch.float64, device=self.path.device)
        if not self.solver.continuation:
            return final
        balance = self.residuals.euclidean_part() / self.residuals.score_part().clamp_min(1e-300)
        return torch.minimum(final, balance)

    def _energy_at_final(self) -> torch.Tensor:
        final = torch.full_like(self.lam, self.lam_final)
        return self.residuals.energy(final).cpu()

    @torch.no_grad()
    def iterate(self, on_step: Callable[[Step], None] | None) -> None:
        for iteration in range(1, self.solver.max_iterations + 1):
            self._iterate_active()
            step = Step(iteration, self._energy_at_final(), self.evaluations.clone())
            self.history.append(step)
            if on_step is not None:
                on_step(step)
            if not self.active.any():
                return

    def _iterate_active(self) -> None:
        index = self.active.nonzero()[:, 0].to(self.path.device)
        now = _select(self.residuals, index)
        lam, damping = self.lam[index], self.damping[index]
        energy = now.energy(lam)
        step = gauss_newton_step(now, lam, damping)
        predicted = energy - predicted_energy(now, lam, step)
        # An almost undamped step that promises nothing need not be tried.
        settled = (predicted < self.solver.tolerance * energy) & (damping < _ALMOST_NONE) & (lam >= self.lam_final)
        for pair in index[settled].tolist():
            self._stop(pair, CONVERGED)
        if settled.all():
            return
        index, lam, damping, step = index[~settled], lam[~settled], damping[~settled], step[~settled]
        predicted, energy = predicted[~settled], energy[~settled]
        moved = torch.nn.functional.pad(step, (0, 0, 1, 1)).reshape(len(index), *self.path.shape[1:])
        trial_path = self.path[index] + moved.to(self.path)
        trial, finite = self._try(trial_path, index)
        decrease = energy - trial.energy(lam)
        decrease = torch.where(finite, decrease, -torch.inf)
        ratio = decrease / predicted.clamp_min(1e-300)
        accept = (ratio > 1e-4) & (predicted > 0)

        taken = index[accept]
        self.path[taken] = trial_path[accept]
        _assign(self.residuals, taken, _select(trial, accept))
        self.damping[index] = _next_damping(damping, ratio, accept)
        settled = (predicted < self.solver.tolerance * energy) & (decrease < self.solver.tolerance * energy)
        final = lam >= self.lam_final
        small = settled & final & finite
        stuck = ~accept & ~small & (self.damping[index] > _LARGEST_DAMPING)
        self.lam[index] = torch.where(accept | small, (lam * _CONTINUATION_FACTOR).clamp_max(self.lam_final), lam)
        for row, pair in enumerate(index.tolist()):
            self.iterations[pair] += 1
            self.evaluations[pair] += self.cost
            if bool(small[row]):
                self._stop(pair, CONVERGED)
            elif bool(stuck[row]):
                self._stop(pair, STALLED if bool(finite[row]) else FAILED)

    def _stop(self, pair: int, status: str) -> None:
        self.status[pair] = status
        self.active[pair] = False

    def _try(self, paths: torch.Tensor, index: torch.Tensor) -> tuple[Residuals, torch.Tensor]:
        """Residuals of trial paths, and which of them are finite; one pair's bad score does not spoil the others'."""
        finite = torch.ones(len(paths), dtype=torch.bool, device=paths.device)
        try:
            return residuals(self.field, paths, self.rule), finite
        except ScoreError as error:
            log.warning("a trial step met a bad score (%s): each pair is tried by itself.", error)
        trials = _select(self.residuals, index)
        for row in range(len(paths)):
            try:
                one = residuals(self.field, paths[row : row + 1], self.rule)
                _assign(trials, torch.tensor([row], device=paths.device), one)
            except ScoreError:
                finite[row] = False
        return trials, finite

    def solution(self, metric: SteinMetric, began: float) -> Solution:
        final = torch.full_like(self.lam, self.lam_final)
        return conclude(
            metric, self.path, self.rule, status=self.status, iterations=self.iterations, score_evaluations=self.evaluations,
            reason=self.reason, history=self.history, began=began,
            measured=_measure(self.residuals, final), gradient=self.residuals.gradient(final),
        )  # fmt: skip


def _next_damping(damping: torch.Tensor, ratio: torch.Tensor, accept: torch.Tensor) -> torch.Tensor:
    """Levenberg-Marquardt: less after a step that did what the model said, more after one that did not.

    Much more after a rejected one.
    """
    eased = torch.where(damping < 1e-2, torch.zeros_like(damping), damping / 5)
    raised = (damping * 4).clamp_min(0.1)
    after = torch.where(ratio > 0.5, eased, torch.where(ratio < 0.1, raised, damping))
    return torch.where(accept, after, (damping * 10).clamp_min(0.5))


def _select(r: Residuals, index: torch.Tensor) -> Residuals:
    return replace(r, segments=r.segments[index], delta=r.delta[index], right=r.right[index], left=r.left[index])


def _assign(into: Residuals, index: torch.Tensor, source: Residuals) -> None:
    into.segments[index], into.delta[index] = source.segments, source.delta
    into.right[index], into.left[index] = source.right, source.left


def _measure(r: Residuals, lam: torch.Tensor) -> PathMeasure:
    """Energy, length and lower bound from residuals at hand."""
    parts = r.delta.shape[2]
    segments, delta = r.segments.double(), r.delta.double()
    squares = segments.square().sum(2)[:, :, None]
    length = (squares / parts**2 + lam[:, None, None] * delta.square()).sqrt().sum((1, 2))
    bound = 0.5 * (segments.sum(1).square().sum(1) + lam * delta.sum((1, 2)).square())
    return PathMeasure(energy=r.energy(lam), length=length, lower_bound=bound)

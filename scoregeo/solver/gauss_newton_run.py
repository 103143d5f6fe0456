"""The state of one Gauss-Newton solve on one grid and one quadrature: it lives as long as the solve."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from scoregeo.core.errors import ScoreError
from scoregeo.metric.graph import Residuals, residuals, score_correction
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, Step
from scoregeo.solver.laplacian import gauss_newton_step, predicted_energy

log = logging.getLogger(__name__)

FAR = 100.0  # a start whose score part outweighs its Euclidean part this many times is far: lam is raised step by step
_CONTINUATION_FACTOR = 10.0
_LARGEST_DAMPING = 1e8
_NOTHING = 1e-2  # of the tolerance
_ALMOST_NONE = 1.0
_ALIGNED = 0.9  # cosine of two steps from which they are taken for the same slow mode
_LARGEST_STRETCH = 3.0

OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Plan:
    """What one solve may do; see `GaussNewton`. `continuation` None decides for each pair by its start."""

    lam_final: float
    max_iterations: int
    continuation: bool | None
    tolerance: float
    damping: float
    differentiate_score: bool


class Run:
    """Paths, residuals and per-pair damping, continuation, status."""

    def __init__(self, field: ScoreField, rule: Quadrature, start: torch.Tensor, plan: Plan, on_step: OnStep) -> None:
        pairs = len(start)
        self.field, self.rule, self.plan, self.on_step = field, rule, plan, on_step
        self.path = start.detach().clone()
        with torch.no_grad():
            self.residuals = residuals(field, self.path, rule)
        self.cost = rule.evaluations(start.shape[1])
        self.evaluations = torch.full((pairs,), self.cost)
        if plan.differentiate_score:
            self.residuals = replace(self.residuals, correction=score_correction(field, self.path, rule))
            self.evaluations += 3 * self.cost
        self.iterations = torch.zeros(pairs, dtype=torch.int64)
        self.status = [BUDGET] * pairs
        self.reason = ["the iterations allowed are spent"] * pairs
        self.final = torch.full((pairs,), plan.lam_final, dtype=torch.float64, device=start.device)
        self.lam = self._first_lam()
        self.damping = torch.full_like(self.lam, plan.damping)
        self.active = torch.ones(pairs, dtype=torch.bool)
        self.last_step = torch.zeros(pairs, start.shape[1] - 2, start[0, 0].numel(), dtype=torch.float64, device=start.device)
        self.repeats = torch.zeros(pairs, dtype=torch.bool, device=start.device)  # whether last_step was undamped, at this lam

    def _first_lam(self) -> torch.Tensor:
        if self.plan.continuation is False:
            return self.final.clone()
        balance = self.residuals.euclidean_part() / self.residuals.score_part().clamp_min(1e-300)
        if self.plan.continuation is None:
            balance = torch.where(self.final > FAR * balance, balance, self.final)
        return torch.minimum(self.final, balance)

    def _tell(self, iteration: int) -> None:
        self.on_step(Step(iteration, self.residuals.energy(self.final).cpu(), self.evaluations.clone(), self.path))

    @torch.no_grad()
    def iterate(self) -> None:
        """Iterate until every pair has stopped; `on_step` hears of the start (iteration 0) and of every iteration."""
        self._tell(0)
        for iteration in range(1, self.plan.max_iterations + 1):
            self._iterate_active()
            self._tell(iteration)
            if not self.active.any():
                return

    def _iterate_active(self) -> None:
        index = self.active.nonzero()[:, 0].to(self.path.device)
        now, damping = select(self.residuals, index), self.damping[index]
        tolerance = self.plan.tolerance
        while True:
            lam = self.lam[index]
            energy = now.energy(lam)
            step = gauss_newton_step(now, lam, damping)
            predicted = energy - predicted_energy(now, lam, step)
            done = (predicted < tolerance * energy) & (damping < _ALMOST_NONE) & (lam < self.plan.lam_final)
            if not done.any():
                break
            # Nothing to gain at this lam: on to the next, at no evaluation.
            self.lam[index] = torch.where(done, (lam * _CONTINUATION_FACTOR).clamp_max(self.plan.lam_final), lam)
            self.repeats[index[done]] = False
        # An almost undamped step that promises nothing need not be tried.
        settled = (predicted < tolerance * energy) & (damping < _ALMOST_NONE) & (lam >= self.plan.lam_final)
        for pair in index[settled].tolist():
            self._stop(pair, CONVERGED)
        if settled.all():
            return
        keep = ~settled
        index, lam, damping, step, energy, predicted = (t[keep] for t in (index, lam, damping, step, energy, predicted))
        stretch = self._stretch(index, step, damping)
        moved = torch.nn.functional.pad(stretch[:, None, None] * step, (0, 0, 1, 1)).reshape(len(index), *self.path.shape[1:])
        trial_path = self.path[index] + moved.to(self.path)
        trial, finite = self._try(trial_path, index)
        decrease = torch.where(finite, energy - trial.energy(lam), -torch.inf)
        ratio = decrease / predicted.clamp_min(1e-300)
        accept = (ratio > 1e-4) & (predicted > 0)

        taken = index[accept]
        self.path[taken] = trial_path[accept]
        assign(self.residuals, taken, select(trial, accept))
        if self.residuals.correction is not None and len(taken):
            self.residuals.correction[taken] = score_correction(self.field, self.path[taken], self.rule)
            self.evaluations[taken.cpu()] += 3 * self.cost
        plain = stretch == 1
        self.last_step[index] = step
        raised = torch.where(accept, (lam * _CONTINUATION_FACTOR).clamp_max(self.plan.lam_final), lam)
        self.repeats[index] = accept & plain & (damping == 0) & (raised == lam)
        # A stretched step that fails says nothing about the plain one.
        self.damping[index] = torch.where(plain | accept, _next_damping(damping, ratio, accept), damping)
        small = (predicted < tolerance * energy) & (decrease < tolerance * energy) & (lam >= self.plan.lam_final) & finite
        # A step so short that even its own model promises nothing, and still it fails: no shorter one will do better.
        stuck = (
            ~accept & ~small & plain & ((predicted < _NOTHING * tolerance * energy) | (self.damping[index] > _LARGEST_DAMPING))
        )
        self.lam[index] = torch.where(small, lam, raised)
        for row, pair in enumerate(index.tolist()):
            self.iterations[pair] += 1
            self.evaluations[pair] += self.cost
            if bool(small[row]):
                self._stop(pair, CONVERGED)
            elif bool(stuck[row]) and bool(finite[row]):
                self._stop(pair, STALLED, _STALL_REASON)
            elif bool(stuck[row]):
                self._stop(pair, FAILED, "the score is not finite on every way on from the last good path")

    def _stretch(self, index: torch.Tensor, step: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
        """Aitken's factor `1 / (1 - q)` where two undamped steps in a row point the same way, q their ratio; 1 elsewhere.

        Residuals that vanish to second order, as on a density ridge, halve the error an iteration; the factor, then 2, restores
        fast convergence.
        """
        last = self.last_step[index]
        dot, square = (step * last).sum((1, 2)), last.square().sum((1, 2)).clamp_min(1e-300)
        cosine = dot / (square * step.square().sum((1, 2)).clamp_min(1e-300)).sqrt()
        q = dot / square
        use = self.repeats[index] & (damping == 0) & (cosine > _ALIGNED) & (q < 1)
        return torch.where(use, (1 / (1 - q)).clamp(1, _LARGEST_STRETCH), 1.0)

    def _stop(self, pair: int, status: str, reason: str = "") -> None:
        self.status[pair], self.reason[pair] = status, reason
        self.active[pair] = False

    def _try(self, paths: torch.Tensor, index: torch.Tensor) -> tuple[Residuals, torch.Tensor]:
        """Residuals of trial paths, and which of them are finite; one pair's bad score does not spoil the others'."""
        finite = torch.ones(len(paths), dtype=torch.bool, device=paths.device)
        try:
            return residuals(self.field, paths, self.rule), finite
        except ScoreError as error:
            log.debug("a trial step met a bad score (%s): each pair is tried by itself.", error)
        trials = select(self.residuals, index)
        for row in range(len(paths)):
            try:
                one = residuals(self.field, paths[row : row + 1], self.rule)
                assign(trials, torch.tensor([row], device=paths.device), one)
            except ScoreError:
                finite[row] = False
        return trials, finite


_STALL_REASON = (
    "no step of any length lowers the energy: the score is not a gradient to the accuracy asked for, or rounding is reached"
)


def _next_damping(damping: torch.Tensor, ratio: torch.Tensor, accept: torch.Tensor) -> torch.Tensor:
    """Levenberg-Marquardt: less after a step that did what the model said, more after one that did not, much more after a
    rejected one.

    The first rejection jumps to 20: near a density ridge, where undamped steps overshoot, less is rejected again.
    """
    eased = torch.where(damping < 0.3, torch.zeros_like(damping), damping / 5)
    raised = (damping * 4).clamp_min(0.1)
    after = torch.where(ratio > 0.5, eased, torch.where(ratio < 0.1, raised, damping))
    return torch.where(accept, after, torch.where(damping == 0, 20.0, (damping * 4).clamp_min(1.0)))


def select(r: Residuals, index: torch.Tensor) -> Residuals:
    """The residuals of some pairs."""
    correction = None if r.correction is None else r.correction[index]
    return Residuals(segments=r.segments[index], delta=r.delta[index], scores=r.scores[index], correction=correction)


def assign(into: Residuals, index: torch.Tensor, source: Residuals) -> None:
    """Write `source` over the pairs `index` of `into`; the correction stays."""
    into.segments[index], into.delta[index], into.scores[index] = source.segments, source.delta, source.scores

"""The state of one Gauss-Newton solve on one grid and one quadrature: it lives as long as the
solve.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.graph import Residuals, Rows, residuals
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, Step
from scoregeo.solver.cost import BACKWARD
from scoregeo.solver.laplacian import gauss_newton_step, predicted_energy, stationarity
from scoregeo.solver.score_jacobian import ScoreJacobian

log = logging.getLogger(__name__)

# A start whose score part outweighs its Euclidean part this many times is far: lam is raised step
# by step
FAR = 100.0
_CONTINUATION_FACTOR = 10.0
_LARGEST_DAMPING = 1e8
_NOTHING = 1e-2  # of the tolerance
_ALMOST_NONE = 1.0
_ALIGNED = 0.9  # cosine of two steps from which they are taken for the same slow mode
_LARGEST_STRETCH = 3.0
_SUFFICIENT = 1e-4  # share of the predicted decrease from which a step is taken
_RAISED = (4.0, 16.0)  # least and greatest factor on the damping after a refused step

OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Plan:
    """What one solve may do; see `GaussNewton`. `continuation` None decides for each pair by its
    start.
    """

    lam_final: float
    max_iterations: int
    continuation: bool | None
    tolerance: float
    damping: float
    differentiate_score: bool


class Run:
    """Paths, residuals and per-pair damping, continuation, status."""

    def __init__(
        self, field: ScoreField, rule: Quadrature, start: torch.Tensor, plan: Plan, on_step: OnStep
    ) -> None:
        pairs = len(start)
        self.field, self.rule, self.plan, self.on_step = field, rule, plan, on_step
        self.path = start.detach().clone()
        self.cost = rule.evaluations(start.shape[1])
        self.evaluations = torch.full((pairs,), self.cost)
        self.jacobian = ScoreJacobian(field, rule, self.path) if plan.differentiate_score else None
        with torch.no_grad():
            self.residuals = (
                residuals(field, self.path, rule)
                if self.jacobian is None
                else self._learnt(self.jacobian)
            )
        self.iterations = torch.zeros(pairs, dtype=torch.int64)
        self.status = [BUDGET] * pairs
        self.reason = ["the iterations allowed are spent"] * pairs
        self.final = torch.full((pairs,), plan.lam_final, dtype=torch.float64, device=start.device)
        self.lam = self._first_lam()
        self.damping = torch.full_like(self.lam, plan.damping)
        self.active = torch.ones(pairs, dtype=torch.bool)
        self.last_step = torch.zeros(
            pairs, start.shape[1] - 2, start[0, 0].numel(), dtype=torch.float64, device=start.device
        )
        self.repeats = torch.zeros(
            pairs, dtype=torch.bool, device=start.device
        )  # whether last_step was undamped, at this lam

    def _learnt(self, jacobian: ScoreJacobian) -> Residuals:
        """Residuals and rows of every start."""
        every = [
            jacobian.learn(pair, jacobian.evaluate(self.path[pair : pair + 1]))
            for pair in range(len(self.path))
        ]
        self.evaluations += BACKWARD * self.cost
        return join(every)

    def _first_lam(self) -> torch.Tensor:
        if self.plan.continuation is False:
            return self.final.clone()
        balance = self.residuals.euclidean_part() / self.residuals.score_part().clamp_min(1e-300)
        if self.plan.continuation is None:
            balance = torch.where(self.final > FAR * balance, balance, self.final)
        return torch.minimum(self.final, balance)

    def _tell(self, iteration: int) -> None:
        self.on_step(
            Step(
                iteration,
                self.residuals.energy(self.final).cpu(),
                self.evaluations.clone(),
                self.path,
            )
        )

    @torch.no_grad()
    def iterate(self) -> None:
        """Iterate until every pair has stopped; `on_step` hears of the start (iteration 0) and of
        every iteration.
        """
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
            done = (
                (predicted < tolerance * energy)
                & (damping < _ALMOST_NONE)
                & (lam < self.plan.lam_final)
            )
            if not done.any():
                break
            # Nothing to gain at this lam: on to the next, at no evaluation.
            self.lam[index] = torch.where(
                done, (lam * _CONTINUATION_FACTOR).clamp_max(self.plan.lam_final), lam
            )
            self.repeats[index[done]] = False
        # An almost undamped step that promises nothing need not be tried.
        settled = (
            (predicted < tolerance * energy)
            & (damping < _ALMOST_NONE)
            & (lam >= self.plan.lam_final)
        )
        for pair in index[settled].tolist():
            self._stop(pair, CONVERGED)
        if settled.all():
            return
        keep = ~settled
        index, lam, damping, step, energy, predicted = (
            t[keep] for t in (index, lam, damping, step, energy, predicted)
        )
        stretch = self._stretch(index, step, damping)
        moved = torch.nn.functional.pad(stretch[:, None, None] * step, (0, 0, 1, 1)).reshape(
            len(index), *self.path.shape[1:]
        )
        trial_path = self.path[index] + moved.to(self.path)
        sufficient = torch.where(predicted > 0, energy - _SUFFICIENT * predicted, -torch.inf)
        trial, finite = self._try(trial_path, index, lam, sufficient)
        decrease = torch.where(finite, energy - trial.energy(lam), -torch.inf)
        ratio = decrease / predicted.clamp_min(1e-300)
        accept = finite & (trial.energy(lam) < sufficient)

        taken = index[accept]
        self.path[taken] = trial_path[accept]
        assign(self.residuals, taken, select(trial, accept))
        plain = stretch == 1
        self.last_step[index] = step
        raised = torch.where(
            accept, (lam * _CONTINUATION_FACTOR).clamp_max(self.plan.lam_final), lam
        )
        self.repeats[index] = accept & plain & (damping == 0) & (raised == lam)
        # A stretched step that fails says nothing about the plain one.
        after = _next_damping(damping, ratio, accept, self.jacobian is not None)
        self.damping[index] = torch.where(plain | accept, after, damping)
        small = (
            (predicted < tolerance * energy)
            & (decrease < tolerance * energy)
            & (lam >= self.plan.lam_final)
            & finite
        )
        if self.jacobian is not None:
            small &= damping < _ALMOST_NONE  # estimated rows still improve: the damping may ease
        # A step so short that even its own model promises nothing, and still it fails: no shorter
        # one will do better.
        stuck = (
            ~accept
            & ~small
            & plain
            & (
                (predicted < _NOTHING * tolerance * energy)
                | (self.damping[index] > _LARGEST_DAMPING)
            )
        )
        self.lam[index] = torch.where(small, lam, raised)
        for row, pair in enumerate(index.tolist()):
            self.iterations[pair] += 1
            self.evaluations[pair] += self.cost
            if bool(small[row]):
                # A damping above one makes the step itself small, wherever the path is: that is no
                # sign of a minimum.
                plainly = bool(damping[row] < _ALMOST_NONE) or self._at_minimum(pair)
                self._stop(pair, *((CONVERGED, "") if plainly else (STALLED, _DAMPED_REASON)))
            elif bool(stuck[row]) and bool(finite[row]):
                self._stop(pair, STALLED, _STALL_REASON)
            elif bool(stuck[row]):
                self._stop(
                    pair, FAILED, "the score is not finite on every way on from the last good path"
                )

    def _at_minimum(self, pair: int) -> bool:
        """Whether the gradient is as good as zero, as for a start at the minimum, whose first step
        has its initial damping.

        `stationarity^2` bounds the share of the energy that any Gauss-Newton step can promise,
        whatever the damping."""
        now, lam = (
            select(self.residuals, torch.tensor([pair], device=self.path.device)),
            self.lam[pair : pair + 1],
        )
        return bool(stationarity(now.gradient(lam), now.energy(lam)).square() < self.plan.tolerance)

    def _stretch(
        self, index: torch.Tensor, step: torch.Tensor, damping: torch.Tensor
    ) -> torch.Tensor:
        """Aitken's factor `1 / (1 - q)` where two undamped steps in a row point the same way, q
        their ratio; 1 elsewhere.

        Residuals that vanish to second order, as on a density ridge, halve the error an iteration;
        the factor, then 2, restores fast convergence. Not where the rows are estimates: they change
        from step to step.
        """
        if self.jacobian is not None:
            return torch.ones_like(damping)
        last = self.last_step[index]
        dot, square = (step * last).sum((1, 2)), last.square().sum((1, 2)).clamp_min(1e-300)
        cosine = dot / (square * step.square().sum((1, 2)).clamp_min(1e-300)).sqrt()
        q = dot / square
        use = self.repeats[index] & (damping == 0) & (cosine > _ALIGNED) & (q < 1)
        return torch.where(use, (1 / (1 - q)).clamp(1, _LARGEST_STRETCH), 1.0)

    def _stop(self, pair: int, status: str, reason: str = "") -> None:
        self.status[pair], self.reason[pair] = status, reason
        self.active[pair] = False

    def _try(
        self, paths: torch.Tensor, index: torch.Tensor, lam: torch.Tensor, sufficient: torch.Tensor
    ) -> tuple[Residuals, torch.Tensor]:
        """Residuals of trial paths, and which of them are finite; one pair's bad score does not
        spoil the others'.
        """
        finite = torch.ones(len(paths), dtype=torch.bool, device=paths.device)
        if self.jacobian is None:
            try:
                return residuals(self.field, paths, self.rule), finite
            except ScoreError as error:
                log.debug("a trial step met a bad score (%s): each pair is tried by itself.", error)
        trials = select(self.residuals, index)
        for row, pair in enumerate(index.tolist()):
            path = paths[row : row + 1]
            try:
                if self.jacobian is None:
                    one = residuals(self.field, path, self.rule)
                else:
                    one = self._learn_if(
                        self.jacobian, pair, path, lam[row : row + 1], sufficient[row]
                    )
                assign(trials, torch.tensor([row], device=paths.device), one)
            except ScoreError:
                finite[row] = False
        return trials, finite

    def _learn_if(
        self,
        jacobian: ScoreJacobian,
        pair: int,
        path: torch.Tensor,
        lam: torch.Tensor,
        below: torch.Tensor,
    ) -> Residuals:
        """One pair's residuals; with rows of their own, for a backward pass, where the energy is
        low enough to go on.
        """
        trial = jacobian.evaluate(path)
        if not bool(trial.residuals.energy(lam) < below):
            return trial.residuals
        self.evaluations[pair] += BACKWARD * self.cost
        return jacobian.learn(pair, trial)


_DAMPED_REASON = (
    "only steps shrunk by the damping lower the energy, and they gain less than the tolerance; the"
    " gradient is not small"
)
_STALL_REASON = (
    "no step of any length lowers the energy: the score is not a gradient to the accuracy asked"
    " for, or rounding is reached"
)


def _next_damping(
    damping: torch.Tensor, ratio: torch.Tensor, accept: torch.Tensor, estimated: bool
) -> torch.Tensor:
    """Levenberg-Marquardt: less after a step that did what the model said, more after one that did
    not, much more after a rejected one.

    The first rejection jumps to 20: near a density ridge, where undamped steps overshoot, less is
    rejected again. Where the model's rows are `estimated`, by `2 - ratio`: the parabola through the
    energy, its slope and the trial has its least at `1 / (2 - ratio)` of the step.
    """
    eased = torch.where(damping < 0.3, torch.zeros_like(damping), damping / 5)
    raised = (damping * 4).clamp_min(0.1)
    after = torch.where(ratio > 0.5, eased, torch.where(ratio < 0.1, raised, damping))
    if estimated:
        base = torch.where(damping == 0, 1.0, damping.clamp_min(0.25))
        refused = base * (2 - ratio).clamp(*_RAISED)
    else:
        refused = torch.where(damping == 0, 20.0, (damping * 4).clamp_min(1.0))
    return torch.where(accept, after, refused)


def select(r: Residuals, index: torch.Tensor) -> Residuals:
    """The residuals of some pairs."""
    rows = None if r.rows is None else Rows(r.rows.first[index], r.rows.last[index], r.rows.parts)
    return Residuals(
        segments=r.segments[index], delta=r.delta[index], scores=r.scores[index], rows=rows
    )


def assign(into: Residuals, index: torch.Tensor, source: Residuals) -> None:
    """Write `source` over the pairs `index` of `into`, rows only where `source` has some."""
    into.segments[index], into.delta[index], into.scores[index] = (
        source.segments,
        source.delta,
        source.scores,
    )
    if into.rows is not None and source.rows is not None:
        into.rows.first[index], into.rows.last[index] = source.rows.first, source.rows.last


def join(every: list[Residuals]) -> Residuals:
    """Residuals with rows, of some pairs each, as those of all."""
    rows = [one.rows for one in every if one.rows is not None]
    return Residuals(
        segments=torch.cat([one.segments for one in every]),
        delta=torch.cat([one.delta for one in every]),
        scores=torch.cat([one.scores for one in every]),
        rows=Rows(
            torch.cat([row.first for row in rows]),
            torch.cat([row.last for row in rows]),
            rows[0].parts,
        ),
    )

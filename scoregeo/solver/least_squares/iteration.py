"""Gauss-Newton on one grid and one quadrature."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from scoregeo.solver.base import Step
from scoregeo.solver.laplacian import stationarity
from scoregeo.solver.least_squares.continuation import Continuation
from scoregeo.solver.least_squares.descent import GaussNewtonDescent, Proposal
from scoregeo.solver.least_squares.evaluation import AbstractEvaluation, assign, select
from scoregeo.solver.least_squares.search import LevenbergMarquardt
from scoregeo.solver.least_squares.termination import OUT_OF_BUDGET, SETTLED, Stop, Termination

OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Method:
    """The parts of an iteration. `damping`: Levenberg-Marquardt's at the start, or [pairs]."""

    descent: GaussNewtonDescent
    search: LevenbergMarquardt
    continuation: Continuation
    termination: Termination
    damping: float | torch.Tensor
    max_iterations: int


class Iteration:
    """State of every pair, each with its own lam, damping and stop; lives as long as one stage.

    After `run`: `path` [pairs, points, *shape], `residuals` and `stops` of all pairs, and
    `iterations` [pairs], rejected steps counted.
    """

    def __init__(
        self,
        evaluation: AbstractEvaluation[Any],
        start: torch.Tensor,
        method: Method,
        on_step: OnStep,
    ) -> None:
        pairs, points, device = *start.shape[:2], start.device
        self.evaluation, self.method, self.on_step = evaluation, method, on_step
        self.path = start.detach().clone()
        with torch.no_grad():
            self.residuals, cost = evaluation.start(self.path)
        self.evaluations = torch.as_tensor(cost).expand(pairs).clone()
        self.iterations = torch.zeros(pairs, dtype=torch.int64)
        self.stops: list[Stop] = [OUT_OF_BUDGET] * pairs
        self.active = torch.ones(pairs, dtype=torch.bool)
        self.lam = method.continuation.first(self.residuals)
        self.final = torch.full_like(self.lam, method.continuation.final)
        self.damping = torch.zeros_like(self.lam) + method.damping
        size = start[0, 0].numel()
        self.last_step = torch.zeros(pairs, points - 2, size, dtype=torch.float64, device=device)
        # Whether the last step was accepted whole, undamped and at the present lam
        self.comparable = torch.zeros(pairs, dtype=torch.bool, device=device)

    @torch.no_grad()
    def run(self) -> None:
        """Iterate until every pair has stopped; `on_step` is given the start (iteration 0) and
        every iteration.
        """
        self._report(0)
        if self.path.shape[1] == 2:  # nothing can move
            for pair in range(len(self.path)):
                self._stop(pair, SETTLED)
            return
        for iteration in range(1, self.method.max_iterations + 1):
            self._iterate()
            self._report(iteration)
            if not self.active.any():
                return

    def _report(self, iteration: int) -> None:
        energy = self.residuals.energy(self.final).cpu()
        self.on_step(Step(iteration, energy, self.evaluations.clone(), self.path))

    def _iterate(self) -> None:
        """One step of each active pair."""
        pairs = self.active.nonzero()[:, 0]
        index = pairs.to(self.path.device)
        damping = self.damping[index]
        proposal = self._propose(index, damping)
        settled = self.method.termination.negligible(proposal, damping).cpu()
        settled = settled & ~self._unfinished(pairs, proposal, damping, settled)
        for pair in pairs[settled].tolist():
            self._stop(pair, SETTLED)
        if settled.all():
            return
        if settled.any():
            rest = (~settled).nonzero()[:, 0].to(index.device)
            pairs, proposal, damping = pairs[~settled], proposal.at(rest), damping[rest]
        self._try(pairs, proposal, damping)

    def _propose(self, index: torch.Tensor, damping: torch.Tensor) -> Proposal:
        """Steps of the pairs `index`, each at the first lam at which there is something to gain; no
        evaluation.
        """
        now, continuation = select(self.residuals, index), self.method.continuation
        while True:
            lam = self.lam[index]
            proposal = self.method.descent.propose(now, lam, damping)
            done = self.method.termination.negligible(proposal, damping)
            done &= lam < continuation.final
            if not done.any():
                return proposal
            self.lam[index] = torch.where(done, continuation.raised(lam), lam)
            self.comparable[index[done]] = False

    def _try(self, pairs: torch.Tensor, proposal: Proposal, damping: torch.Tensor) -> None:
        """Evaluate the steps of `pairs` (on the CPU), take those that are accepted, and set what
        the next ones start from.
        """
        index = pairs.to(self.path.device)
        search, termination, lam = self.method.search, self.method.termination, self.lam[index]
        factor = self.method.descent.factor(
            proposal.step, damping, self.last_step[index], self.comparable[index]
        )
        plain = factor == 1
        path = self._moved(index, factor[:, None, None] * proposal.step)
        trial = self.evaluation.trial(path, index, self.residuals, lam, search.bound(proposal))
        verdict = search.judge(proposal, trial.residuals.energy(lam), trial.finite)
        self.iterations[pairs] += 1
        self.evaluations[pairs] += trial.evaluations

        accepted = verdict.accepted.nonzero()[:, 0]
        taken = index[accepted]
        self.path[taken] = path[accepted]
        assign(self.residuals, taken, select(trial.residuals, accepted))
        raised = torch.where(verdict.accepted, self.method.continuation.raised(lam), lam)
        self.last_step[index] = proposal.step
        self.comparable[index] = verdict.accepted & plain & (damping == 0) & (raised == lam)
        self.damping[index] = search.damping(damping, verdict, plain)
        small = termination.small(proposal, verdict, damping, lam)
        unfinished = self._unfinished(pairs, proposal, damping, small & verdict.accepted)
        small = small & ~unfinished.to(small.device)
        stuck = termination.stuck(proposal, verdict, plain, self.damping[index]) & ~small
        self.lam[index] = torch.where(small, lam, raised)
        # One read for all pairs
        facts = torch.stack([small.double(), stuck.double(), verdict.finite.double(), damping], 1)
        for pair, (is_small, is_stuck, finite, by) in zip(
            pairs.tolist(), facts.tolist(), strict=True
        ):
            if is_small:
                self._stop(pair, termination.of_small(by, partial(self._gradient, pair)))
            elif is_stuck:
                self._stop(pair, termination.of_stuck(bool(finite)))

    def _moved(self, index: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Paths of the pairs `index` after a step of their inner points, [rows, n - 1, D]."""
        moved = torch.nn.functional.pad(step, (0, 0, 1, 1)).reshape(
            len(index), *self.path.shape[1:]
        )
        return self.path[index] + moved.to(self.path)

    def _unfinished(
        self,
        pairs: torch.Tensor,
        proposal: Proposal,
        damping: torch.Tensor,
        stopping: torch.Tensor,
    ) -> torch.Tensor:
        """Which of `pairs` that are `stopping` should not, their gradient not small; on the CPU."""
        found = torch.zeros(len(pairs), dtype=torch.bool)
        if math.isfinite(self.method.termination.stationary):
            for row in stopping.nonzero()[:, 0].tolist():
                left = self._gradient(int(pairs[row]))
                at = torch.tensor([row], device=damping.device)
                one = self.method.termination.unfinished(proposal.at(at), damping[at], left)
                found[row] = one[0]
        return found

    def _gradient(self, pair: int) -> torch.Tensor:
        """The relative size of one pair's gradient, [1]."""
        now = select(self.residuals, torch.tensor([pair], device=self.path.device))
        lam = self.lam[pair : pair + 1]
        return stationarity(now.gradient(lam), now.energy(lam))

    def _stop(self, pair: int, stop: Stop) -> None:
        self.stops[pair], self.active[pair] = stop, False

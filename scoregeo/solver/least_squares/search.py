"""The search: whether a trial step is accepted, and the Levenberg-Marquardt damping after it."""

from dataclasses import dataclass

import torch

from scoregeo.solver.least_squares.descent import Proposal

_SUFFICIENT = 1e-4  # share of the predicted decrease from which a step is accepted
_RAISED = (4.0, 16.0)  # least and greatest factor on the damping after a rejected step


@dataclass(frozen=True)
class Verdict:
    """What came of trial steps, [pairs] each: `accepted`; `decrease` of the energy, -inf where the
    score is not `finite`; `ratio`, the decrease over the predicted one.
    """

    accepted: torch.Tensor
    decrease: torch.Tensor
    ratio: torch.Tensor
    finite: torch.Tensor


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damping in the norm of the path Laplacian, in units of the Euclidean part of the energy's
    Hessian; 0 is a pure Gauss-Newton step.

    Attributes:
        estimated: whether the model's rows are estimates, as with `differentiate_score`.
    """

    estimated: bool

    def bound(self, proposal: Proposal) -> torch.Tensor:
        """The energy below which a trial is accepted, [pairs]."""
        lowered = proposal.energy - _SUFFICIENT * proposal.predicted
        return torch.where(proposal.predicted > 0, lowered, -torch.inf)

    def judge(self, proposal: Proposal, energy: torch.Tensor, finite: torch.Tensor) -> Verdict:
        """Of trials with these energies [pairs]; `finite`: whether the score was."""
        decrease = torch.where(finite, proposal.energy - energy, -torch.inf)
        ratio = decrease / proposal.predicted.clamp_min(1e-300)
        return Verdict(finite & (energy < self.bound(proposal)), decrease, ratio, finite)

    def damping(self, damping: torch.Tensor, verdict: Verdict, plain: torch.Tensor) -> torch.Tensor:
        """The next damping: a fifth after a step that did what the model said (ratio above 0.5),
        fourfold after one that did not (below 0.1), more after a rejected one.

        An extrapolated step (not `plain`) that is rejected says nothing about the plain one, and
        leaves the damping as it is.
        """
        eased = torch.where(damping < 0.3, torch.zeros_like(damping), damping / 5)
        raised = (damping * 4).clamp_min(0.1)
        accepted = torch.where(
            verdict.ratio > 0.5, eased, torch.where(verdict.ratio < 0.1, raised, damping)
        )
        after = torch.where(verdict.accepted, accepted, self._rejected(damping, verdict.ratio))
        return torch.where(plain | verdict.accepted, after, damping)

    def _rejected(self, damping: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
        """The first rejection jumps to 20: near a density ridge, where undamped steps overshoot,
        less is rejected again. Where the rows are estimated, by `2 - ratio`: the parabola through
        the energy, its slope and the trial has its least at `1 / (2 - ratio)` of the step.
        """
        if self.estimated:
            base = torch.where(damping == 0, 1.0, damping.clamp_min(0.25))
            return base * (2 - ratio).clamp(*_RAISED)
        return torch.where(damping == 0, 20.0, (damping * 4).clamp_min(1.0))

"""When the iteration of a pair ends, with which status, and why."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED
from scoregeo.solver.least_squares.descent import Proposal
from scoregeo.solver.least_squares.search import Verdict

_NEGLIGIBLE = 1e-2  # of the tolerance
_UNDAMPED = 1.0  # below it a step is as good as undamped
_LARGEST_DAMPING = 1e8


@dataclass(frozen=True)
class Stop:
    """A status, and in words why a pair did not converge."""

    status: str
    reason: str = ""


OUT_OF_BUDGET = Stop(BUDGET, "the iterations allowed are spent")
SETTLED = Stop(CONVERGED)
_DAMPED = Stop(
    STALLED,
    "only steps shrunk by the damping lower the energy, and they gain less than the tolerance; the"
    " gradient is not small",
)
_NO_STEP = Stop(
    STALLED,
    "no step of any length lowers the energy: the score is not a gradient to the accuracy asked"
    " for, or rounding is reached",
)
_NOT_FINITE = Stop(FAILED, "the score is not finite on every way on from the last good path")


@dataclass(frozen=True)
class Termination:
    """The stopping rules, each on the final lam: `tolerance`, a share of the energy, is compared
    with the predicted and the actual decrease. All conditions are [pairs] bool.

    Attributes:
        tolerance: share of the energy. final: lam at which a pair may stop.
        estimated: whether the rows of the model are estimates, which still improve.
        stationary: stationarity residual above which a pair goes on, as long as a step promises a
            hundredth of the tolerance; infinite: it does not matter.
    """

    tolerance: float
    final: float
    estimated: bool
    stationary: float = math.inf

    def negligible(self, proposal: Proposal, damping: torch.Tensor) -> torch.Tensor:
        """Whether an almost undamped step promises less than the tolerance: it need not be tried,
        and at the final lam the pair has converged.
        """
        return (proposal.predicted <= self.tolerance * proposal.energy) & (damping < _UNDAMPED)

    def small(
        self, proposal: Proposal, verdict: Verdict, damping: torch.Tensor, lam: torch.Tensor
    ) -> torch.Tensor:
        """Whether the predicted and the actual decrease are both below the tolerance."""
        least = self.tolerance * proposal.energy
        small = (proposal.predicted <= least) & (verdict.decrease <= least)
        small = small & (lam >= self.final) & verdict.finite
        # The damping of a step whose rows are estimated may still ease.
        return small & (damping < _UNDAMPED) if self.estimated else small

    def unfinished(
        self, proposal: Proposal, damping: torch.Tensor, stationarity: torch.Tensor
    ) -> torch.Tensor:
        """Whether a pair goes on although its almost undamped steps are small: the gradient is
        not.
        """
        worth = proposal.predicted > _NEGLIGIBLE * self.tolerance * proposal.energy
        return (stationarity > self.stationary) & worth & (damping < _UNDAMPED)

    def stuck(
        self, proposal: Proposal, verdict: Verdict, plain: torch.Tensor, damping: torch.Tensor
    ) -> torch.Tensor:
        """Whether a step was rejected that is so short that its own model promises nothing: no
        shorter one will do better. `damping`: the next step's.
        """
        nothing = proposal.predicted < _NEGLIGIBLE * self.tolerance * proposal.energy
        return ~verdict.accepted & plain & (nothing | (damping > _LARGEST_DAMPING))

    def of_small(self, damping: float, stationarity: Callable[[], torch.Tensor]) -> Stop:
        """A damping above one makes the step itself small, wherever the path is: that is no sign of
        a minimum, unless the gradient is as good as zero, as for a start at the minimum.

        `stationarity^2` bounds the share of the energy that any Gauss-Newton step can promise,
        whatever the damping; it is asked for where it decides.
        """
        if damping < _UNDAMPED or bool(stationarity().square() < self.tolerance):
            return SETTLED
        return _DAMPED

    def of_stuck(self, finite: bool) -> Stop:
        """Stalled, or failed where the score of the last trial was not finite."""
        return _NO_STEP if finite else _NOT_FINITE

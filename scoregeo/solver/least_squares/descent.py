"""The step: Gauss-Newton's, and its extrapolation along a slow mode."""

from dataclasses import dataclass

import torch

from scoregeo.metric.graph import Residuals
from scoregeo.solver.least_squares.mesh_residuals import MeshResiduals
from scoregeo.solver.least_squares.normal_equations import gauss_newton_step, predicted_energy

_ALIGNED = 0.9  # cosine of two steps from which they are taken for the same slow mode
_LARGEST_FACTOR = 3.0


@dataclass(frozen=True)
class Proposal:
    """Steps of some pairs before they are tried, float64: `energy` [pairs] at the present lam,
    `step` [pairs, n - 1, D], and `predicted` [pairs], the decrease of the linearised residuals'
    energy.
    """

    energy: torch.Tensor
    step: torch.Tensor
    predicted: torch.Tensor

    def at(self, rows: torch.Tensor) -> "Proposal":
        """Those of some pairs."""
        return Proposal(self.energy[rows], self.step[rows], self.predicted[rows])


@dataclass(frozen=True)
class GaussNewtonDescent:
    """Damped Gauss-Newton steps.

    Attributes:
        extrapolates: whether two undamped steps in a row may be extrapolated. Not where the rows of
            the residuals' derivative are estimates: they change from step to step.
    """

    extrapolates: bool

    def propose(
        self, residuals: Residuals | MeshResiduals, lam: torch.Tensor, damping: torch.Tensor
    ) -> Proposal:
        """The steps of every pair at its `lam` and `damping` [pairs]; no score evaluation."""
        energy = residuals.energy(lam)
        if isinstance(residuals, MeshResiduals):
            step = residuals.step(lam, damping)
            return Proposal(energy, step, energy - residuals.predicted(lam, step))
        step = gauss_newton_step(residuals, lam, damping)
        return Proposal(energy, step, energy - predicted_energy(residuals, lam, step))

    def factor(
        self,
        step: torch.Tensor,
        damping: torch.Tensor,
        last: torch.Tensor,
        comparable: torch.Tensor,
    ) -> torch.Tensor:
        """Aitken's factor `1 / (1 - q)` on the step where two undamped steps in a row point the
        same way, q their ratio, at most 3; 1 elsewhere. [pairs].

        Residuals that vanish to second order, as on a density ridge, halve the error an iteration;
        the factor, then 2, restores fast convergence. `last`: the steps before; `comparable`
        [pairs]: whether they were undamped, taken whole and at the same lam.
        """
        if not self.extrapolates:
            return torch.ones_like(damping)
        dot, square = (step * last).sum((1, 2)), last.square().sum((1, 2)).clamp_min(1e-300)
        cosine = dot / (square * step.square().sum((1, 2)).clamp_min(1e-300)).sqrt()
        q = dot / square
        use = comparable & (damping == 0) & (cosine > _ALIGNED) & (q < 1)
        return torch.where(use, (1 / (1 - q)).clamp(1, _LARGEST_FACTOR), 1.0)

"""Continuation in lam, from where both parts of the energy weigh the same to the metric's own."""

from dataclasses import dataclass

import torch

from scoregeo.metric.graph import Residuals

# A start whose score part outweighs its Euclidean part this many times is far: lam is raised step
# by step
FAR = 100.0
_FACTOR = 10.0


@dataclass(frozen=True)
class Continuation:
    """Raises each pair's lam tenfold with every accepted step, up to `final`.

    Attributes:
        final: the metric's lam.
        enabled: False starts at `final`, True where both parts of the start's energy weigh the
            same, None does so for those pairs whose score part is `FAR` times the other.
    """

    final: float
    enabled: bool | None

    def first(self, residuals: Residuals) -> torch.Tensor:
        """lam of the first step, [pairs] float64."""
        final = torch.full_like(residuals.euclidean_part(), self.final)
        if self.enabled is False:
            return final
        balance = residuals.euclidean_part() / residuals.score_part().clamp_min(1e-300)
        if self.enabled is None:
            balance = torch.where(final > FAR * balance, balance, final)
        # Between equal ends both parts vanish
        return torch.where(balance > 0, torch.minimum(final, balance), final)

    def raised(self, lam: torch.Tensor) -> torch.Tensor:
        """The next lam of each pair, at most `final`."""
        return (lam * _FACTOR).clamp_max(self.final)

"""The factor of the density-weighted metric, finite wherever a path goes, and its means."""

from dataclasses import dataclass

import torch

# |2 alpha log p ratio| up to which the factor is exponential; its square still fits a float64
LARGEST_EXPONENT = 300.0


@dataclass(frozen=True)
class DensityFactor:
    """`e^{2f} = (p / p(ref))^(-2 alpha)` of a log-density ratio, its exponent `t` bent to
    `300 + log(1 + t - 300)` above 300, and likewise below -300.
    """

    alpha: float

    def logarithm(self, log_ratio: torch.Tensor) -> torch.Tensor:
        """2f from `log p - log p(ref)`, any shape, float64: `t = -2 alpha log_ratio`, its far ends
        bent to a logarithm.
        """
        t = -2 * self.alpha * log_ratio
        excess = (t.abs() - LARGEST_EXPONENT).clamp_min(0)
        return t.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT) + t.sign() * excess.log1p()

    def slope(self, log_ratio: torch.Tensor) -> torch.Tensor:
        """Derivative of `logarithm` in `log_ratio`, same shape."""
        excess = (2 * self.alpha * log_ratio.abs() - LARGEST_EXPONENT).clamp_min(0)
        return -2 * self.alpha / (1 + excess)


def cumulative(delta: torch.Tensor) -> torch.Tensor:
    """log p at the ends of all parts, 0 at the path's first point, [pairs, n, m + 1], from
    differences [pairs, n, m].
    """
    pairs, n, parts = delta.shape
    along = torch.nn.functional.pad(delta.double().flatten(1).cumsum(1), (1, 0))
    return along.unfold(1, parts + 1, parts).reshape(pairs, n, parts + 1)


def mean_of_ends(values: torch.Tensor) -> torch.Tensor:
    """Mean over a segment's parts of the mean at a part's two ends, [pairs, n] from [pairs, n, m +
    1].
    """
    return ((values[..., :-1] + values[..., 1:]) / 2).mean(-1)

"""Quadrature of the line integral of the score along the segments of a path."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

from scoregeo._utils.errors import check_choice, check_kind, check_number

MOST_SUBNODES = 1024  # of a setting; the weights are a square matrix of as many rows
_MOST = 16 * MOST_SUBNODES  # what certificates refine them to
RULES = ("trapezoid", "simpson", "midpoint")


@dataclass(frozen=True)
class Quadrature:
    """A composite rule on each segment, split into `subnodes` equal parts.

    Each part is one residual `delta = sum_q W_q s(x_i + u_q d_i) . d_i`, an estimate of the
    log-density difference over it. Orders: trapezoid and midpoint 2, simpson 4, in segment length.
    Score evaluations a path of n segments:
    trapezoid `n m + 1`, simpson `2 n m + 1`, midpoint `n m` (m = subnodes).
    """

    rule: str = "trapezoid"
    subnodes: int = 1

    def __post_init__(self) -> None:
        check_choice("solver.quadrature", self.rule, RULES)
        check_number("solver.subnodes", self.subnodes, at_least=1, at_most=_MOST, integer=True)

    @cached_property
    def fractions(self) -> torch.Tensor:
        """Node positions u in [0, 1] within a segment, float64 [nodes]; for rules with shared ends,
        both ends included.
        """
        m = self.subnodes
        if self.rule == "midpoint":
            return (torch.arange(m, dtype=torch.float64) + 0.5) / m
        per_part = 2 if self.rule == "simpson" else 1
        return torch.arange(m * per_part + 1, dtype=torch.float64) / (m * per_part)

    @cached_property
    def weights(self) -> torch.Tensor:
        """W [subnodes, nodes], float64: row r holds the weights of part r; each row sums to 1 /
        subnodes.
        """
        m = self.subnodes
        rows = torch.zeros(m, len(self.fractions), dtype=torch.float64)
        pattern = {"trapezoid": [0.5, 0.5], "simpson": [1 / 6, 4 / 6, 1 / 6], "midpoint": [1.0]}[
            self.rule
        ]
        step = max(len(pattern) - 1, 1)
        for r in range(m):
            rows[r, r * step : r * step + len(pattern)] = (
                torch.tensor(pattern, dtype=torch.float64) / m
            )
        return rows

    def fractions_like(self, x: torch.Tensor) -> torch.Tensor:
        """`fractions` in the dtype and on the device of x, copied there once."""
        return _placed(self, "fractions", x.dtype, x.device)

    def weights_like(self, x: torch.Tensor) -> torch.Tensor:
        """`weights` in the dtype and on the device of x, copied there once."""
        return _placed(self, "weights", x.dtype, x.device)

    @property
    def shares_ends(self) -> bool:
        """Whether the rule has nodes at both ends of a segment, so that neighbours share them."""
        return self.rule != "midpoint"

    def evaluations(self, num_points: int) -> int:
        """Score evaluations for one path of `num_points` points."""
        per_segment = len(self.fractions) - (1 if self.shares_ends else 0)
        return (num_points - 1) * per_segment + (1 if self.shares_ends else 0)


def check_rule(quadrature: object) -> None:
    """Raise ConfigError for what is no `Quadrature`, as the name of a rule."""
    allowed = "a scoregeo.path.quadrature.Quadrature(rule, subnodes)"
    check_kind("quadrature", quadrature, Quadrature, allowed)


@lru_cache(maxsize=64)
def _placed(rule: Quadrature, name: str, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    values: torch.Tensor = getattr(rule, name)
    return values.to(device=device, dtype=dtype)

"""A metric's inverse at many nodes of a path, and the inverse of the sum of these inverses; no D x
D matrix is made.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch


class AbstractNodeInverse(ABC):
    """`g_i = g(x_i)` at the n nodes of each of a batch of paths; vectors [pairs, n, D] float64, D =
    prod(shape).

    The score was evaluated when it was made: nothing here costs an evaluation.
    """

    @abstractmethod
    def multiply(self, v: torch.Tensor) -> torch.Tensor:
        """`g_i v_i`, [pairs, n, D]."""

    @abstractmethod
    def apply(self, v: torch.Tensor) -> torch.Tensor:
        """`g_i^-1 v_i`, [pairs, n, D]."""

    @abstractmethod
    def solve_sum(self, r: torch.Tensor) -> torch.Tensor:
        """`(sum_i g_i^-1)^-1 r`, for r [pairs, D]; same shape."""


@dataclass(frozen=True)
class ScalarInverse(AbstractNodeInverse):
    """`g_i = w_i I`, `weight` [pairs, n] float64 above 0. O(n D) arithmetic."""

    weight: torch.Tensor

    def multiply(self, v: torch.Tensor) -> torch.Tensor:
        return self.weight[:, :, None] * v

    def apply(self, v: torch.Tensor) -> torch.Tensor:
        return v / self.weight[:, :, None]

    def solve_sum(self, r: torch.Tensor) -> torch.Tensor:
        return r / self.weight.reciprocal().sum(1, keepdim=True)


@dataclass(frozen=True)
class RankOneInverse(AbstractNodeInverse):
    """`g_i = I + lam s_i s_i^T`, `scores` [pairs, n, D] float64.

    With `h_i = s_i sqrt(lam / (1 + lam |s_i|^2))`, shorter than one, `g_i^-1 = I - h_i h_i^T`. So
    `sum_i g_i^-1 = n I - H^T H`, the h_i being the rows of H, and by Woodbury only an n x n system
    is solved, O(n^2 D) arithmetic:

        (n I - H^T H)^-1 r = ( r + H^T (n I - H H^T)^-1 H r ) / n.
    """

    scores: torch.Tensor
    lam: float

    def multiply(self, v: torch.Tensor) -> torch.Tensor:
        return v + self.lam * (self.scores * v).sum(2, keepdim=True) * self.scores

    def apply(self, v: torch.Tensor) -> torch.Tensor:
        h = self._shortened()
        return v - (h * v).sum(2, keepdim=True) * h

    def solve_sum(self, r: torch.Tensor) -> torch.Tensor:
        h, n = self._shortened(), self.scores.shape[1]
        system = n * torch.eye(n, dtype=h.dtype, device=h.device) - h @ h.mT
        factor, _ = torch.linalg.cholesky_ex(system)
        along = torch.cholesky_solve(h @ r[:, :, None], factor)
        return (r + (h.mT @ along)[:, :, 0]) / n

    def _shortened(self) -> torch.Tensor:
        """H, [pairs, n, D]."""
        square = self.scores.square().sum(2, keepdim=True)
        return self.scores * (self.lam / (1 + self.lam * square)).sqrt()


@dataclass(frozen=True)
class DiagonalInverse(AbstractNodeInverse):
    """`g_i = diag(weight_i)`, `weight` [pairs, n, D] float64 above 0. O(n D) arithmetic."""

    weight: torch.Tensor

    def multiply(self, v: torch.Tensor) -> torch.Tensor:
        return self.weight * v

    def apply(self, v: torch.Tensor) -> torch.Tensor:
        return v / self.weight

    def solve_sum(self, r: torch.Tensor) -> torch.Tensor:
        return r / self.weight.reciprocal().sum(1)

"""Ends and scores that the baselines' tests share."""

import math

import torch

from scoregeo.baseline.base import Ends
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField


class Gaussian(AbstractScore):
    """`-precision * x`, coordinate by coordinate, at every sigma; NaN beyond `wall` in the first
    coordinate.
    """

    def __init__(self, precision: torch.Tensor, wall: float = math.inf) -> None:
        self.precision, self.wall = precision, wall

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.precision.shape)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        beyond = x.flatten(1)[:, :1] > self.wall
        return torch.where(
            beyond.view(-1, *[1] * (x.dim() - 1)), torch.nan, -self.precision.to(x) * x
        )


def field(
    precision: list[float] | torch.Tensor, sigma: float = 1.0, wall: float = math.inf
) -> ScoreField:
    """A Gaussian's field that counts its evaluations."""
    return ScoreField(
        CountingScore(Gaussian(torch.as_tensor(precision, dtype=torch.float64), wall)), sigma
    )


def count(of: ScoreField) -> int:
    assert isinstance(of.score, CountingScore)
    return of.score.count


def pictures(pairs: int = 2, sigma: float = 1.5, dtype: torch.dtype = torch.float32) -> Ends:
    """Pairs of random pictures [1, 4, 4], one draw of noise a pair, and the score of standard
    normal data blurred by sigma.
    """
    draws = torch.Generator().manual_seed(0)
    clean = torch.randn(pairs, 2, 1, 4, 4, generator=draws, dtype=torch.float64)
    lifted = clean + sigma * torch.randn(pairs, 1, 1, 4, 4, generator=draws, dtype=torch.float64)
    precision = torch.full((1, 4, 4), 1 / (1 + sigma**2), dtype=torch.float64)
    return Ends(clean.to(dtype), lifted.to(dtype), field(precision, sigma))


def between(a: list[float], b: list[float], of: ScoreField) -> Ends:
    """One pair of points, the same clean and lifted."""
    both = torch.tensor([[a, b]], dtype=torch.float64)
    return Ends(both, both, of)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)

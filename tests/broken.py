"""Parts that go wrong on purpose, named by tests as the target of an option."""

import torch

from scoregeo.dataset.base import AbstractDataset
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField


class _Broken(AbstractScore):
    def __init__(self, shape: tuple[int, ...], kind: str) -> None:
        self._shape, self.kind = shape, kind

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        if self.kind == "bug":
            raise KeyError("a mistake in the code")
        return x[:, :-1] if self.kind == "shape" else torch.full_like(x, torch.nan)


def broken_score(dataset: AbstractDataset, seed: int, sigma: float, kind: str = "nan") -> ScoreField:
    """A score that gives NaN, a wrong shape, or an exception."""
    return ScoreField(_Broken(dataset.shape, kind), sigma)

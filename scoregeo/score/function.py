"""A function as a score."""

from collections.abc import Callable

import torch

from scoregeo.score.base import AbstractScore

Function = Callable[[torch.Tensor, float], torch.Tensor]


class FunctionScore(AbstractScore):
    """`function(x, sigma)` as the score of points of one shape.

    The function takes points [batch, *shape] in variance-exploding coordinates, `x = x0 + sigma z`,
    and one noise level in data units; it returns `grad_x log p_sigma(x)`, of the points' shape and
    dtype. Where derivatives are asked for (`jvp`, `vjp`, solvers that differentiate the score) it
    must be differentiable by torch.

    Example:
        >>> import torch, scoregeo
        >>> gaussian = scoregeo.FunctionScore(lambda x, sigma: -x / (1 + sigma**2), shape=(3,))
        >>> gaussian.score(torch.ones(1, 3), sigma=1.0)
        tensor([[-0.5000, -0.5000, -0.5000]])
    """

    learned = True  # as far as is known

    def __init__(
        self,
        function: Function,
        shape: tuple[int, ...],
        sigma_range: tuple[float, float] = (0.0, float("inf")),
    ) -> None:
        """`sigma_range`: smallest and largest noise level that the function is defined at."""
        self.function, self._shape, self._range = function, tuple(shape), sigma_range

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self._range

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return self.function(x, sigma)

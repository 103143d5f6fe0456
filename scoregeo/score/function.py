"""A function as a score."""

import inspect
import math
from collections.abc import Callable
from numbers import Real

import torch

from scoregeo._utils.errors import bad_value
from scoregeo.score.base import AbstractScore
from scoregeo.score.boundary import check_shape

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
        """`sigma_range`: smallest and largest noise level that the function is defined at. Raises
        ConfigError for what is no function of two arguments, no shape or no range.
        """
        _check_function(function)
        _check_range(sigma_range)
        self.function, self._range = function, sigma_range
        self._shape = check_shape("shape", shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self._range

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return self.function(x, sigma)


def _check_function(function: object) -> None:
    allowed = "a function (x, sigma) -> s"
    if not callable(function) or isinstance(function, type):
        raise bad_value("function", function, allowed)
    try:
        inspect.signature(function).bind(None, None)
    except ValueError:  # one of C, whose arguments are not known
        return
    except TypeError as error:
        raise bad_value("function", function, f"{allowed} ({error})") from error


def _check_range(given: object) -> None:
    ends = tuple(given) if isinstance(given, (tuple, list)) else ()
    if len(ends) != 2 or not all(
        isinstance(one, Real) and not isinstance(one, bool) and not math.isnan(one) for one in ends
    ):
        raise bad_value("sigma_range", given, "two numbers, the smallest and the largest sigma")

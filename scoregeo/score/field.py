"""A score at one noise level: the vector field a metric is made of."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, check_kind
from scoregeo.score.base import (
    AbstractScore,
    DetachedScore,
    check_differentiable,
    check_noise_level,
)
from scoregeo.score.boundary import check_shape
from scoregeo.score.memory import retried


@dataclass(frozen=True)
class ScoreField:
    """The field `s(x) = score(x, sigma)` with sigma fixed, in data units. Calling it costs one
    evaluation a point.

    `note`: what a run's notes must say of it: that a rule chose sigma, that the score is of a part
    of the data; else empty.

    Example:
        >>> import scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> field.shape
        (3,)
    """

    score: AbstractScore
    sigma: float
    note: str = ""

    def __post_init__(self) -> None:
        allowed = "a score, such as scoregeo.FunctionScore(function, shape)"
        check_kind("score", self.score, AbstractScore, allowed)
        check_shape("score.shape", self.score.shape)
        self.score.check_sigma(self.sigma)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one point."""
        return self.score.shape

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The score at `x` [batch, *shape]; same shape. Raises ScoreError where a backward pass to
        `x` would not reach it.
        """
        value = self.score.score(x, self.sigma)
        if (
            torch.is_grad_enabled()
            and x.requires_grad
            and not isinstance(self.score, DetachedScore)
        ):
            check_differentiable(value)
        return value

    def jvp(self, x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The score and `J v` at `x`, `v` [batch, *shape]; costs 3 evaluations a point."""
        return self.score.jvp(x, v, self.sigma)

    def derivative(
        self, quantity: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, count: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`value_and_gradient` of a quantity made of the score at `count` points that follow from
        `x` [..., *shape]. Where memory runs out it is done again in smaller batches, as
        `AbstractScore.vjp`; the score's error where that does not help.
        """
        batch = x.new_empty(1).expand(count, *self.shape)
        return retried(
            lambda: value_and_gradient(quantity, x),
            lambda error: self.score._halve(batch, error),
        )

    def vjp(self, x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The score and `J^T v` at `x`, `v` [batch, *shape]; costs 3 evaluations a point."""
        return self.score.vjp(x, v, self.sigma)


def value_and_gradient(
    quantity: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`quantity(x)`, detached, and the derivative of its sum in `x`, of x's shape and dtype, by one
    backward pass.
    """
    with torch.enable_grad():
        points = x.detach().requires_grad_(True)
        value = quantity(points)
        (gradient,) = torch.autograd.grad(value.sum(), points)
    return value.detach(), gradient


def check_field(field: object, unknown: bool = False) -> None:
    """Raise ConfigError for what is no `ScoreField`, as a score without its noise level; with
    `unknown`, None is allowed: solvers ask what a metric offers before its field is known.
    """
    if field is not None or not unknown:
        check_kind("field", field, ScoreField, "a scoregeo.ScoreField(score, sigma)")


def field_at(
    score: AbstractScore, sigma: float | str | None, timestep: float | None = None
) -> ScoreField:
    """A field at `sigma`, or at the noise level of a diffusion `timestep`. Exactly one of the two
    is given.

    Raises ConfigError otherwise, and for a sigma out of the score's range or the name of a rule,
    which the caller has to follow."""
    if (sigma is None) == (timestep is None):
        raise ConfigError(
            f"score.sigma = {sigma!r} and score.timestep = {timestep!r}: give exactly one of the"
            " two."
        )
    if timestep is not None:
        return ScoreField(score, score.sigma_of_timestep(timestep))
    return ScoreField(score, check_noise_level(sigma))

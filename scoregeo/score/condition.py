"""What a text-to-image score is conditioned on: prompt embeddings as a function of the point.

A metric needs one vector field s(x). So the prompt of a path between two prompts is a function of
where the point is, not of which node of the path it is.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError, ScoreError
from scoregeo._utils.words import count


class AbstractCondition(ABC):
    """Prompt embeddings at points of latent space."""

    @abstractmethod
    def at(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings [batch, tokens, width] at points `x` [batch, *shape], on the
        points' device.
        """


@dataclass(frozen=True, eq=False)
class Fixed(AbstractCondition):
    """One prompt everywhere: `embedding` [tokens, width]."""

    embedding: torch.Tensor

    def __post_init__(self) -> None:
        _check_shape("the prompt's embedding", self.embedding, 2)

    def at(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding.to(x.device).expand(len(x), -1, -1)


@dataclass(frozen=True, eq=False)
class PerPoint(AbstractCondition):
    """The i-th point has the i-th of `embeddings` [batch, tokens, width]: frames decoded each with
    its own prompt.

    Not a vector field: raises ScoreError for a batch of any other size.
    """

    embeddings: torch.Tensor

    def __post_init__(self) -> None:
        _check_shape("the points' embeddings", self.embeddings, 3)

    def at(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) != len(self.embeddings):
            raise ScoreError(
                f"{count(len(x), 'point')} for {count(len(self.embeddings), 'embedding')}:"
                " one embedding a point."
            )
        return self.embeddings.to(x.device)


@dataclass(frozen=True, eq=False)
class AlongChord(AbstractCondition):
    """The prompts of a pair's two ends, interpolated by where a point lies along their chord.

    `first`, `second`: embeddings [tokens, width] of the ends `a`, `b` [*shape], latents at the
    field's noise level. At x it is `(1 - u) first + u second`,
    `u(x) = clamp(<x - a, b - a> / |b - a|^2, 0, 1)`. Derivatives go through u, the clamp included:
    the score's Jacobian is that of the whole field (inside the chord's slab, a rank-one term more;
    beyond it, none), and the field is no longer exactly a gradient. Good at the noise level of `a`
    and `b` only: decoding takes `fixed`.

    Raises DataError where the ends coincide or shapes differ.
    """

    first: torch.Tensor
    second: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor

    def __post_init__(self) -> None:
        _check_shape("the first prompt's embedding", self.first, 2)
        if self.first.shape != self.second.shape:
            raise DataError(
                f"embeddings of the two prompts have shapes {tuple(self.first.shape)},"
                f" {tuple(self.second.shape)}."
            )
        if self.a.shape != self.b.shape:
            raise DataError(
                f"the two ends have shapes {tuple(self.a.shape)} and {tuple(self.b.shape)}."
            )
        if torch.equal(self.a, self.b):
            raise DataError(
                "the two ends coincide: prompts cannot be interpolated along a chord of length 0."
            )

    def parameter(self, x: torch.Tensor) -> torch.Tensor:
        """`u(x)` [batch], from 0 at the first end to 1 at the second."""
        if x.shape[1:] != self.a.shape:
            raise ScoreError(
                f"points have shape {tuple(x.shape[1:])}, the chord's ends {tuple(self.a.shape)}."
            )
        a = self.a.to(x)
        chord = self.b.to(x) - a
        return (((x - a) * chord).flatten(1).sum(1) / chord.square().sum()).clamp(0, 1)

    def at(self, x: torch.Tensor) -> torch.Tensor:
        return self._mixed(self.parameter(x))

    def fixed(self, u: torch.Tensor) -> PerPoint:
        """The condition of points held at parameters `u` [batch], in [0, 1], wherever they go."""
        if u.ndim != 1 or not bool(((u >= 0) & (u <= 1)).all()):
            raise ScoreError(
                "parameters along the chord must be one number from 0 to 1 for each point."
            )
        return PerPoint(self._mixed(u))

    def _mixed(self, u: torch.Tensor) -> torch.Tensor:
        first, second = self.first.to(u.device), self.second.to(u.device)
        u = u[:, None, None]
        return (1 - u) * first + u * second  # exact at both ends


def _check_shape(what: str, value: torch.Tensor, ndim: int) -> None:
    if value.ndim != ndim:
        raise DataError(f"{what} must have {ndim} dimensions, it has shape {tuple(value.shape)}.")

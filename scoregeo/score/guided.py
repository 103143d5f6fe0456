"""The score of a conditional diffusion model with classifier-free guidance, whatever its family."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.score.base import AbstractScore, has_tangent
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.memory import memory_hint


class AbstractGuidedScore(AbstractScore):
    """Score of a network's points under a condition, in variance-exploding coordinates.

    Guidance (Ho & Salimans 2022, eq. 6, with their w = guidance - 1) acts on the network's output,
    `out = out_neg + guidance (out_cond - out_neg)`. In every family the score is affine in the
    output with factors that depend on sigma alone, so this is guidance on the score; it is the
    score of no known density when guidance > 1. One score evaluation is `network_evaluations` of
    the network's.

    A family is a frozen dataclass with the fields declared here and the methods `_network` and
    `_score_of`. `score` raises ScoreError, naming `score.chunk`, where memory runs out.

    Attributes:
        latent_shape: (channels, h, w) of a point.
        condition: the prompt's embedding as a function of the point.
        negative: embedding [rows, width] of the negative prompt; needed where guidance > 1.
        guidance: at least 1.
        chunk: largest batch the network is given, guidance's doubling included. A backward pass
            keeps one chunk's activations at a time and computes them again when it gets there, one
            network evaluation more.
    """

    latent_shape: tuple[int, int, int]
    condition: AbstractCondition
    negative: torch.Tensor | None
    guidance: float
    chunk: int

    @property
    @abstractmethod
    def network(self) -> torch.nn.Module:
        """The network; its first weight gives the dtype that it is fed in."""

    @abstractmethod
    def _network(self, x: torch.Tensor, embedding: torch.Tensor, sigma: float) -> torch.Tensor:
        """The network's output for inputs `x` [batch, *shape], as `_input` makes them, under
        `embedding` [batch, rows, width].
        """

    @abstractmethod
    def _input(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """What the network is given for points `x` [batch, *shape]."""

    @abstractmethod
    def _score_of(self, output: torch.Tensor, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """The score at `x` [batch, *shape] from the network's output there."""

    def check_settings(self) -> None:
        """Raise ConfigError for guidance or a chunk out of range, and a missing negative."""
        check_number("score.guidance", self.guidance, at_least=1)
        check_number("score.chunk", self.chunk, at_least=1, integer=True)
        if self.guided and self.negative is None:
            raise ConfigError(
                f"score.guidance = {self.guidance:g} needs a negative prompt's embedding ('' for"
                " the empty prompt)."
            )

    @property
    def guided(self) -> bool:
        """Whether the network is asked under the negative prompt as well."""
        return self.guidance != 1

    @property
    def shape(self) -> tuple[int, ...]:
        return self.latent_shape

    @property
    def network_evaluations(self) -> int:
        """Network evaluations to one score evaluation: 1 without guidance, 2 with it."""
        return 2 if self.guided else 1

    def given(self, condition: AbstractCondition, guidance: float | None = None) -> Self:
        """The same model under another condition, and with another guidance where one is given;
        the network is shared, not copied.
        """
        changed: dict[str, Any] = {"condition": condition}
        if guidance is not None:
            changed["guidance"] = guidance
        return replace(self, **changed)  # type: ignore[type-var]  # subclasses are dataclasses

    def output(self, x: torch.Tensor, sigma: float, inputs: torch.Tensor) -> torch.Tensor:
        """The guided output of the network for its `inputs`, [batch, *shape] as the points `x` at
        which the condition is taken; of x's dtype.
        """
        parts = max(1, self.chunk // self.network_evaluations)
        every = zip(
            x.split(parts), inputs.split(parts), self.condition.at(x).split(parts), strict=True
        )
        return torch.cat([self._guided(*part, sigma) for part in every])

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        parts = max(1, self.chunk // self.network_evaluations)
        recorded = torch.is_grad_enabled() and x.requires_grad and not has_tangent(x)
        scores = []
        for point, embedding in zip(x.split(parts), self.condition.at(x).split(parts), strict=True):
            if recorded and len(x) > parts:
                score = checkpoint(
                    self._chunk_score,
                    point,
                    embedding,
                    sigma,
                    use_reentrant=False,
                    preserve_rng_state=False,
                )
            else:
                score = self._chunk_score(point, embedding, sigma)
            scores.append(score)
        return torch.cat(scores)

    def _chunk_score(self, x: torch.Tensor, embedding: torch.Tensor, sigma: float) -> torch.Tensor:
        output = self._guided(x, self._input(x, sigma), embedding, sigma)
        return self._score_of(output, x, sigma)

    def _guided(
        self, x: torch.Tensor, inputs: torch.Tensor, embedding: torch.Tensor, sigma: float
    ) -> torch.Tensor:
        weight = next(self.network.parameters())
        inputs, embedding = inputs.to(weight), embedding.to(weight)
        with memory_hint(self.chunk), _attention(x):
            if not self.guided:
                return self._network(inputs, embedding, sigma).to(x)
            assert self.negative is not None
            negative = self.negative.to(weight).expand_as(embedding)
            if self.chunk > 1:
                both = self._network(
                    torch.cat([inputs, inputs]), torch.cat([negative, embedding]), sigma
                )
                without, under = both.to(x).chunk(2)
            else:
                without, under = (
                    self._network(inputs, c, sigma).to(x) for c in (negative, embedding)
                )
            return without + self.guidance * (under - without)


def _attention(x: torch.Tensor) -> AbstractContextManager[None]:
    """Attention without fused kernels where derivatives are taken: those have none of forward mode
    and no second one.
    """
    return (
        _plain_attention()
        if has_tangent(x) or (torch.is_grad_enabled() and x.requires_grad)
        else nullcontext()
    )


@contextmanager
def _plain_attention() -> Iterator[None]:
    with sdpa_kernel(SDPBackend.MATH):
        yield

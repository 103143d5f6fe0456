"""The score of a conditional diffusion model with classifier-free guidance, whatever its family."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.score.base import AbstractScore, has_tangent
from scoregeo.score.batch import GRAPH, TANGENT, check_chunk, halve, in_batches
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.network import fed
from scoregeo.score.tuning import as_written, kept_weights, plain_attention


class AbstractGuidedScore(AbstractScore):
    """Score of a network's points under a condition, in variance-exploding coordinates.

    Guidance (Ho & Salimans 2022, eq. 6, with their w = guidance - 1) acts on the network's output,
    `out = out_neg + guidance (out_cond - out_neg)`. In every family the score is affine in the
    output with factors that depend on sigma alone, so this is guidance on the score; it is the
    score of no known density when guidance > 1. One score evaluation is `network_evaluations` of
    the network's.

    A family is a frozen dataclass with the fields declared here and the methods `_network` and
    `_score_of`. Where memory runs out, the batch is halved; `score` raises ScoreError, naming
    `score.chunk`, where that does not help.

    Attributes:
        latent_shape: (channels, h, w) of a point.
        condition: the prompt's embedding as a function of the point.
        negative: embedding [rows, width] of the negative prompt; needed where guidance > 1.
        guidance: at least 1.
        chunk: largest batch the network is given, guidance's doubling included; None: as many as
            the memory limit holds (`scoregeo.score.batch.in_batches`). A backward pass
            keeps one chunk's activations at a time and computes them again when it gets there, one
            network evaluation more; where memory runs out then, `vjp` starts again with half.
    """

    latent_shape: tuple[int, int, int]
    condition: AbstractCondition
    negative: torch.Tensor | None
    guidance: float
    chunk: int | None

    @property
    @abstractmethod
    def network(self) -> torch.nn.Module:
        """The network; it is fed in the type it computes in (`computing_dtype`)."""

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
        check_chunk(self.chunk)
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
        embedding = self.condition.at(x)

        def work(part: slice, largest: int) -> torch.Tensor:
            return self._guided(x[part], inputs[part], embedding[part], sigma, largest)

        return self._in_batches(x, work)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        recorded = torch.is_grad_enabled() and x.requires_grad and not has_tangent(x)
        embedding = self.condition.at(x)

        def work(part: slice, largest: int) -> torch.Tensor:
            given = (x[part], embedding[part], sigma, largest)
            if not recorded or part.stop - part.start == len(x):
                return self._chunk_score(*given)
            found: torch.Tensor = checkpoint(
                self._chunk_score, *given, use_reentrant=False, preserve_rng_state=False
            )
            return found

        return self._in_batches(x, work)

    def _in_batches(
        self, x: torch.Tensor, work: Callable[[slice, int], torch.Tensor]
    ) -> torch.Tensor:
        tangent, recorded = has_tangent(x), torch.is_grad_enabled() and x.requires_grad
        return in_batches(
            self.network,
            len(x),
            self.chunk,
            work,
            kind=tuple(x.shape[1:]),
            inputs=self.network_evaluations,
            derivative=TANGENT if tangent else GRAPH if recorded else 0,
        )

    def _halve(self, x: torch.Tensor, error: BaseException) -> None:
        halve(
            self.network,
            len(x),
            self.chunk,
            error,
            kind=tuple(x.shape[1:]),
            inputs=self.network_evaluations,
        )

    def _chunk_score(
        self, x: torch.Tensor, embedding: torch.Tensor, sigma: float, largest: int
    ) -> torch.Tensor:
        output = self._guided(x, self._input(x, sigma), embedding, sigma, largest)
        return self._score_of(output, x, sigma)

    def _guided(
        self,
        x: torch.Tensor,
        inputs: torch.Tensor,
        embedding: torch.Tensor,
        sigma: float,
        largest: int,
    ) -> torch.Tensor:
        """The guided output; both halves of guidance in one batch unless `largest` is 1."""
        inputs, embedding = fed(inputs, self.network), fed(embedding, self.network)
        differentiated = has_tangent(x) or (torch.is_grad_enabled() and x.requires_grad)
        with _for_derivatives(self.network, differentiated):
            if not self.guided:
                return self._network(inputs, embedding, sigma).to(x)
            assert self.negative is not None
            negative = fed(self.negative, self.network).expand_as(embedding)
            if largest > 1:
                both = self._network(
                    torch.cat([inputs, inputs]), torch.cat([negative, embedding]), sigma
                )
                without, under = both.to(x).chunk(2)
            else:
                without, under = (
                    self._network(inputs, c, sigma).to(x) for c in (negative, embedding)
                )
            return without + self.guidance * (under - without)


@contextmanager
def _for_derivatives(network: torch.nn.Module, taken: bool) -> Iterator[None]:
    """Where derivatives are taken, attention without fused kernels, which have none of forward
    mode and no second one, the network not compiled, and its weights kept with the graph.
    """
    if not taken:
        yield
        return
    with (
        sdpa_kernel(SDPBackend.MATH),
        plain_attention(network),
        as_written(network),
        kept_weights(),
    ):
        yield

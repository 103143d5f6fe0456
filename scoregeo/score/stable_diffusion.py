"""The score of a Stable Diffusion model: a text-conditioned latent U-Net of diffusers, with
classifier-free guidance.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from scoregeo._utils.errors import ConfigError, check_number
from scoregeo.score.base import AbstractScore, has_tangent
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.memory import memory_hint
from scoregeo.score.network import frozen
from scoregeo.score.prediction import check_prediction, score_of_output
from scoregeo.score.schedule import NoiseSchedule


@dataclass(frozen=True, eq=False)
class StableDiffusionScore(AbstractScore):
    """Score of latents under a prompt, in variance-exploding coordinates.

    The network sees `x_vp = x / sqrt(1 + sigma^2)`, the schedule's (fractional) timestep at sigma
    and the condition at x. Guidance (Ho & Salimans 2022, eq. 6, with their w = guidance - 1):
    `eps = eps_neg + guidance (eps_cond - eps_neg)`, which is the score of no known density when
    guidance > 1. One score evaluation is `network_evaluations` of the network's: 1, or 2 with
    guidance > 1.

    Args:
        unet: called as unet(x_vp, t, encoder_hidden_states=embeddings).sample; any floating-point
            dtype, scores have x's.
        schedule: the model's noise levels.
        prediction: "epsilon", "v_prediction" or "sample".
        latent_shape: (channels, h, w) of a point.
        condition: the prompt, as a function of the point.
        negative: embedding [tokens, width] of the negative prompt; needed where guidance > 1.
        guidance: at least 1.
        chunk: largest batch the network is given, guidance's doubling included. A backward pass
            keeps one chunk's activations at a time and computes them again when it gets there, one
            network evaluation more.

    `score` raises ScoreError, naming `score.chunk`, where memory runs out.
    """

    unet: torch.nn.Module
    schedule: NoiseSchedule
    prediction: str
    latent_shape: tuple[int, int, int]
    condition: AbstractCondition
    negative: torch.Tensor | None = None
    guidance: float = 1.0
    chunk: int = 8
    learned = True

    def __post_init__(self) -> None:
        check_prediction(self.prediction)
        check_number("score.guidance", self.guidance, at_least=1)
        check_number("score.chunk", self.chunk, at_least=1, integer=True)
        if self.guidance > 1 and self.negative is None:
            raise ConfigError(
                f"score.guidance = {self.guidance:g} needs a negative prompt's embedding ('' for"
                " the empty prompt)."
            )
        frozen(self.unet)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.latent_shape

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self.schedule.sigma_range

    @property
    def network_evaluations(self) -> int:
        """Network evaluations to one score evaluation: 1 without guidance, 2 with it."""
        return 1 if self.guidance == 1 else 2

    def sigma_of_timestep(self, timestep: float) -> float:
        check_number(
            "score.timestep", timestep, at_least=0, at_most=self.schedule.num_timesteps - 1
        )
        return float(self.schedule.sigma(torch.tensor(float(timestep))))

    def given(self, condition: AbstractCondition) -> "StableDiffusionScore":
        """The same model under another condition; the network is shared, not copied."""
        return replace(self, condition=condition)

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
        weight = next(self.unet.parameters())
        x_vp, embedding = (x / (1 + sigma**2) ** 0.5).to(weight), embedding.to(weight)
        with memory_hint(self.chunk), _attention(x):
            if self.guidance == 1:
                output = self._network(x_vp, embedding, sigma).to(x)
            else:
                assert self.negative is not None
                negative = self.negative.to(weight).expand_as(embedding)
                if self.chunk > 1:
                    both = self._network(
                        torch.cat([x_vp, x_vp]), torch.cat([negative, embedding]), sigma
                    )
                    without, under = both.to(x).chunk(2)
                else:
                    without, under = (
                        self._network(x_vp, c, sigma).to(x) for c in (negative, embedding)
                    )
                output = without + self.guidance * (under - without)
        return score_of_output(output, x, sigma, self.prediction)

    def _network(self, x_vp: torch.Tensor, embedding: torch.Tensor, sigma: float) -> torch.Tensor:
        # Half precision cannot distinguish neighbouring timesteps; the network embeds them in
        # float32 whatever its weights are.
        timestep = torch.full(
            (len(x_vp),), self.schedule.timestep_at(sigma), dtype=torch.float32, device=x_vp.device
        )
        return self.unet(x_vp, timestep, encoder_hidden_states=embedding).sample


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

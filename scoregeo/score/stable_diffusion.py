"""The score of a Stable Diffusion model: a text-conditioned latent U-Net of diffusers, with
classifier-free guidance.
"""

from dataclasses import dataclass
from typing import Any

import torch

from scoregeo._utils.errors import check_number
from scoregeo.score.condition import AbstractCondition
from scoregeo.score.guided import AbstractGuidedScore
from scoregeo.score.network import frozen
from scoregeo.score.prediction import check_prediction, score_of_output
from scoregeo.score.schedule import NoiseSchedule


@dataclass(frozen=True, eq=False)
class StableDiffusionScore(AbstractGuidedScore):
    """Score of latents under a prompt, in variance-exploding coordinates.

    The network sees `x_vp = x / sqrt(1 + sigma^2)`, the schedule's (fractional) timestep at sigma
    and the condition at x. Guidance: see `AbstractGuidedScore`.

    Args:
        unet: called as unet(x_vp, t, encoder_hidden_states=embeddings).sample; any floating-point
            dtype, scores have x's.
        schedule: the model's noise levels.
        prediction: "epsilon", "v_prediction" or "sample".
        latent_shape, condition, negative, guidance, chunk: see `AbstractGuidedScore`.

    """

    unet: torch.nn.Module
    schedule: NoiseSchedule
    prediction: str
    latent_shape: tuple[int, int, int]
    condition: AbstractCondition
    negative: torch.Tensor | None = None
    guidance: float = 1.0
    chunk: int | None = 8
    learned = True

    def __post_init__(self) -> None:
        check_prediction(self.prediction)
        self.check_settings()
        frozen(self.unet)

    @property
    def network(self) -> torch.nn.Module:
        return self.unet

    @property
    def sigma_range(self) -> tuple[float, float]:
        return self.schedule.sigma_range

    def sigma_of_timestep(self, timestep: float) -> float:
        check_number(
            "score.timestep", timestep, at_least=0, at_most=self.schedule.num_timesteps - 1
        )
        return float(self.schedule.sigma(torch.tensor(float(timestep))))

    def _input(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x / (1 + sigma**2) ** 0.5

    def _score_of(self, output: torch.Tensor, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return score_of_output(output, x, sigma, self.prediction)

    def _network(self, x: torch.Tensor, embedding: torch.Tensor, sigma: float) -> torch.Tensor:
        # Half precision cannot distinguish neighbouring timesteps; the network embeds them in
        # float32 whatever its weights are.
        timestep = torch.full(
            (len(x),), self.schedule.timestep_at(sigma), dtype=torch.float32, device=x.device
        )
        return self._asked(x, timestep, embedding)

    def _asked(
        self, x: torch.Tensor, timestep: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        """The network's output; a family that takes more than text says so here."""
        unet: Any = self.unet
        output: torch.Tensor = unet(x, timestep, encoder_hidden_states=embedding).sample
        return output

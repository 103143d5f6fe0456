"""A network in place of Stable Diffusion's whose score is known: a mixture of two Gaussians, moved
by the prompt.
"""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from scoregeo.score.condition import Fixed
from scoregeo.score.stable_diffusion import StableDiffusionScore
from scoregeo.score.training.denoising import ddpm_schedule

SHAPE = (2, 2, 2)
SIGMA, SPREAD = 0.7, 0.4
MEANS = torch.tensor([[-1.0] * 8, [1.0, 0.5] * 4], dtype=torch.float64)
# Two "prompts" of three tokens: a mixture's means move by the first number.
CAT, DOG = (torch.full((3, 5), value, dtype=torch.float64) for value in (0.6, -0.3))


def log_density(x: torch.Tensor, shift: float) -> torch.Tensor:
    """log p_sigma of the mixture at `x` [batch, *SHAPE], without a constant."""
    away = x.flatten(1)[:, None] - (MEANS + shift)
    return torch.logsumexp(-away.square().sum(2) / (2 * (SPREAD**2 + SIGMA**2)), 1)


class MixtureUNet(nn.Module):
    """Stands for a trained network: exact for a mixture of two Gaussians moved by the prompt, in
    any parametrisation.
    """

    def __init__(self, prediction: str = "epsilon") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.prediction = prediction
        self.batches: list[int] = []
        self.log_sigma = ddpm_schedule().sigma(torch.arange(1000.0, dtype=torch.float64)).log()

    def forward(
        self, x_vp: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor
    ) -> SimpleNamespace:
        self.batches.append(len(x_vp))
        whole = timestep.long().clamp(max=998)
        sigma = torch.lerp(
            self.log_sigma[whole], self.log_sigma[whole + 1], timestep.double() - whole
        ).exp()[:, None]
        root = (1 + sigma**2).sqrt()
        means = MEANS + encoder_hidden_states[:, :1, :1]
        away = (x_vp.flatten(1) * root)[:, None] - means
        variance = SPREAD**2 + sigma[:, :, None] ** 2
        weights = torch.softmax(-away.square().sum(2, keepdim=True) / (2 * variance), 1)
        clean = (weights * (means + SPREAD**2 / variance * away)).sum(1)
        noise = (x_vp.flatten(1) * root - clean) / sigma
        v = (noise - sigma * clean) / root
        output = {"epsilon": noise, "sample": clean, "v_prediction": v}[self.prediction]
        return SimpleNamespace(sample=output.reshape(x_vp.shape))


def mixture(prediction: str = "epsilon", **changes: Any) -> StableDiffusionScore:
    score = StableDiffusionScore(
        MixtureUNet(prediction), ddpm_schedule(), prediction, SHAPE, Fixed(CAT)
    )
    return replace(score, **changes)

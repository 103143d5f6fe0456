"""A latent diffusion model and its text encoder, trained together: Rombach et al. 2022, equation 3,
with v-prediction.

v-prediction: Salimans & Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models",
section 4. Classifier-free guidance: Ho & Salimans 2022, algorithm 1.
"""

from dataclasses import dataclass
from typing import Any

import torch

from scoregeo._utils.errors import check_number
from scoregeo.score.schedule import NoiseSchedule


class TextToLatent(torch.nn.Module):
    """diffusers' `UNet2DConditionModel` and transformers' `CLIPTextModel` as one model with one set
    of weights.
    """

    def __init__(self, unet: torch.nn.Module, text_encoder: torch.nn.Module) -> None:
        super().__init__()
        self.unet: Any = unet
        self.text_encoder: Any = text_encoder

    def forward(
        self, x_vp: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor
    ) -> torch.Tensor:
        """The network's v, like `x_vp` [batch, *latent], at `timestep` [batch] under prompts of
        `tokens` [batch, length].
        """
        embedding = self.text_encoder(tokens).last_hidden_state
        v: torch.Tensor = self.unet(x_vp, timestep, encoder_hidden_states=embedding).sample
        return v


def diffuse(
    clean: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy latents `x_vp = sqrt(abar) x0 + sqrt(1 - abar) z` and
    `v = sqrt(abar) z - sqrt(1 - abar) x0`.

    `abar = 1 / (1 + sigma^2)`; clean, noise [batch, *latent]; sigma [batch, 1, ...].
    """
    root = (1 + sigma**2).sqrt()
    return (clean + sigma * noise) / root, (noise - sigma * clean) / root


def clean_of_v(x_vp: torch.Tensor, v: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The denoised latents `x0 = (x_vp - sigma v) / sqrt(1 + sigma^2)`; shapes as in `diffuse`."""
    return (x_vp - sigma * v) / (1 + sigma**2).sqrt()


@dataclass(frozen=True)
class LatentDiffusionLoss:
    """Mean squared v error at uniform timesteps, spread evenly over a batch
    (`t_i = T frac(u + i / batch)`, one u a step).

    Args:
        latents: [count, *latent], scaled to standard deviation one. mirrored: those of the pictures
            in a mirror, same shape; used for half the draws of a picture where `mirrors` [count] is
            true.
        tokens: [prompts, length], every prompt of every picture, those of one picture next to each
            other, and the empty prompt last. first: [count + 1], where each picture's prompts
                begin; one of them is drawn, all alike.
        weights: chance of each picture to be drawn, [count], need not add up to one.
        schedule: noise levels of the timesteps. batch: pictures a step. drop: share of draws given
            the empty prompt.
        device: of the model.
    """

    latents: torch.Tensor
    mirrored: torch.Tensor
    mirrors: torch.Tensor
    tokens: torch.Tensor
    first: torch.Tensor
    weights: torch.Tensor
    schedule: NoiseSchedule
    batch: int
    drop: float = 0.1
    device: torch.device = torch.device("cpu")

    def __post_init__(self) -> None:
        check_number("training.batch", self.batch, at_least=1, integer=True)
        check_number("training.drop", self.drop, at_least=0, at_most=1)

    def draw(self, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Clean latents [batch, *latent] and tokens [batch, length]."""
        index = torch.multinomial(self.weights, self.batch, replacement=True, generator=rng)
        mirror, which, dropped = torch.rand(3, self.batch, generator=rng)
        mirrored = (self.mirrors[index] & (mirror < 0.5)).view(-1, *[1] * (self.latents.ndim - 1))
        clean = torch.where(mirrored, self.mirrored[index], self.latents[index])
        begin, end = self.first[index], self.first[index + 1]
        prompt = begin + (which * (end - begin)).long()
        return clean, self.tokens[torch.where(dropped < self.drop, len(self.tokens) - 1, prompt)]

    def draw_sigma(self, rng: torch.Generator) -> torch.Tensor:
        """Noise levels, float32 [batch, 1, ...]."""
        spread = (torch.rand(1, generator=rng) + torch.arange(self.batch) / self.batch) % 1
        sigma = self.schedule.sigma((self.schedule.num_timesteps - 1) * spread).float()
        return sigma.view(-1, *[1] * (self.latents.ndim - 1))

    def __call__(self, model: torch.nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
        clean, tokens = self.draw(rng)
        sigma = self.draw_sigma(rng)
        x_vp, v = diffuse(clean, torch.randn(clean.shape, generator=rng), sigma)
        timestep = self.schedule.timestep(sigma.flatten()).float()
        made = model(x_vp.to(self.device), timestep.to(self.device), tokens.to(self.device))
        return (made - v.to(self.device)).square().mean()


@torch.no_grad()
def latent_denoising_error(
    model: TextToLatent,
    clean: torch.Tensor,
    tokens: torch.Tensor,
    noise: torch.Tensor,
    sigma: float,
    schedule: NoiseSchedule,
) -> float:
    """Mean squared error per number of the denoised latents against `clean` [count, *latent] at one
    noise level.

    `noise` like clean; `tokens` [count, length] of the prompts. One network evaluation a latent.
    """
    device, found = next(model.parameters()).device, []
    level = torch.tensor(sigma)
    for part, draw, prompt in zip(clean.split(64), noise.split(64), tokens.split(64), strict=True):
        x_vp, _ = diffuse(part, draw, level)
        timestep = torch.full((len(part),), schedule.timestep_at(sigma))
        v = model(x_vp.to(device), timestep.to(device), prompt.to(device)).cpu()
        found.append((clean_of_v(x_vp, v, level) - part).square().flatten(1).mean(1))
    return float(torch.cat(found).mean())

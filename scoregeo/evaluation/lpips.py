"""LPIPS by the lpips library, where its backbone's weights can be had; never a stand-in."""

import warnings
from dataclasses import dataclass

import torch
from torch import nn

from scoregeo._utils.errors import DataError, check_choice
from scoregeo.evaluation.image import check_images, inner_frame_mean
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.evaluation.weights import WeightsFile

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
class Lpips:
    """The learned perceptual distance v0.1 (Zhang et al. 2018) with backbone `net`."""

    net: str
    module: nn.Module
    batch_size: int = 64

    @property
    def description(self) -> str:
        """Net, version and image size, for the foot of a table."""
        size = f"images below {SMALLEST} pixels resized to {SMALLEST} x {SMALLEST} (bilinear)"
        return (
            f"LPIPS v0.1 {self.net}, backbone SHA-256 {BACKBONES[self.net].digest}, {size}, grey as"
            " three channels"
        )

    def distance(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """LPIPS of images [batch, 1 or 3 channels, height, width] in [-1, 1]: [batch], float64, 0
        for equal images.
        """
        if first.shape != second.shape or first.ndim != 4:
            raise DataError(
                f"Two equal batches of images expected; got {list(first.shape)} and"
                f" {list(second.shape)}."
            )
        first, second = _prepare(first), _prepare(second)
        device = next(self.module.parameters()).device
        with torch.inference_mode():
            batches = zip(first.split(self.batch_size), second.split(self.batch_size), strict=True)
            values = torch.cat(
                [
                    self.module(a.to(device), b.to(device)).double().cpu().flatten()
                    for a, b in batches
                ]
            )
        return values.clone()

    def inner_frames(
        self, frames: torch.Tensor, truth: torch.Tensor, *, with_last: bool = False
    ) -> torch.Tensor:
        """Mean LPIPS to the truth over each path's inner frames, [pairs]; both [pairs, points, C,
        H, W] in [-1, 1].
        """
        return inner_frame_mean(self.distance, frames, truth, with_last=with_last)

    def neighbours(self, frames: torch.Tensor) -> torch.Tensor:
        """LPIPS between neighbouring frames of [pairs, points, C, H, W]: [pairs, points - 1], for
        PPL and PDV.
        """
        first, second = frames[:, :-1], frames[:, 1:]
        return self.distance(first.flatten(0, 1), second.flatten(0, 1)).reshape(first.shape[:2])


def load_lpips(
    net: str = "alex", *, download: bool = True, device: torch.device | str = "cpu"
) -> Lpips | NotAvailable:
    """LPIPS with backbone "alex", "vgg" or "squeeze"; NotAvailable, with the reason, where the
    backbone cannot be had.

    The linear layers ship with the lpips library; the backbone is torchvision's, downloaded once
    into torch's hub cache."""
    check_choice("evaluation.lpips", net, BACKBONES)
    weights = BACKBONES[net].obtain(download=download)
    if isinstance(weights, NotAvailable):
        return weights
    return Lpips(net, build_network(net, random_backbone=False).to(device))


def build_network(net: str, *, random_backbone: bool) -> nn.Module:
    """The lpips library's module, in evaluation mode. A random backbone is for tests only."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision by an older spelling
        module: nn.Module = lpips.LPIPS(net=net, pnet_rand=random_backbone, verbose=False)
    return module.eval().requires_grad_(False)


def _prepare(images: torch.Tensor) -> torch.Tensor:
    images = check_images(images, "images for LPIPS").float().expand(-1, 3, -1, -1)
    if min(images.shape[-2:]) >= SMALLEST:
        return images
    return nn.functional.interpolate(
        images, size=(SMALLEST, SMALLEST), mode="bilinear", align_corners=False
    )

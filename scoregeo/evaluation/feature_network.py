"""Networks whose features FID and KID compare: images in [-1, 1] in, one row of features an image out."""

from dataclasses import dataclass

import torch
from torch import nn

from scoregeo.core.errors import DataError, check_choice
from scoregeo.evaluation.image import check_images
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.evaluation.weights import WeightsFile

DIGITS = (1, 28, 28)  # what the digit classifier takes
NETWORKS = ("digit_classifier", "inception", "efficientnet_lite0")
INCEPTION = WeightsFile(
    "Inception-v3 (torch-fidelity's conversion of the 2015-12-05 TensorFlow weights)",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    91,
)


@dataclass(frozen=True)
class FeatureNetwork:
    """A named network. `module` maps images [batch, channels, height, width] in [-1, 1] to features [batch, d].

    `shape` (channels, height, width): the only images it takes, or None where it resizes what it is given.
    """

    name: str
    description: str
    module: nn.Module
    shape: tuple[int, int, int] | None = None

    def features(self, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
        """Features of images [count, channels, height, width] in [-1, 1]: [count, d], float64, on the CPU, in batches.

        Raises DataError for images that are not finite, of another range or size, and for a network that gives another shape or
        NaN.
        """
        images = check_images(images, f"images for {self.name}").float()
        if self.shape is not None and tuple(images.shape[1:]) != self.shape:
            raise DataError(f"{self.name} takes images of shape {list(self.shape)}; these have {list(images.shape[1:])}.")
        device = next((parameter.device for parameter in self.module.parameters()), images.device)
        with torch.inference_mode():
            features = torch.cat([self.module(batch.to(device)).double().cpu() for batch in images.split(batch_size)])
        if features.ndim != 2 or len(features) != len(images) or not bool(features.isfinite().all()):
            raise DataError(f"Feature network {self.name} gave shape {list(features.shape)} or values that are not finite.")
        return features.clone()  # an inference tensor could take no part in later arithmetic with gradients


def load_feature_network(
    name: str, *, download: bool = True, device: torch.device | str = "cpu"
) -> FeatureNetwork | NotAvailable:
    """The network called `name`, one of `NETWORKS`; NotAvailable, with the reason, where its weights cannot be had.

    `digit_classifier` ships with the project (images [1, 28, 28]). `inception` is torchmetrics' own default, the 2048
    features of the last pooling layer, on images of any size and one or three channels, resized to 299 x 299.
    `efficientnet_lite0` needs the project's extra `efficientnet`, and no download.
    """
    check_choice("evaluation.network", name, NETWORKS)
    if name == "digit_classifier":
        from scoregeo.evaluation.digit_classifier import load_digit_classifier

        module: nn.Module = _Penultimate(load_digit_classifier())
        return FeatureNetwork(name, "digit classifier, last hidden layer", module.to(device).eval(), DIGITS)
    if name == "efficientnet_lite0":
        from scoregeo.evaluation.efficientnet import DIGEST, load_efficientnet

        found = load_efficientnet()
        if isinstance(found, NotAvailable):
            return found
        return FeatureNetwork(name, f"EfficientNet-Lite0, ImageNet, 1,280 pooled features, SHA-256 {DIGEST}", found.to(device))
    weights = INCEPTION.obtain(download=download)
    if isinstance(weights, NotAvailable):
        return weights
    from torchmetrics.image.fid import NoTrainInceptionV3

    inception = NoTrainInceptionV3(
        name="inception-v3-compat", features_list=["2048"], feature_extractor_weights_path=str(weights)
    )
    return FeatureNetwork(name, f"Inception-v3, pool 2048, SHA-256 {INCEPTION.digest}", _Bytes(inception).to(device).eval())


class _Penultimate(nn.Module):
    """A classifier's `features` as a module's forward."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.classifier.features(images)  # type: ignore[operator]
        return features


class _Bytes(nn.Module):
    """Images in [-1, 1] as the bytes 0 to 255 in three channels that Inception-v3 was trained on."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = ((images + 1) * 127.5).round().to(torch.uint8)
        features: torch.Tensor = self.network(pixels.expand(-1, 3, -1, -1))
        return features

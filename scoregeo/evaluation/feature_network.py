"""Networks whose features FID and KID compare: images in [-1, 1] in, one row of features an image
out.
"""

from dataclasses import dataclass

import torch
from torch import nn

from scoregeo._utils.errors import DataError, check_choice
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
    """A named network. `module` maps images [batch, channels, height, width] in [-1, 1] to features
    [batch, d].

    `shape` (channels, height, width): the only images it takes, or None where it resizes what it is
    given. `batch_size`: images at a time. `head`: from features to a classifier's logits, where it
    has one that fits the data."""

    name: str
    description: str
    module: nn.Module
    shape: tuple[int, int, int] | None = None
    head: nn.Module | None = None
    batch_size: int = 256

    def features(self, images: torch.Tensor, batch_size: int | None = None) -> torch.Tensor:
        """Features of images [count, channels, height, width] in [-1, 1]: [count, d], float64, on
        the CPU, in batches.

        Raises DataError for images that are not finite, of another range or size, and for a network
        that gives another shape or NaN.
        """
        images = check_images(images, f"images for {self.name}").float()
        if self.shape is not None and tuple(images.shape[1:]) != self.shape:
            raise DataError(
                f"{self.name} takes images of shape {list(self.shape)}; these have"
                f" {list(images.shape[1:])}."
            )
        device = next((parameter.device for parameter in self.module.parameters()), images.device)
        with torch.inference_mode():
            features = torch.cat(
                [
                    self.module(batch.to(device)).double().cpu()
                    for batch in images.split(batch_size or self.batch_size)
                ]
            )
        if (
            features.ndim != 2
            or len(features) != len(images)
            or not bool(features.isfinite().all())
        ):
            raise DataError(
                f"Feature network {self.name} gave shape {list(features.shape)} or values that are"
                " not finite."
            )
        return (
            features.clone()
        )  # an inference tensor could take no part in later arithmetic with gradients

    @torch.no_grad()
    def confidence(self, features: torch.Tensor) -> torch.Tensor | None:
        """The greatest class probability, `max_c softmax(head(f))_c`, of features [..., d]: [...]
        float64.

        In [1 / classes, 1]; None without a head. How sure the classifier is, not whether it is
        right; a digit between two classes has less.
        """
        if self.head is None:
            return None
        weight = next(self.head.parameters())
        return self.head(features.to(weight)).double().softmax(-1).amax(-1).cpu()


def load_feature_network(
    name: str, *, download: bool = True, device: torch.device | str = "cpu"
) -> FeatureNetwork | NotAvailable:
    """The network called `name`, one of `NETWORKS`; NotAvailable, with the reason, where its
    weights cannot be had.

    `digit_classifier` ships with the project (images [1, 28, 28]). `inception` is torchmetrics' own
    default, the 2048 features of the last pooling layer, on images of any size and one or three
    channels, resized to 299 x 299. `efficientnet_lite0` needs the project's extra `efficientnet`,
    and no download.
    """
    check_choice("evaluation.network", name, NETWORKS)
    if name == "digit_classifier":
        from scoregeo.evaluation.digit_classifier import load_digit_classifier

        classifier = load_digit_classifier().to(device)
        module: nn.Module = _Penultimate(classifier)
        return FeatureNetwork(
            name, "digit classifier, last hidden layer", module.eval(), DIGITS, classifier.head
        )
    if name == "efficientnet_lite0":
        from scoregeo.evaluation.efficientnet import BATCH, DIGEST, load_efficientnet

        found = load_efficientnet()
        if isinstance(found, NotAvailable):
            return found
        description = f"EfficientNet-Lite0, ImageNet, 1,280 pooled features, SHA-256 {DIGEST}"
        return FeatureNetwork(name, description, found.to(device), batch_size=BATCH)
    weights = INCEPTION.obtain(download=download)
    if isinstance(weights, NotAvailable):
        return weights
    from torchmetrics.image.fid import NoTrainInceptionV3

    inception = NoTrainInceptionV3(
        name="inception-v3-compat",
        features_list=["2048"],
        feature_extractor_weights_path=str(weights),
    )
    return FeatureNetwork(
        name,
        f"Inception-v3, pool 2048, SHA-256 {INCEPTION.digest}",
        _Bytes(inception).to(device).eval(),
    )


class _Penultimate(nn.Module):
    """A classifier's `features` as a module's forward."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.classifier.features(images)  # type: ignore[operator]
        return features


class _Bytes(nn.Module):
    """Images in [-1, 1] as the bytes 0 to 255 in three channels that Inception-v3
    was trained on.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = ((images + 1) * 127.5).round().to(torch.uint8)
        features: torch.Tensor = self.network(pixels.expand(-1, 3, -1, -1))
        return features

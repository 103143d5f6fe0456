"""A small classifier of digits at any angle: its features stand in for Inception's in distances
between sets of digits.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_tensors

WEIGHTS = (
    Path(__file__).parent.parent / "assets" / "models" / "digit_classifier" / "model.safetensors"
)
FEATURES = 128


class DigitClassifier(nn.Module):
    """Three strided convolution stages and one hidden layer, trained on MNIST digits rotated over
    the full circle.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 24, 48, 96)
        stages = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            stages += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
            stages += [
                nn.Conv2d(after, after, 3, stride=2, padding=1),
                nn.GroupNorm(8, after),
                nn.SiLU(),
            ]
        self.stages = nn.Sequential(*stages)
        self.hidden = nn.Linear(widths[-1] * 16, FEATURES)
        self.head = nn.Linear(FEATURES, 10)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [batch, 128] before the last layer, of images [batch, 1, 28,
        28] in [-1, 1].
        """
        return F.silu(self.hidden(self.stages(x).flatten(1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 10] of images [batch, 1, 28, 28] in [-1, 1]."""
        logits: torch.Tensor = self.head(self.features(x))
        return logits


def load_digit_classifier(path: Path = WEIGHTS) -> DigitClassifier:
    """The shipped classifier, float32, in eval mode, without gradients.

    Raises DataError, naming the file, where it is missing, damaged or of another shape.
    """
    model = DigitClassifier()
    tensors = load_tensors(path)
    for name, value in tensors.items():
        if not value.is_floating_point():
            raise DataError(f"{path} has {name} of {value.dtype}: floating point is expected.")
    try:
        model.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise DataError(f"{path} does not hold the digit classifier's weights: {error}") from error
    return model.eval().requires_grad_(False)

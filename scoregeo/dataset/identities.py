"""Which digits stand for "ten identities", and their rotations as a finite data set."""

import torch

from scoregeo._utils.errors import DataError, check_number
from scoregeo.dataset.digits import EMBEDDED_COUNT, Digits, load_digits
from scoregeo.dataset.rotation import rotate

# A lone digit must not be a nearly symmetric one, so 1, 8 and 0 come last.
CLASS_ORDER = (2, 3, 5, 4, 7, 6, 9, 1, 8, 0)


def identities(digits: Digits, count: int, split: str = "train") -> torch.Tensor:
    """Indices [count] of the first `count` identities of `digits`, those of `split`.

    Identity k is the (k // 10)-th digit of class CLASS_ORDER[k % 10], searched among the digits
    that every source shares: the first 10,000 for training, 3,000 of the test. Raises DataError
    where a class has too few.
    """
    check_number("dataset.identities", count, at_least=1, integer=True)
    labels = digits.labels[: EMBEDDED_COUNT[split]]
    members = [(labels == label).nonzero().flatten() for label in CLASS_ORDER]
    for k in range(count):
        if k // 10 >= len(members[k % 10]):
            raise DataError(
                f"dataset.identities = {count} is too many: only {len(members[k % 10])} digits of"
                f" class {CLASS_ORDER[k % 10]} among the first {len(labels)} of {digits.source}."
            )
    return torch.stack([members[k % 10][k // 10] for k in range(count)])


def pixels(images: torch.Tensor) -> torch.Tensor:
    """Bytes [count, 28, 28], 0 to 255, as float32 [count, 1, 28, 28] in [-1, 1]."""
    return images[:, None].float() / 127.5 - 1


def shared_pixels(split: str, source: str, root: str | None) -> torch.Tensor:
    """The digits of `split` that every source shares, [count, 1, 28, 28]; arguments as
    `load_digits`. Raises DataError where the source has fewer.
    """
    digits = load_digits(split, source, root)
    shared = EMBEDDED_COUNT[split]
    if len(digits.images) < shared:
        raise DataError(
            f"{digits.source}: {len(digits.images)} {split} digits, at least {shared} are needed."
        )
    return pixels(digits.images[:shared])


def rotation_sample(images: torch.Tensor, count: int = 720) -> torch.Tensor:
    """Every image at `count` angles, k * 360 / count degrees: the finite data set of a few
    identities.

    Args:
        images: [ids, 1, 28, 28] in [-1, 1].

    Returns: [ids * count, 1, 28, 28], the rotations of one identity next to each other, by rising
    angle.
    """
    check_number("dataset.rotations", count, at_least=1, integer=True)
    degrees = torch.arange(count, dtype=torch.float64) * (360 / count)
    return rotate(images.repeat_interleave(count, dim=0), degrees.repeat(len(images)))

"""Rotations of MNIST digits in a file, and points at which their score is asked for."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import torch

from scoregeo._utils.errors import bad_value
from scoregeo._utils.seed import generator
from scoregeo.dataset.digits import load_digits
from scoregeo.dataset.identities import pixels
from scoregeo.dataset.rotation import rotate

ANGLES = 36
AT_ONCE = 512  # digits turned together


@cache
def _images(digits: int, root: Path | None) -> torch.Tensor:
    """The first training digits, [digits, 1, 28, 28], of the idx files in `root`. Raises
    ConfigError where there are fewer, as without network or files, where 10,000 ship with the
    project.
    """
    images = load_digits("train", root=root).images
    if len(images) < digits:
        raise bad_value("--digits", digits, f"at most {len(images)}, the digits at hand")
    return pixels(images[:digits])


def write_references(path: Path, digits: int, root: Path | None = None) -> np.ndarray:
    """`digits` training digits at 36 angles each, [36 digits, 784] float16, pixels in [-1, 1], in a
    `.npy` file, memory-mapped; one that is there is taken. The turns of a digit lie beside each
    other.
    """
    shape = (digits * ANGLES, 784)
    if path.is_file():
        found = np.load(path, mmap_mode="r")
        if found.shape == shape and found.dtype == np.float16:
            return np.asarray(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    images = _images(digits, root)
    made = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    degrees = torch.arange(ANGLES).double() * (360 / ANGLES)
    for start in range(0, digits, AT_ONCE):
        part = images[start : start + AT_ONCE]
        turned = rotate(part.repeat_interleave(ANGLES, 0), degrees.repeat(len(part)))
        made[start * ANGLES : (start + len(part)) * ANGLES] = turned.flatten(1).half().numpy()
    made.flush()
    return np.asarray(np.load(path, mmap_mode="r"))


def query_points(
    digits: int, place: str, sigma: float, count: int, root: Path | None = None
) -> torch.Tensor:
    """Points [count, 784] float64: "clean", training digits half-way between two of their angles,
    where a geodesic at clean points passes; "noisy", these with noise of `sigma`.
    """
    rng = generator(0, f"large data {place}")
    index = torch.randint(digits, (count,), generator=rng)
    steps = torch.randint(ANGLES, (count,), generator=rng).double() + 0.5
    clean = rotate(_images(digits, root)[index], steps * (360 / ANGLES))
    points = clean.flatten(1).double()
    if place == "clean":
        return points
    return points + sigma * torch.randn(points.shape, generator=rng, dtype=torch.float64)


def full_score(data: np.ndarray, x: torch.Tensor, sigma: float, rows: int = 20_000) -> torch.Tensor:
    """The score of all `data` [count, D] at `x` [points, D], float64: the sum of every weight, a
    piece of the data at a time.
    """
    peak = torch.full((len(x), 1), -math.inf, dtype=torch.float64)
    total = torch.zeros(len(x), 1, dtype=torch.float64)
    mean = torch.zeros_like(x)
    for start in range(0, len(data), rows):
        piece = torch.from_numpy(data[start : start + rows].astype(np.float64))
        logits = (x @ piece.T - piece.square().sum(1) / 2) / sigma**2
        higher = torch.maximum(peak, logits.amax(1, keepdim=True))
        weight, shrink = (logits - higher).exp(), (peak - higher).exp()
        total = total * shrink + weight.sum(1, keepdim=True)
        mean = mean * shrink + weight @ piece
        peak = higher
    return (mean / total - x) / sigma**2

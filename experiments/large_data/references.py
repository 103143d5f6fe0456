"""Rotations of MNIST digits in a file, and points at which their score is asked for."""

import math
from dataclasses import dataclass
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
SIDE = 28  # pixels of MNIST's digits
_PIECE = 2**27  # bytes of the data in float64


@dataclass(frozen=True)
class Source:
    """Where digits come from and how large they are: `root`, a folder of MNIST's idx files or None;
    pixels a `side`, to which they are enlarged.
    """

    root: Path | None = None
    side: int = SIDE

    @property
    def size(self) -> int:
        """Numbers in a point."""
        return self.side**2

    @property
    def scale(self) -> float:
        """How much farther points lie apart than at 28 x 28, about."""
        return self.side / SIDE


@cache
def _images(digits: int, source: Source) -> torch.Tensor:
    """The first training digits, [digits, 1, side, side]. Raises ConfigError where there are fewer,
    as without network or files, where 10,000 ship with the project.
    """
    images = load_digits("train", root=source.root).images
    if len(images) < digits:
        raise bad_value("--digits", digits, f"at most {len(images)}, the digits at hand")
    found = pixels(images[:digits])
    if source.side == SIDE:
        return found
    return torch.nn.functional.interpolate(found, size=(source.side,) * 2, mode="bilinear")


def write_references(path: Path, digits: int, source: Source) -> np.ndarray:
    """`digits` training digits at 36 angles each, [36 digits, side^2] float16, pixels in [-1, 1],
    in a `.npy` file, memory-mapped; one that is there is taken. The turns of a digit lie beside
    each other.
    """
    shape = (digits * ANGLES, source.size)
    if path.is_file():
        found = np.load(path, mmap_mode="r")
        if found.shape == shape and found.dtype == np.float16:
            return np.asarray(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    images = _images(digits, source)
    made = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    degrees = torch.arange(ANGLES).double() * (360 / ANGLES)
    step = max(1, round(AT_ONCE / source.scale**2))
    for start in range(0, digits, step):
        part = images[start : start + step]
        turned = rotate(part.repeat_interleave(ANGLES, 0), degrees.repeat(len(part)))
        made[start * ANGLES : (start + len(part)) * ANGLES] = turned.flatten(1).half().numpy()
    made.flush()
    return np.asarray(np.load(path, mmap_mode="r"))


def query_points(digits: int, place: str, sigma: float, count: int, source: Source) -> torch.Tensor:
    """Points [count, side^2] float64: "clean", digits half-way between two of their angles, where a
    geodesic at clean points passes; "noisy", these with noise of `sigma`.
    """
    rng = generator(0, f"large data {place}")
    index = torch.randint(digits, (count,), generator=rng)
    steps = torch.randint(ANGLES, (count,), generator=rng).double() + 0.5
    clean = rotate(_images(digits, source)[index], steps * (360 / ANGLES))
    points = clean.flatten(1).double()
    if place == "clean":
        return points
    return points + sigma * torch.randn(points.shape, generator=rng, dtype=torch.float64)


def full_score(data: np.ndarray, x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The score of all `data` [count, D] at `x` [points, D], float64: the sum of every weight, a
    piece of the data at a time.
    """
    rows = max(1, _PIECE // (8 * data.shape[1]))
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

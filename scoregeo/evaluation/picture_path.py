"""What can be said of a path of pictures without knowing the true one: how even it is, and how it
keeps its ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.image import psnr
from scoregeo.evaluation.statistics import NotAvailable, deviation


class PerceptualDistance(Protocol):
    """LPIPS, or a distance of its form."""

    def distance(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Of two equal batches of images [batch, C, H, W] in [-1, 1]: [batch] float64."""

    def neighbours(self, frames: torch.Tensor) -> torch.Tensor:
        """Between neighbouring frames of [pairs, points, C, H, W]: [pairs, points - 1] float64."""


@dataclass(frozen=True)
class Evenness:
    """Of the distances between neighbouring frames; each [pairs], float64.

    `total`: their sum, PPL as DiffMorpher (Zhang et al. 2024) has it. `spread`: their standard
    deviation (dividing by their number), PDV. `greatest`: the largest jump. Sum and greatest depend
    on the number of frames, which a table must state."""

    total: torch.Tensor
    spread: torch.Tensor
    greatest: torch.Tensor


def evenness(steps: torch.Tensor) -> Evenness:
    """Sum, standard deviation and greatest of distances between neighbouring frames, `steps`
    [pairs, points - 1].
    """
    if steps.ndim != 2 or steps.shape[1] == 0:
        raise DataError(
            "Distances between neighbours are [pairs, points - 1], points at least 2; these are"
            f" {list(steps.shape)}."
        )
    return Evenness(steps.sum(1), deviation(steps), steps.amax(1))


def distance_to_ends(
    measure: PerceptualDistance, frames: torch.Tensor, ends: torch.Tensor
) -> torch.Tensor:
    """Mean over the inner frames of the distance to the nearer of the two given pictures, [pairs],
    float64.

    `frames` [pairs, points, C, H, W], `ends` [pairs, 2, C, H, W]. Raises DataError below three
    points.
    """
    pairs, points = frames.shape[:2]
    if points < 3:
        raise DataError(f"a path of {points} frames has no inner ones.")
    inner = frames[:, 1:-1]
    found = []
    for side in (0, 1):
        end = ends[:, side : side + 1].expand_as(inner)
        found.append(
            measure.distance(inner.flatten(0, 1), end.flatten(0, 1)).reshape(pairs, points - 2)
        )
    return torch.minimum(*found).mean(1)


def end_psnr(frames: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """PSNR in dB of a path's first and last frames against the given pictures, their mean, [pairs],
    float64.
    """
    both = frames[:, [0, -1]].flatten(0, 1)
    return psnr(both, ends.to(both).flatten(0, 1)).reshape(len(frames), 2).mean(1)


def end_distance(
    measure: PerceptualDistance, frames: torch.Tensor, ends: torch.Tensor
) -> torch.Tensor:
    """Perceptual distance of a path's first and last frames to the given pictures, their mean,
    [pairs], float64.
    """
    both = frames[:, [0, -1]].flatten(0, 1)
    return measure.distance(both, ends.to(both).flatten(0, 1)).reshape(len(frames), 2).mean(1)


def picture_measures(
    frames: torch.Tensor,
    ends: torch.Tensor,
    distances: Mapping[str, PerceptualDistance | NotAvailable],
) -> dict[str, torch.Tensor | NotAvailable]:
    """`psnr_ends`, and for each distance NAME: `NAME_sum`, `_spread`, `_greatest`, `_nearer_end`,
    `_ends`; one value a pair.

    `frames` [pairs, points, C, H, W] in [-1, 1], `ends` [pairs, 2, C, H, W].
    """
    found: dict[str, torch.Tensor | NotAvailable] = {"psnr_ends": end_psnr(frames, ends)}
    for name, measure in distances.items():
        keys = [f"{name}_{what}" for what in ("sum", "spread", "greatest", "nearer_end", "ends")]
        if isinstance(measure, NotAvailable):
            found |= dict.fromkeys(keys, measure)
            continue
        even = evenness(measure.neighbours(frames))
        apart, off = distance_to_ends(measure, frames, ends), end_distance(measure, frames, ends)
        found |= dict(zip(keys, (even.total, even.spread, even.greatest, apart, off), strict=True))
    return found

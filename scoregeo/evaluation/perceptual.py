"""Perceptual distances of images: by features of a network, each image's computed once a path."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError

Features = list[torch.Tensor]  # one level of a network each, [images, ...]


class PerceptualDistance(ABC):
    """LPIPS, or a distance of its form: features of each image, and a distance of features.

    `batch_size`: images whose features are computed at a time.
    """

    batch_size: int

    @property
    @abstractmethod
    def description(self) -> str:
        """For the foot of a table."""

    @abstractmethod
    def features(self, images: torch.Tensor) -> Features:
        """Of images [batch, 1 or 3, height, width] in [-1, 1], batch at most `batch_size`; on the
        CPU.
        """

    @abstractmethod
    def compare(self, first: Features, second: Features) -> torch.Tensor:
        """Distances of equally many images: [images] float64, 0 for equal ones."""

    def distance(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Of two equal batches of images [batch, 1 or 3, height, width] in [-1, 1]: [batch]
        float64.
        """
        if first.shape != second.shape or first.ndim != 4:
            raise DataError(
                f"Two equal batches of images expected; got {list(first.shape)} and"
                f" {list(second.shape)}."
            )
        batches = zip(first.split(self.batch_size), second.split(self.batch_size), strict=True)
        return torch.cat([self.compare(self.features(a), self.features(b)) for a, b in batches])

    def neighbours(self, frames: torch.Tensor) -> torch.Tensor:
        """Between neighbouring frames of [pairs, points, C, H, W]: [pairs, points - 1] float64."""
        found = torch.empty(len(frames), frames.shape[1] - 1, dtype=torch.float64)
        for pair, path in enumerate(frames):
            found[pair] = along_path(self, path).steps
        return found


@dataclass(frozen=True)
class Along:
    """Distances of the frames of one path, float64: `steps` [points - 1] between neighbours,
    `to_ends` [points, ends] to given pictures, `to_truth` [points] or None.
    """

    steps: torch.Tensor
    to_ends: torch.Tensor
    to_truth: torch.Tensor | None


@torch.no_grad()
def along_path(
    measure: PerceptualDistance,
    frames: torch.Tensor,
    ends: torch.Tensor | None = None,
    truth: torch.Tensor | None = None,
) -> Along:
    """All distances of one path's `frames` [points, C, H, W], the features of each image computed
    once.

    `ends` [ends, C, H, W]: given pictures; `truth`: the true frames, the shape of `frames`. No more
    than `batch_size` frames' features are held, and those of the ends.
    """
    fixed = [] if ends is None else [measure.features(end[None]) for end in ends]
    true = [None] * len(frames) if truth is None else truth.split(measure.batch_size)
    steps, to_ends, to_truth = [], [], []
    before: Features | None = None
    for part, true_part in zip(frames.split(measure.batch_size), true, strict=False):
        now = measure.features(part)
        row = now if before is None else _joined(before, now)
        steps.append(measure.compare(_rows(row, slice(0, -1)), _rows(row, slice(1, None))))
        to_ends.append([measure.compare(now, _repeated(end, len(part))) for end in fixed])
        if true_part is not None:
            to_truth.append(measure.compare(now, measure.features(true_part)))
        before = _rows(now, slice(-1, None))
    return Along(
        torch.cat(steps),
        torch.cat([_columns(found, frames[:0]) for found in to_ends]),
        torch.cat(to_truth) if to_truth else None,
    )


def _rows(features: Features, rows: slice) -> Features:
    return [level[rows] for level in features]


def _joined(first: Features, second: Features) -> Features:
    return [torch.cat(levels) for levels in zip(first, second, strict=True)]


def _repeated(features: Features, count: int) -> Features:
    return [level.expand(count, *level.shape[1:]) for level in features]


def _columns(found: Sequence[torch.Tensor], empty: torch.Tensor) -> torch.Tensor:
    return torch.stack(list(found), 1) if found else empty.new_zeros(0, 0, dtype=torch.float64)

"""What paths pass: the landmarks nearest to their points, against those between the ends."""

from dataclasses import dataclass

import torch

from scoregeo.dataset.landmarks import Landmarks


@dataclass(frozen=True)
class Passage:
    """Of each path, [pairs], float64.

    Attributes:
        met: share of the landmarks strictly between the ends that are nearest to some point of it.
        outside: share of its inner points whose nearest landmark does not lie between the ends,
            these counted.
        order: Kendall's tau between the landmarks in the order they are passed, repetitions in a
            row counted once, and their true order; 1 in order, -1 in reverse. NaN where fewer than
            three are passed: two ends alone have an order on any path.
    """

    met: torch.Tensor
    outside: torch.Tensor
    order: torch.Tensor


def passage(frames: torch.Tensor, ends: torch.Tensor, landmarks: Landmarks) -> Passage:
    """Measures of paths `frames` [pairs, points, *shape] between `ends` [pairs, 2, *shape], which
    are landmarks.
    """
    from scipy.stats import kendalltau

    first, last = landmarks.nearest(ends).T
    ranks = landmarks.ranks(landmarks.nearest(frames), first, last)
    steps = landmarks.steps(first, last).abs()
    met, outside, order = [], [], []
    for row, count in zip(ranks, steps.tolist(), strict=True):
        between = (row >= 0) & (row <= count)
        inner = row[(row > 0) & (row < count)]
        met.append(len(inner.unique()) / max(count - 1, 1))
        outside.append(1 - float(between[1:-1].double().mean()))
        passed = torch.unique_consecutive(row).tolist()
        short = len(passed) < 3
        order.append(torch.nan if short else kendalltau(range(len(passed)), passed).statistic)
    return Passage(*(torch.tensor(one, dtype=torch.float64) for one in (met, outside, order)))


def passed(path: torch.Tensor, landmarks: Landmarks) -> list[str]:
    """Names of the landmarks nearest to the points of `path` [points, *shape], repetitions in a row
    named once.
    """
    return [landmarks.names[i] for i in torch.unique_consecutive(landmarks.nearest(path)).tolist()]

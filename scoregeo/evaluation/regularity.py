"""The shape of a path by itself: how straight it is, how constant its speed, and how well it keeps
its given ends. Euclidean.
"""

import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.statistics import deviation
from scoregeo.path.resampling import segment_lengths


def straightness(path: torch.Tensor) -> torch.Tensor:
    """`|x_n - x_0| / sum_i |x_{i+1} - x_i|` of paths [pairs, points, *shape]: [pairs] float64, in
    [0, 1], 1 for a straight line.

    Of the polygon through the points, so a little above the smooth curve's. NaN for a path of no
    length.
    """
    lengths = segment_lengths(path).sum(1)
    chord = (path[:, -1].double() - path[:, 0].double()).flatten(1).norm(dim=1)
    # Rounding may leave the chord of a straight line just above the sum of its parts.
    return torch.where(lengths > 0, (chord / lengths).clamp_max(1.0), torch.nan)


def speed_variation(path: torch.Tensor) -> torch.Tensor:
    """Coefficient of variation of the segments' lengths, standard deviation (dividing by their
    number) over mean.

    Paths [pairs, points, *shape] to [pairs] float64: 0 at constant speed, at most
    `sqrt(segments - 1)`, where all of the length lies in one segment. NaN for a path of no length.
    """
    lengths = segment_lengths(path)
    mean = lengths.mean(1)
    return torch.where(mean > 0, deviation(lengths) / mean, torch.nan)


def end_error(path: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """The greater of the distances of a path's two ends to the given ones, [pairs] float64, in data
    units (norm of all pixels).

    `path` [pairs, points, *shape], `ends` [pairs, 2, *shape]. Raises DataError for other shapes.
    """
    if ends.shape != (path.shape[0], 2, *path.shape[2:]):
        raise DataError(
            f"Paths {list(path.shape)} have ends of shape {[path.shape[0], 2, *path.shape[2:]]},"
            f" not {list(ends.shape)}."
        )
    gap = path[:, [0, -1]].double() - ends.to(path).double()
    return gap.flatten(2).norm(dim=2).amax(1)

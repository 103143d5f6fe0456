"""How far a path is from the true geodesic and from the manifold, where these are known; lengths
are Euclidean.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError
from scoregeo.path.resampling import arc_length, arc_parameter, resample, segment_lengths


@dataclass(frozen=True)
class Distance:
    """The greatest and the mean distance along each path, [pairs], float64, in data units."""

    greatest: torch.Tensor
    mean: torch.Tensor


def relative_length_error(path: torch.Tensor, true_length: torch.Tensor) -> torch.Tensor:
    """Signed error of the length, `L / L_true - 1`, [pairs], float64: below 0 for a path that cuts
    through the inside.

    `path` [pairs, points, *shape], `true_length` [pairs], in data units.
    """
    if true_length.shape != path.shape[:1]:
        raise DataError(
            f"{path.shape[0]} paths need as many true lengths; got shape {list(true_length.shape)}."
        )
    true_length = true_length.double()
    if not bool((true_length > 0).all()):
        raise DataError("A relative length error needs true lengths above 0.")
    return arc_length(path) / true_length - 1


def distance_to_path(path: torch.Tensor, truth: torch.Tensor) -> Distance:
    """Euclidean distance between `path` and `truth`, [pairs, points, *shape], at equal fractions of
    their arc lengths.

    Both polygons are resampled to the finer one's number of points, so their own spacing does not
    matter; give `truth` finely, for a polygon of n chords is itself `length^2 / (8 n^2 radius)`
    away from a curve.
    """
    if path.shape[0] != truth.shape[0] or path.shape[2:] != truth.shape[2:]:
        raise DataError(
            f"Path {list(path.shape)} and truth {list(truth.shape)} differ in more than their"
            " number of points."
        )
    count = max(path.shape[1], truth.shape[1])
    gap = resample(path.double(), count) - resample(truth.double(), count)
    distance = gap.flatten(2).norm(dim=-1)
    # Points of equal spacing: the trapezoid rule over the arc length.
    mean = (distance[:, 1:] + distance[:, :-1]).mean(1) / 2
    return Distance(distance.amax(1), mean)


@dataclass(frozen=True)
class Arrival:
    """Where paths end relative to the true path: `share` of it, within [0, 1], and distance
    `off` it; [pairs].
    """

    share: torch.Tensor
    off: torch.Tensor


def arrival(path: torch.Tensor, truth: torch.Tensor) -> Arrival:
    """The point of `truth` nearest to the last point of `path`, both [pairs, points, *shape],
    Euclidean, among its given points.

    It distinguishes a path that falls behind on the true path from one that leaves it; the distance
    at equal fractions does not."""
    if path.shape[0] != truth.shape[0] or path.shape[2:] != truth.shape[2:]:
        raise DataError(
            f"Path {list(path.shape)} and truth {list(truth.shape)} differ in more than their"
            " number of points."
        )
    away = (truth.double() - path[:, -1:].double()).flatten(2).norm(dim=-1)
    off, index = away.min(1)
    return Arrival(arc_parameter(truth).gather(1, index[:, None])[:, 0], off)


def distance_to_manifold(
    path: torch.Tensor, distance: Callable[[torch.Tensor], torch.Tensor]
) -> Distance:
    """Distance of the path's points to the manifold: the greatest, and the mean over arc length
    (trapezoid rule).

    `path` [pairs, points, *shape]; `distance` maps points [batch, *shape] to [batch], in data units
    (a dataset's `distance`). Only the points count, not the chords between them.
    """
    pairs, points = path.shape[:2]
    values = distance(path.flatten(0, 1))
    if values.shape != (pairs * points,):
        raise DataError(
            f"The distance function gave shape {list(values.shape)} for {pairs * points} points."
        )
    values = values.double().reshape(pairs, points)
    lengths = segment_lengths(path)
    # A path of no length: all its points are one, and weigh alike.
    lengths = torch.where(lengths.sum(1, keepdim=True) > 0, lengths, torch.ones_like(lengths))
    mean = ((values[:, 1:] + values[:, :-1]) / 2 * lengths).sum(1) / lengths.sum(1)
    return Distance(values.amax(1), mean)

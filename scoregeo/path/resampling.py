"""Arc length of discrete paths, and points at equal arc length along them. Pure functions; every
length is Euclidean.
"""

import torch

from scoregeo._utils.errors import DataError, check_number
from scoregeo._utils.tensors import check_floating


def segment_lengths(path: torch.Tensor) -> torch.Tensor:
    """`|x_{i+1} - x_i|` for a path [pairs, points, *shape]: [pairs, points - 1], float64, in data
    units.

    Raises DataError where the tensor is not a path of at least two points of floating point.
    """
    check_floating("path", path)
    if path.ndim < 3 or path.shape[1] < 2:
        raise DataError(
            f"A path has shape [pairs, points >= 2, *shape]; this one has {list(path.shape)}."
        )
    lengths: torch.Tensor = path.double().diff(dim=1).flatten(2).norm(dim=-1)
    return lengths


def arc_length(path: torch.Tensor) -> torch.Tensor:
    """Length of the polygon through the points: `sum_i |x_{i+1} - x_i|`, [pairs], float64, in data
    units.
    """
    return segment_lengths(path).sum(1)


def arc_parameter(path: torch.Tensor) -> torch.Tensor:
    """Fraction of the arc length at each point, [pairs, points], float64, from exactly 0 to exactly
    1.

    A path of no length has no arc parameter; the uniform one is given, so that it resamples to
    itself.
    """
    return _share(segment_lengths(path))


def resample(path: torch.Tensor, num_points: int) -> torch.Tensor:
    """The polygon through `path` [pairs, points, *shape] at `num_points` points of equal arc length
    along it.

    Piecewise-linear: the new points lie on the old segments, the ends are kept exactly. Same dtype
    and device.
    Where the polygon turns a corner, the new polygon cuts it, and is a little shorter.
    """
    check_number("num_points", num_points, at_least=2, integer=True)
    return _at_equal_steps(path, arc_parameter(path), num_points)


def resample_by(path: torch.Tensor, lengths: torch.Tensor, num_points: int) -> torch.Tensor:
    """`resample` with segments as long as `lengths` [pairs, points - 1] say, at least 0: by a
    perceptual distance, for instance.

    Where such a distance adds up along a segment, the new points are at equal distances. Raises
    DataError for lengths of another shape, below 0 or not finite.
    """
    check_number("num_points", num_points, at_least=2, integer=True)
    wanted = list(segment_lengths(path).shape)
    if list(lengths.shape) != wanted or not bool((lengths.isfinite() & (lengths >= 0)).all()):
        raise DataError(
            f"segment lengths are finite, at least 0, of shape {wanted}; these have"
            f" {list(lengths.shape)}."
        )
    return _at_equal_steps(path, _share(lengths.double().to(path.device)), num_points)


def _share(lengths: torch.Tensor) -> torch.Tensor:
    """Fraction of the way at each point, [pairs, points], of segments `lengths` [pairs, points - 1]
    long.
    """
    start = lengths.new_zeros(len(lengths), 1)
    travelled = torch.cat([start, lengths.cumsum(1)], 1)
    total = travelled[:, -1:]
    uniform = torch.linspace(
        0, 1, travelled.shape[1], dtype=torch.float64, device=lengths.device
    ).expand_as(travelled)
    return torch.where(
        total > 0, travelled / total.where(total > 0, torch.ones_like(total)), uniform
    )


def _at_equal_steps(path: torch.Tensor, parameter: torch.Tensor, num_points: int) -> torch.Tensor:
    """Points of the polygon at equal steps of `parameter` [pairs, points], which
    rises from 0 to 1.
    """
    pairs, points = parameter.shape
    target = torch.linspace(0, 1, num_points, dtype=torch.float64, device=path.device).repeat(
        pairs, 1
    )
    right = torch.searchsorted(parameter, target, right=True).clamp(1, points - 1)
    low, high = parameter.gather(1, right - 1), parameter.gather(1, right)
    # A segment of no length leaves 0 / 0: either of its ends will do.
    fraction = ((target - low) / (high - low).clamp_min(torch.finfo(torch.float64).tiny)).clamp(
        0, 1
    )

    flat = path.flatten(2)
    rows = torch.arange(pairs, device=path.device)[:, None]
    before, after = flat[rows, right - 1], flat[rows, right]
    result = torch.lerp(before.double(), after.double(), fraction[..., None]).to(path.dtype)
    result[:, 0], result[:, -1] = flat[:, 0], flat[:, -1]
    return result.reshape(pairs, num_points, *path.shape[2:])

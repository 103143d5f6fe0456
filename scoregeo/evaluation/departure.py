"""How far a path departs from the straight line between its ends, and in which direction: the
score's, or the truth's.
"""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError


@dataclass(frozen=True)
class Departure:
    """Each [pairs], float64, without unit; shares are in [0, 1] and NaN for a path that does not
    depart.

    `greatest`: `max_i |d_i| / |b - a|`, with d_i the part of `x_i - a` across the chord `b - a`.
    `along_score`: `sum_i (d_i . n_i)^2 / sum_i |d_i|^2`, with n_i the unit vector of the score's
    part across the chord at the foot of x_i. `along_truth`: the same with the unit vector of the
    true path's own departure at the same fraction; None without a truth.

    A direction without relation to d has a share of 1 / (dimensions - 1) on the mean.
    """

    greatest: torch.Tensor
    along_score: torch.Tensor
    along_truth: torch.Tensor | None


def chord_feet(path: torch.Tensor) -> torch.Tensor:
    """The nearest points of the straight line through both ends to the inner points of paths
    [pairs, points, *shape].

    [pairs, points - 2, *shape], float64. Raises DataError for fewer than three points, or ends that
    are equal.
    """
    inner, start, chord = _parts(path)
    share = ((inner - start) * chord).sum(-1, keepdim=True) / (chord * chord).sum(-1, keepdim=True)
    return (start + share * chord).reshape(path.shape[0], -1, *path.shape[2:])


def departure(
    path: torch.Tensor, scores: torch.Tensor, truth: torch.Tensor | None = None
) -> Departure:
    """The departure of paths [pairs, points, *shape]; costs nothing beyond `scores`, one evaluation
    an inner point.

    Args:
        scores: the score at `chord_feet(path)`, same shape as these.
        truth: the true paths, as many points; its scale does not matter, nor a constant added, so
            that clean truths serve for paths that share one draw of noise.

    Raises: DataError for other shapes, fewer than three points, or ends that are equal.
    """
    inner, start, chord = _parts(path)
    if scores.shape != (path.shape[0], path.shape[1] - 2, *path.shape[2:]):
        raise DataError(
            f"Paths {list(path.shape)} have scores at their inner points, not {list(scores.shape)}."
        )
    across = _across(inner - start, chord)
    size = (across * across).sum((1, 2))
    greatest = across.norm(dim=-1).amax(1) / chord.norm(dim=-1)[:, 0]
    none = greatest <= 1e-6  # rounding, of float32 points, on a straight line

    def share(directions: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize(_across(directions, chord), dim=-1)
        found = ((across * unit).sum(-1) ** 2).sum(1) / size
        return torch.where(none, torch.nan, found)

    along_truth = None
    if truth is not None:
        if truth.shape != path.shape:
            raise DataError(
                f"Paths {list(path.shape)} have truths of the same shape, not {list(truth.shape)}."
            )
        true_inner, true_start, true_chord = _parts(truth)
        along_truth = share(_across(true_inner - true_start, true_chord))
    return Departure(greatest, share(scores.double().flatten(2)), along_truth)


def _parts(path: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inner points [pairs, points - 2, d], first end and chord [pairs, 1, d]."""
    if path.ndim < 3 or path.shape[1] < 3:
        raise DataError(
            f"A departure is of paths [pairs, 3 or more points, *shape], not {list(path.shape)}."
        )
    flat = path.double().flatten(2)
    start, chord = flat[:, :1], flat[:, -1:] - flat[:, :1]
    if not bool((chord.norm(dim=-1) > 0).all()):
        raise DataError("Paths whose ends are equal have no chord to depart from.")
    return flat[:, 1:-1], start, chord


def _across(vectors: torch.Tensor, chord: torch.Tensor) -> torch.Tensor:
    """The part of `vectors` [pairs, n, d] orthogonal to `chord` [pairs, 1, d]."""
    unit = chord / chord.norm(dim=-1, keepdim=True)
    return vectors - (vectors * unit).sum(-1, keepdim=True) * unit

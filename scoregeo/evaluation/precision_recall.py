"""Precision and recall of a set of images against a reference set, on features: Kynkaanniemi et al.
2019.
"""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError

NEIGHBOURS = 3  # of the paper's Figure 2


@dataclass(frozen=True)
class Coverage:
    """`inside` [n]: which images lie in the reference's manifold. `covers` [n, m]: in which image's
    ball each reference lies.
    """

    inside: torch.Tensor
    covers: torch.Tensor

    @property
    def precision(self) -> float:
        """Share of images inside, in [0, 1]."""
        return float(self.inside.double().mean())

    @property
    def recall(self) -> float:
        """Share of references covered, in [0, 1]."""
        return float(self.covers.any(0).double().mean())


def coverage(
    features: torch.Tensor, reference: torch.Tensor, neighbours: int = NEIGHBOURS
) -> Coverage:
    """Eq. 1 of the paper for features [n, d] and reference [m, d].

    A point lies in a set's manifold where, for some point of the set, it is nearer than that
    point's `neighbours`-th nearest other point. The same numbers as torch-fidelity's, but image by
    image, as intervals over pairs need them. Both shares depend on the two counts: few images cover
    little. O((n + m)^2 d) arithmetic, O((n + m)^2) memory.
    Raises DataError for other shapes, values that are not finite, and sets of `neighbours` images
    or fewer.
    """
    if features.ndim != 2 or reference.ndim != 2 or features.shape[1] != reference.shape[1]:
        raise DataError(
            f"Features [n, d] and [m, d] expected: {list(features.shape)}, {list(reference.shape)}."
        )
    if not bool(features.isfinite().all() and reference.isfinite().all()):
        raise DataError("Features that are not finite: precision and recall need every frame.")
    fewest = min(len(features), len(reference))
    if fewest <= neighbours:
        raise DataError(
            f"Precision and recall by {neighbours} neighbours need more than {neighbours} images in"
            f" each set, not {fewest}."
        )
    apart = torch.cdist(features.double(), reference.double())
    return Coverage(
        inside=(apart <= _radii(reference, neighbours)).any(1),
        covers=apart <= _radii(features, neighbours)[:, None],
    )


def _radii(points: torch.Tensor, neighbours: int) -> torch.Tensor:
    """Distance of each point to its k-th nearest other one, [n]; the nearest of all is the point
    itself.
    """
    own = torch.cdist(points.double(), points.double())
    return own.kthvalue(neighbours + 1, dim=1).values

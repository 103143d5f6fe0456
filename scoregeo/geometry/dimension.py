"""Intrinsic dimension of the data at a point, from the score's Jacobian."""

import torch

from scoregeo._utils.tensors import check_floating
from scoregeo.geometry.support import of_arrays
from scoregeo.score.divergence import divergence
from scoregeo.score.field import ScoreField, check_field


@of_arrays
def intrinsic_dimension(
    field: ScoreField, x: torch.Tensor, probes: int | None = None, seed: int = 0
) -> torch.Tensor:
    """`d = trace(I + sigma^2 J) = D + sigma^2 div s` at `x` [batch, *shape]; [batch] float64.

    `I + sigma^2 J` is the covariance of the clean point given the noisy one, over sigma^2
    (Tweedie's formula, second order; Efron 2011): one along the data, none across it, for sigma
    small against the radius of curvature and large against the distances between the data where
    these are finite. The divergence's part of FLIPD (Kamkari et al. 2024), without its
    `sigma^2 |s|^2`, which is of second order in sigma over the radius of curvature at points of the
    manifold.

    `probes`: random directions of signs a point, None: every axis, exact
    (`scoregeo.score.divergence`). Costs 3 score evaluations for each probe or axis. Raises
    ConfigError for a bad number of probes.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=5), sigma=0.05)
        >>> x = torch.eye(5, dtype=torch.float64)[:1]
        >>> scoregeo.intrinsic_dimension(field, x).round(decimals=2)
        tensor([2.], dtype=torch.float64)
    """
    check_field(field)
    check_floating("x", x)
    return x.shape[1:].numel() + field.sigma**2 * divergence(field, x, probes, seed)

"""Intrinsic dimension of the data at a point, from the score's Jacobian."""

import torch

from scoregeo.core.errors import check_number
from scoregeo.score.field import ScoreField


@torch.no_grad()
def intrinsic_dimension(field: ScoreField, x: torch.Tensor, probes: int | None = None, seed: int = 0) -> torch.Tensor:
    """`d = trace(I + sigma^2 J) = D + sigma^2 div s` at `x` [batch, *shape]; [batch] float64.

    `I + sigma^2 J` is the covariance of the clean point given the noisy one, over sigma^2 (Tweedie's formula, second order;
    Efron 2011): one along the data, none across it, for sigma small against the radius of curvature and large
    against the distances between the data where these are finite. The divergence's part of FLIPD (Kamkari et al. 2024), without
    its `sigma^2 |s|^2`, which is of second order in sigma over the radius of curvature at points of the manifold.

    `probes`: random directions of signs a point (Hutchinson 1990), unbiased, variance `2 |offdiag(sigma^2 J)|_F^2 / probes`
    for symmetric J; None: every axis, exact. Costs 3 score evaluations for each probe or axis.
    Raises ConfigError for a bad number of probes.
    """
    size = x[0].numel()
    if probes is not None:
        check_number("probes", probes, at_least=1, integer=True)
    generator = torch.Generator().manual_seed(seed)
    trace = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for index in range(size if probes is None else probes):
        if probes is None:
            v = torch.zeros(len(x), size)
            v[:, index] = 1
        else:
            v = torch.randint(0, 2, (len(x), size), generator=generator).float() * 2 - 1
        v = v.to(x).view_as(x)
        _, product = field.jvp(x, v)
        trace += (v.double() * product.double()).flatten(1).sum(1)
    return size + field.sigma**2 * (trace if probes is None else trace / probes)

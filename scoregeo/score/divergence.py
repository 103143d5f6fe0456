"""The divergence of a score field, by Jacobian-vector products."""

import torch

from scoregeo._utils.errors import check_number
from scoregeo.score.field import ScoreField


@torch.no_grad()
def divergence(
    field: ScoreField, x: torch.Tensor, probes: int | None = None, seed: int = 0
) -> torch.Tensor:
    """`div s = trace J`, J the score's Jacobian, at `x` [batch, *shape]; [batch] float64, in 1 /
    data units^2.

    `probes`: random directions of signs a point (Hutchinson 1990), unbiased, variance
    `2 |offdiag(J)|_F^2 / probes` for symmetric J; None: every axis, exact. Costs 3 score
    evaluations for each probe or axis. Raises ConfigError for a bad number of probes."""
    size = x.shape[1:].numel()
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
    return trace if probes is None else trace / probes

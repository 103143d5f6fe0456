"""Sectional and Ricci curvature."""

import torch

from scoregeo._utils.errors import check_number
from scoregeo.geometry.support import check_like, check_points, of_arrays, require_closed_form
from scoregeo.metric.base import AbstractMetric


@of_arrays
def sectional_curvature(
    metric: AbstractMetric, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
) -> torch.Tensor:
    """`K = <R(u, v) v, u> / (<u, u><v, v> - <u, v>^2)` of the planes of `u` and `v` at `x` [batch,
    *shape], [batch] float64.

    In 1 / (length in the metric)^2: 1 for a unit sphere, 0 for flat space; NaN where u and v are
    parallel or one is zero. For `stein` one score evaluation and two JVPs a call of its field (6
    evaluations a point).
    Raises ConfigError where the metric has no closed curvature, DataError for bad tensors,
    ScoreError for a bad score.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=100.0)
        >>> x, u, v = torch.eye(3, dtype=torch.float64)[:, None]
        >>> scoregeo.sectional_curvature(metric, 1.05 * x, u, v).round(decimals=3)
        tensor([0.9070], dtype=torch.float64)
    """
    served = require_closed_form(metric, "sectional curvature")
    check_points(served, "x", x)
    check_like("u", u, "x", x)
    check_like("v", v, "x", x)
    with torch.no_grad():
        return served.sectional_curvature(x, u, v)


@of_arrays
@torch.no_grad()
def ricci(
    metric: AbstractMetric,
    x: torch.Tensor,
    v: torch.Tensor,
    probes: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """An unbiased estimate of the Ricci curvature `Ric(v, v) / <v, v>` at `x` [batch, *shape],
    [batch] float64.

    With `Q(w) = <R(w, v) v, w> = K(w, v) (<w, w><v, v> - <w, v>^2)`, Ric(v, v) is the trace of
    `g^-1 Q`. By Hutchinson's estimate with random signs z and polarisation,

        Ric(v, v) = E [ Q(z + g^-1 z) - Q(z - g^-1 z) ] / 4,

    so neither a basis nor a square root of g is made. Averaged over `probes` draws of `generator`
    (CPU), the same for the whole batch. D - 1 times the mean sectional curvature of the planes that
    hold v. For `stein` 19 evaluations a point and probe. Raises as `sectional_curvature`; NaN where
    v is zero.
    """
    served = require_closed_form(metric, "Ricci curvature")
    check_points(served, "x", x)
    check_like("v", v, "x", x)
    check_number("probes", probes, at_least=1, integer=True)
    square = served.inner(x, v, v).double()
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for _ in range(probes):
        signs = torch.randint(0, 2, x.shape[1:], generator=generator).to(x) * 2 - 1
        z = signs.expand_as(x).contiguous()
        raised = served.inverse(x, z)
        for w, sign in ((z + raised, 0.25), (z - raised, -0.25)):
            area = served.inner(x, w, w).double() * square - served.inner(x, w, v).double() ** 2
            curvature = served.sectional_curvature(x, w, v)
            # A probe along v, or none at all, spans no plane and has Q = 0.
            total += sign * (curvature * area).where(~curvature.isnan(), 0.0)
    return (total / (probes * square)).where(square > 0, torch.nan)

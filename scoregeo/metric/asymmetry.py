"""How far a learned score is from the gradient of a log density."""

import torch

from scoregeo._utils.errors import check_number
from scoregeo.score.field import ScoreField


def asymmetry(
    field: ScoreField, x: torch.Tensor, probes: int, generator: torch.Generator
) -> torch.Tensor:
    """Ratio of root mean squares over random unit directions v, at `x` [batch, *shape]; [batch]
    float64, in [0, 2]:

        sqrt( mean |J v - J^T v|^2 / mean |J v|^2 )  ->  |J - J^T|_F / |J|_F

    as probes are added (a Hutchinson estimate). The Jacobian of a gradient field is symmetric: 0 up
    to rounding for an exact score, 2 for a pure rotation, 0 also where J vanishes. At one point the
    estimate's relative error falls as `probes^-1/2`.

    Costs one JVP and one VJP a point and probe: `6 probes` score evaluations a point. `generator`:
    on the CPU.
    Raises ConfigError unless `probes` is a positive whole number, ScoreError where the score or a
    product is not finite."""
    check_number("probes", probes, at_least=1, integer=True)
    curl = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    whole = torch.zeros_like(curl)
    x = x.detach()
    for _ in range(probes):
        draw = torch.randn(len(x), x.shape[1:].numel(), generator=generator, dtype=torch.float64)
        v = torch.nn.functional.normalize(draw, dim=1).view(x.shape).to(x)
        with torch.no_grad():
            _, forward = field.jvp(x, v)
        _, backward = field.vjp(x, v)
        curl += (forward.double() - backward.double()).flatten(1).square().sum(1)
        whole += forward.double().flatten(1).square().sum(1)
    return (curl / whole).sqrt().where(whole > 0, 0.0)

"""Anderson's extrapolation of a shooting's corrections."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Shot:
    """One element's velocity [*shape]; flat float64 its correction f at x, the miss w at y and
    `g w`; `|w|`, and `|exp - y|`.
    """

    velocity: torch.Tensor
    correction: torch.Tensor
    miss: torch.Tensor
    lowered: torch.Tensor
    size: float
    residual: float


def extrapolated(best: Shot, history: list[Shot]) -> torch.Tensor:
    """`f - (dV + dF) c`, the full step from the best shot, flat: c minimises `|w - dW c|` in the
    metric at y.
    """
    others = [shot for shot in history if shot is not best]
    if not others:
        return best.correction
    # The nearest shots give the derivative at the best one; more of them than dimensions would give
    # of the curvature.
    others.sort(key=lambda shot: float((shot.miss - best.miss) @ (shot.lowered - best.lowered)))
    others = others[: best.correction.numel()]
    moved = torch.stack([(shot.velocity - best.velocity).double().flatten() for shot in others])
    corrected = torch.stack([shot.correction - best.correction for shot in others])
    changed = torch.stack([shot.miss - best.miss for shot in others])
    lowered = torch.stack([shot.lowered - best.lowered for shot in others])
    gram = changed @ lowered.T
    # Unit diagonal: differences shrink by orders of magnitude from shot to shot. Almost parallel
    # ones give nothing but noise.
    scale = gram.diagonal().clamp_min(torch.finfo(torch.float64).tiny).rsqrt()
    system = (gram * scale[:, None] * scale).cpu()
    target = (scale * (lowered @ best.miss))[:, None].cpu()
    weights = (
        torch.linalg.lstsq(system, target, rcond=1e-6, driver="gelsd").solution[:, 0].to(scale)
    )
    return best.correction - (weights * scale) @ (moved + corrected)

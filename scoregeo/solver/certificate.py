"""A path's energy on a quadrature finer than the one it was solved on, and the tunnelling that this
brings to light.
"""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature

REFINEMENT = 4  # parts of the finer quadrature in each part of the solver's own
# Certified over own energy from which a path is said to tunnel; a resolved path's quadrature error
# is far below
LEAP = 1.2
RESOLVED = 1.05  # and up to which it may be called converged
# What a user does about a rule that is too coarse
ADVICE = (
    "raise solver.num_points (--frames or num_frames of a morph) or solver.subnodes, where the"
    " solver has it. With an exact score solver.refinement=adaptive (solver=gauss_newton,"
    " metric=stein) resolves such paths; with a learned score it can cost hundreds of evaluations a"
    " point and give worse pictures"
)


@dataclass(frozen=True)
class Certificate:
    """`energy` [pairs] float64 on the finer quadrature, `evaluations` a pair, and `tunnelled`
    [pairs] bool. On the CPU.
    """

    energy: torch.Tensor
    evaluations: int
    tunnelled: torch.Tensor


def finer_than(rule: Quadrature) -> Quadrature:
    """The certificate's quadrature."""
    return Quadrature("trapezoid", REFINEMENT * rule.subnodes)


@torch.no_grad()
def certify(
    metric: AbstractMetric, path: torch.Tensor, own_energy: torch.Tensor, rule: Quadrature
) -> Certificate:
    """Measure `path` [pairs, points, *shape] with `REFINEMENT` times the parts of `rule`, by the
    trapezoid rule.

    Two neighbouring points on both sides of a valley of the density have the same log p: a coarse
    rule charges nothing for the jump between them, a finer one the way down and up. Costs
    `REFINEMENT * subnodes * (points - 1) + 1` evaluations a pair."""
    finer = finer_than(rule)
    energy = torch.cat([energy_on(metric, one, finer) for one in path.split(1)]).cpu()
    spent = metric.evaluations(path.shape[1], finer)
    return Certificate(energy, spent, energy > LEAP * own_energy.cpu())


@torch.no_grad()
def energy_on(metric: AbstractMetric, path: torch.Tensor, rule: Quadrature) -> torch.Tensor:
    """Energy of one path [1, points, *shape], [1] on its device; NaN where the score is not finite
    between the path's points.
    """
    try:
        return metric.energy(path, rule)
    except ScoreError:
        return torch.full((1,), torch.nan, dtype=torch.float64, device=path.device)


def tunnelling_reason(own: float, certified: float) -> str:
    """The sentence a user reads where a path tunnels."""
    return (
        f"tunnels: its energy is {own:.4g} on the solver's quadrature and {certified:.4g} on one"
        f" {REFINEMENT} times finer, so some segment crosses a valley or ridge of the density"
        f" at no cost; {ADVICE}."
    )

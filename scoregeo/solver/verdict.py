"""What may be said of a path that a solver stopped at: the status that certificate and gradient
bear out.
"""

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import CONVERGED, STALLED, UNRESOLVED
from scoregeo.solver.certificate import ADVICE, RESOLVED, tunnelling_reason

STATIONARY = 1.0  # stationarity residual up to which a path may be called converged
_COLLINEAR = 1e-6  # distance from the chord, as a share of it, below which a path is straight
_BENT = 0.05  # greatest displacement of a probe, as a share of the chord
_LOWER = 0.99  # a bent path of less than this share of the energy shows a saddle


def verified(
    status: str, own: float, certified: float, left: float, tunnelled: bool
) -> tuple[str, str]:
    """A solver's `status` where it is borne out, else what is true; and why, "" where there is
    nothing to say. Only CONVERGED is ever changed.

    `own`, `certified`: energies on the solver's rule and on the certificate's; `left`: the
    stationarity residual.
    """
    why = tunnelling_reason(own, certified) if tunnelled else ""
    if status != CONVERGED:
        return status, why
    if not certified <= RESOLVED * own:
        return UNRESOLVED, why or (
            f"a stopping rule held, but on the certificate's rule the energy is {certified:.4g}, on"
            f" the solver's {own:.4g}; {ADVICE}."
        )
    if not left <= STATIONARY:
        return STALLED, f"a stopping rule held, but the gradient is not small ({left:.2g})"
    return status, why


NO_GRADIENT = (
    "the score is no gradient field: with its Jacobian the energy's gradient is not small ({:.2g});"
    " take solver.differentiate_score=true"
)
SADDLE = "a saddle: the path is the straight line, and bending it lowers the energy"


@torch.no_grad()
def saddles(
    metric: AbstractMetric, path: torch.Tensor, energy: torch.Tensor, rule: Quadrature
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which of `path` [pairs, points, *shape] are straight lines that a bend improves, [pairs]
    bool; the paths, those bent; and the score evaluations spent, [pairs] int64.

    Between ends on opposite sides of a symmetric density the straight line is stationary, but a
    maximum across. Costs one energy and `points - 2` evaluations of each straight path whose
    `energy` [pairs] is above the Euclidean one by half, none elsewhere.
    """
    found, bent = torch.zeros(len(path), dtype=torch.bool), path.clone()
    spent, points = torch.zeros(len(path), dtype=torch.int64), path.shape[1]
    for pair in _straight(path, energy).nonzero()[:, 0].tolist():
        beside = points - 2 if metric.least_squares is not None else 0
        spent[pair] = beside + metric.evaluations(points, rule)
        try:
            trial = _bend(metric, path[pair : pair + 1])
            lower = metric.energy(trial, rule).cpu() < _LOWER * energy[pair].cpu()
        except ScoreError:
            continue
        if bool(lower):
            found[pair], bent[pair] = True, trial[0]
    return found, bent, spent


def _straight(path: torch.Tensor, energy: torch.Tensor) -> torch.Tensor:
    """Paths on their chord with an energy half as large again as the Euclidean, [pairs] bool."""
    if path.shape[1] < 3:
        return torch.zeros(len(path), dtype=torch.bool)
    flat = path.flatten(2).double()
    chord = flat[:, -1] - flat[:, 0]
    square = chord.square().sum(1)
    offset = flat - flat[:, :1]
    along = (offset @ chord[:, :, None]) / square.clamp_min(1e-300)[:, None, None]
    away = (offset - along * chord[:, None]).square().sum(2).amax(1)
    on_chord = ((away <= _COLLINEAR**2 * square) & (square > 0)).cpu()
    return on_chord & (energy.cpu() > 0.75 * square.cpu())


def _bend(metric: AbstractMetric, path: torch.Tensor) -> torch.Tensor:
    """`path` [1, points, *shape] displaced across its chord by half a sine: in a direction drawn
    from a fixed seed, or in that of the score beside the path, where the metric has one.
    """
    flat = path.flatten(2).double()
    length = (flat[0, -1] - flat[0, 0]).norm()
    chord = (flat[0, -1] - flat[0, 0]) / length
    draws = torch.Generator().manual_seed(0)
    across = _across(torch.randn(len(chord), generator=draws, dtype=torch.float64), chord)
    if metric.least_squares is not None:
        beside = _displaced(path, 0.1 * _BENT * length * across)[0, 1:-1]
        pull = metric.least_squares.field(beside).flatten(1).double().mean(0)
        across = _across(pull, chord)
    return _displaced(path, _BENT * length * across)


def _across(direction: torch.Tensor, chord: torch.Tensor) -> torch.Tensor:
    """The part of `direction` across `chord`, of length 1 or 0."""
    direction = direction.to(chord)
    return torch.nn.functional.normalize(direction - (direction @ chord) * chord, dim=0)


def _displaced(path: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """`path` moved by half a sine of `by` [D], its ends kept."""
    u = torch.linspace(0, torch.pi, path.shape[1], dtype=torch.float64, device=path.device)
    moved = path.clone()
    move = u[1:-1].sin()[:, None] * by
    moved[:, 1:-1] += move.view(path[:, 1:-1].shape).to(path)
    return moved

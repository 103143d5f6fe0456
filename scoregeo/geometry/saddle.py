"""Boundary-value solutions that are no minimum: found by bending the path, and solved again."""

from dataclasses import fields, replace

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.geometry.support import expand, rule_of
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.cost import BACKWARD
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import AbstractSolver, Solution

_SUSPECT = 10.0  # certified energy over its lower bound from which a path is looked at
_ITERATIONS = 8  # of the power method
_BENDS = (-0.5, -0.2, 0.2, 0.5)  # heights at the middle, as shares of the chord
_LOWER = 0.9  # a bent path's energy, as a share, from which it is a new start


@torch.no_grad()
def solve_to_minimum(
    metric: AbstractMetric, solver: AbstractSolver, start: torch.Tensor
) -> Solution:
    """`solver`'s solution from `start` [pairs, points, *shape]; where a bent path has less energy,
    the better of it and the solution from there.

    Between ends in symmetric position, such as antipodal points of a sphere, the straight line is a
    geodesic without being a shortest one: a saddle of the energy, at which the gradient is zero and
    every solver stops. Paths whose certified energy is over ten times its lower bound are therefore
    compared with the straight line bent towards higher density: along the leading eigenvector of
    the score's Jacobian across the chord at the path's middle, to four heights. The best of these
    is a second start where it lowers the energy by a tenth. Only such pairs cost more: 24
    evaluations for the direction, four energies, and the second solve, all counted in
    `score_evaluations`. A saddle below ten times the bound, or one that is left in another
    direction, is not recognised.
    """
    solution = solver.solve(metric, start)
    looked = (solution.certified_energy > _SUSPECT * solution.bound) & (solution.bound > 0)
    if metric.field is None or not looked.any():
        return solution
    rows = looked.nonzero()[:, 0]
    rule = Quadrature("trapezoid", 2 * rule_of(solver).subnodes)
    bent, energy = _best_bend(metric, solution.path[rows.to(start.device)], rule)
    spent = torch.zeros_like(solution.score_evaluations)
    spent[rows] = _ITERATIONS * (1 + BACKWARD) + len(_BENDS) * metric.evaluations(
        start.shape[1], rule
    )
    solution = replace(solution, score_evaluations=solution.score_evaluations + spent)
    lower = energy < _LOWER * solution.certified_energy[rows]
    if not lower.any():
        return solution
    again = solver.solve(metric, bent[lower.to(bent.device)])
    return _better(solution, rows[lower], again)


def _best_bend(
    metric: AbstractMetric, path: torch.Tensor, rule: Quadrature
) -> tuple[torch.Tensor, torch.Tensor]:
    """The bent line of least energy of each pair, and that energy, [pairs], infinite for none."""
    first, last = path[:, 0], path[:, -1]
    chord = (last - first).double().flatten(1)
    direction = _way_out(metric, path[:, path.shape[1] // 2], chord)
    u = torch.linspace(0, torch.pi, path.shape[1], dtype=torch.float64, device=path.device)
    # A straight line, bent: the path itself may be anywhere.
    line = first[:, None] + (last - first)[:, None] * expand(u / torch.pi, path[0])
    rise = (chord.norm(dim=1)[:, None] * direction).view_as(first)[:, None].to(path)
    bump = expand(u.sin(), path[0])
    bump[-1] = 0  # sin(pi) to the last bit
    best, least = path, torch.full((len(path),), torch.inf, dtype=torch.float64)
    for height in _BENDS:
        bent = line + height * rise * bump
        bent[:, 0], bent[:, -1] = first, last
        energy = torch.cat([_energy(metric, one, rule) for one in bent.split(1)])
        won = energy < least
        least = energy.where(won, least)
        best = bent.where(expand(won.to(path.device), path).bool(), best)
    return best, least


def _way_out(metric: AbstractMetric, x: torch.Tensor, chord: torch.Tensor) -> torch.Tensor:
    """Unit vectors [pairs, D] float64 across the chords in which log p bends upward most, by the
    power method.
    """
    assert metric.field is not None
    axis = torch.nn.functional.normalize(chord)
    draws = torch.Generator().manual_seed(0)
    found = torch.randn(chord.shape, generator=draws, dtype=torch.float64).to(chord)
    shift = torch.zeros(len(x), 1, dtype=torch.float64, device=x.device)
    for _ in range(_ITERATIONS):
        found = found - (found * axis).sum(1, keepdim=True) * axis
        found = torch.nn.functional.normalize(found)
        try:
            _, turned = metric.field.jvp(x, found.view_as(x).to(x))
        except ScoreError:
            return found
        product = turned.double().flatten(1)
        # Shifted by about the largest size of an eigenvalue, so that the greatest leads.
        shift = torch.maximum(shift, product.norm(dim=1, keepdim=True))
        found = product + shift * found
    found = found - (found * axis).sum(1, keepdim=True) * axis
    return torch.nn.functional.normalize(found)


def _energy(metric: AbstractMetric, path: torch.Tensor, rule: Quadrature) -> torch.Tensor:
    """[1], infinite where the score is bad."""
    try:
        return metric.energy(path, rule).double().cpu().nan_to_num(torch.inf)
    except ScoreError:
        return torch.full((1,), torch.inf, dtype=torch.float64)


_ADDED = ("score_evaluations", "certificate_evaluations", "iterations")


def _better(solution: Solution, rows: torch.Tensor, again: Solution) -> Solution:
    """`solution` with those of `rows` replaced whose certified energy is lower in `again`."""
    won = again.certified_energy < solution.certified_energy[rows]
    changed: dict[str, object] = {}
    for item in fields(solution):
        old, new = getattr(solution, item.name), getattr(again, item.name)
        if item.name in _ADDED:
            changed[item.name] = old.index_add(0, rows, new)
        elif isinstance(old, torch.Tensor) and old.ndim:
            old = old.clone()
            old[rows[won].to(old.device)] = new[won.to(new.device)]
            changed[item.name] = old
        elif isinstance(old, tuple) and old and item.name != "history":
            words = list(old)
            for place, row in enumerate(rows.tolist()):
                if won[place]:
                    words[row] = new[place]
            changed[item.name] = tuple(words)
    changed["seconds"] = solution.seconds + again.seconds
    return replace(solution, **changed)  # type: ignore[arg-type]

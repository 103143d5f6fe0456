"""Shooting: an initial velocity corrected until its geodesic ends where it should."""

from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.geometry.anderson import Shot, extrapolated
from scoregeo.geometry.exponential_map import GeodesicFlow, exponential
from scoregeo.geometry.momentum import initial_velocity, velocity_cost
from scoregeo.geometry.way_back import carry_back
from scoregeo.metric.base import AbstractClosedFormMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED

_CHORD = Quadrature("simpson", 2)  # of the one segment that is left
_WINDOW = 8  # earlier shots an extrapolated step is made of
_FIRST_RADIUS = 0.1  # length of the first step at most, as a share of the velocity's own
_FALL = 0.99  # a shot counts as progress where it lowers `|w|` by a hundredth
_MISSES = 6  # shots without progress, one after another, that make a stall
_WAYPOINTS = 9  # of a shot's geodesic, along which a graph metric's corrections are carried back
# Relative tolerance of a shot: at most _LOOSEST, and _SHARE of the residual that is left; a shot
# that comes within _NEAR times the goal is repeated at the last tolerance
_LOOSEST, _SHARE, _NEAR = 1e-5, 1e-3, 100.0


@dataclass(frozen=True)
class Shots:
    """`velocity` [batch, *shape]; `status` converged, stalled, out_of_budget or failed; CPU
    [batch]: `residual` in data units, and `score_evaluations`."""

    velocity: torch.Tensor
    status: tuple[str, ...]
    residual: torch.Tensor
    score_evaluations: torch.Tensor


def shoot_at(
    metric: AbstractClosedFormMetric,
    x: torch.Tensor,
    y: torch.Tensor,
    velocity: torch.Tensor,
    *,
    tolerance: float,
    max_shots: int,
    rtol: float,
    atol: float,
    max_evaluations: int,
) -> Shots:
    """Correct `velocity` [batch, *shape] until `|exp_x(velocity) - y| <= tolerance |y - x|`, all of
    them distinct points.

    The correction `f(v) = P^-1 u` is the displacement u from `exp_x(v)` to y, carried back to x
    by parallel transport along the geodesic itself, an isometry. `v <- v + f(v)` alone converges
    where Jacobi fields do not stretch more than twofold or turn over (on the unit sphere up to an
    angle of pi, at the rate `1 - sin(theta)/theta`); Anderson's extrapolation over the last shots
    (Walker & Ni 2011, "Anderson acceleration for fixed-point iterations") makes it superlinear. It
    minimises the same way seen from y, w, in the metric there. u and w are the end velocities of
    one segment between the points (`scoregeo.geometry.momentum`), a chord in the metric's own
    terms: a difference of coordinates would count for nothing on a ridge of the density and for
    very much beside it. No matrix, and no derivative of exp.

    Steps are kept within a radius: a tenth of `|velocity|` at first, twice as long after a shot
    that lowers `|w|`, a quarter of the step after one that does not; six shots in a row that do not
    lower it by a hundredth are a stall. So it may end at a fold of exp, as where y lies beyond a
    conjugate point of the geodesics tried. Cost a shot: an exponential, two such chords, and the
    transport: of a graph metric by rotations of its normal at nine points of the geodesic, else a
    second integration at a looser tolerance. No shot begins after `max_evaluations`.
    """
    run = _Run(metric, x, y, velocity)
    goal = tolerance * (y - x).double().flatten(1).norm(dim=1)
    for _ in range(max_shots):
        active = [
            row
            for row, status in enumerate(run.status)
            if status == BUDGET and int(run.evaluations[row]) < max_evaluations
        ]
        if not active:
            break
        run.shoot(active, goal, rtol, atol, max_evaluations)
    return Shots(
        torch.stack([best.velocity for best in run.best]),
        tuple(run.status),
        run.residual(),
        run.evaluations,
    )


class _Run:
    """The state of one batch of shootings."""

    def __init__(
        self,
        metric: AbstractClosedFormMetric,
        x: torch.Tensor,
        y: torch.Tensor,
        velocity: torch.Tensor,
    ) -> None:
        self.metric, self.x, self.y = metric, x, y
        self.trial = velocity.clone()
        nothing = x.new_zeros(0)
        self.best = [Shot(v, nothing, nothing, nothing, torch.inf, torch.nan) for v in velocity]
        self.history: list[list[Shot]] = [[] for _ in velocity]
        self.radius = (_FIRST_RADIUS * metric.norm(x, velocity).double()).tolist()
        self.last = list(self.radius)  # length of the step to the trial
        self.misses = [0] * len(x)
        self.apart = (y - x).double().flatten(1).norm(dim=1).tolist()
        self.left = [1.0] * len(x)  # residual of the last shot, as a share of the distance
        self.status = [BUDGET] * len(x)
        self.evaluations = torch.full((len(x),), metric.cost.product)

    def residual(self) -> torch.Tensor:
        return torch.tensor([best.residual for best in self.best], dtype=torch.float64)

    def shoot(
        self, active: list[int], goal: torch.Tensor, rtol: float, atol: float, max_evaluations: int
    ) -> None:
        rows = torch.tensor(active)
        y, v = (t[rows.to(t.device)] for t in (self.y, self.trial))
        goals = goal[rows.to(goal.device)]
        # As accurate as what is left to correct asks for.
        looser = max(1.0, min(_LOOSEST, _SHARE * min(self.left[row] for row in active)) / rtol)
        flow, residual = self._fly(rows, rtol * looser, atol * looser, max_evaluations)
        near = (residual <= _NEAR * goals).nonzero()[:, 0].cpu()
        if looser > 1 and len(near):
            again, residual[near] = self._fly(rows[near], rtol, atol, max_evaluations)
            flow.path[near], flow.velocity[near] = again.path, again.velocity
        for element, row in enumerate(active):
            left = float(residual[element] / self.apart[row])
            self.left[row] = left if left < torch.inf else self.left[row]
        hit = residual <= goals
        shots: dict[int, Shot] = {}
        missed = (residual.isfinite() & ~hit).nonzero()[:, 0].cpu()
        if len(missed):
            self._correct(rows[missed], v[missed], flow, missed, residual, max_evaluations, shots)
        for element, row in enumerate(active):
            if hit[element]:
                nothing = v.new_zeros(0)
                self.status[row] = CONVERGED
                self.best[row] = Shot(
                    v[element], nothing, nothing, nothing, 0.0, float(residual[element])
                )
            else:
                self._judge(row, shots.get(row))

    def _fly(
        self, rows: torch.Tensor, rtol: float, atol: float, max_evaluations: int
    ) -> tuple[GeodesicFlow, torch.Tensor]:
        """The trials' geodesics and their residuals `|exp - y|`, [rows] float64."""
        x, y, v = (t[rows.to(t.device)] for t in (self.x, self.y, self.trial))
        flow = exponential(
            self.metric,
            x,
            v,
            points=_WAYPOINTS,
            rtol=rtol,
            atol=atol,
            max_evaluations=max_evaluations,
        )
        self.evaluations[rows] += flow.score_evaluations
        return flow, (y - flow.end).double().flatten(1).norm(dim=1)

    def _correct(
        self,
        rows: torch.Tensor,
        velocity: torch.Tensor,
        flow: GeodesicFlow,
        elements: torch.Tensor,
        residual: torch.Tensor,
        max_evaluations: int,
        shots: dict[int, Shot],
    ) -> None:
        """Add the shots of `rows`, `elements` of the flow, whose way back from the end can be
        walked.
        """
        x, y = (t[rows.to(t.device)] for t in (self.x, self.y))
        path, arrival = flow.path[elements], flow.velocity[elements, -1]
        end = path[:, -1]
        try:
            wanted = initial_velocity(self.metric, torch.stack([end, y], 1), _CHORD)
            miss = -initial_velocity(self.metric, torch.stack([y, end], 1), _CHORD)
            lowered = self.metric.apply(y, miss)
            carried, walked, spent = carry_back(self.metric, path, arrival, wanted, max_evaluations)
        except ScoreError:
            if len(rows) > 1:
                for i in range(len(rows)):
                    one = slice(i, i + 1)
                    self._correct(
                        rows[one],
                        velocity[one],
                        flow,
                        elements[one],
                        residual,
                        max_evaluations,
                        shots,
                    )
            return
        self.evaluations[rows] += (
            spent + 2 * velocity_cost(self.metric, _CHORD) + self.metric.cost.product
        )
        for i, row in enumerate(rows.tolist()):
            if not walked[i]:
                continue
            w, g = miss[i].double().flatten(), lowered[i].double().flatten()
            size = float((w * g).sum().clamp_min(0).sqrt())
            shots[row] = Shot(
                velocity[i],
                carried[i].double().flatten(),
                w,
                g,
                size,
                float(residual[elements[i]]),
            )

    def _judge(self, row: int, shot: Shot | None) -> None:
        """Keep a shot that is better than the best, shorten the step after one that is not, and aim
        the next.
        """
        if shot is not None and shot.size < self.best[row].size:
            progress = shot.size < _FALL * self.best[row].size
            self.best[row] = shot
            self.radius[row] *= 2
        else:
            progress = False
            self.radius[row] = self.last[row] / 4
        self.misses[row] = 0 if progress else self.misses[row] + 1
        if shot is not None:
            self.history[row] = [*self.history[row], shot][-_WINDOW:]
        if not self.history[row]:
            self.status[row] = FAILED
        elif self.misses[row] == _MISSES:
            self.status[row] = STALLED
        else:
            step = extrapolated(self.best[row], self.history[row]).view(self.x.shape[1:]).to(self.x)
            length = float(self.metric.norm(self.x[row : row + 1], step[None]))
            self.evaluations[row] += self.metric.cost.product
            self.last[row] = min(length, self.radius[row])
            self.trial[row] = self.best[row].velocity + step * (
                self.last[row] / length if length > 0 else 0.0
            )

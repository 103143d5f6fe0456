"""Probability-density geodesics: the geodesic equation of a density-weighted metric, relaxed
between two ends.
"""

import logging
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError, bad_value, check_number
from scoregeo._utils.words import count
from scoregeo.baseline.base import (
    NOISE,
    AbstractBaseline,
    BaselinePath,
    Ends,
    check_ends,
    with_ends,
)
from scoregeo.baseline.spline import cubic, cubic_matrix, round_spline, round_velocity
from scoregeo.path.interpolation import parameter
from scoregeo.solver.base import BUDGET, CONVERGED

log = logging.getLogger(__name__)

_PARALLEL = 1 - 1e-9  # |cos| of the ends above which no great circle between them is determined


@dataclass(frozen=True)
class DensityGeodesic(AbstractBaseline):
    """Yu et al. 2025, "Probability density geodesics in image diffusion latent space" (CVPR),
    boundary-value form.

    A geodesic of `g = p^(-2 alpha) I` is, up to its speed, a path with

        (I - P_v) x'' = -alpha |x'|^2 (I - P_v) s,    P_v the projection on x',  s = grad log p(x),

    which is `x'' = -Gamma(x', x')` of `ConformalMetric` without its part along x'. In the
    coordinates of the variance-preserving model (`x / sqrt(1 + sigma^2)`, where `s` is multiplied
    by that root) each control point is moved along

        h = w (I - P_v) (s + x'' / (alpha |x'|^2)),
        w = sigma / sqrt(1 + sigma^2), so that w s = -eps, the noise predicted,

    by `rate_i / m` of it, m the number of control points and
    `rate_i = learning_rate (1 - i / total)` at iteration i. Bisection: 1, 3, 7, 15 control points
    at equal steps, each level started from the spline of the one before. With `sphere` ends and
    path are held at the mean norm of the two ends, velocities are those of piecewise great circles
    and s and x'' lose their radial part; without, all is a natural cubic spline, which gives x'' in
    both cases. The result is that curve at equal steps, its ends the given ones to the last bit.

    Cost: one score evaluation a control point and iteration, at most
    `iterations * sum_l (2^l - 1)`: 2,600 a pair as released.

    Defaults are those of the released code (github.com/TerrysLearning/GeodesicDiffusion,
    configs/config_example.yaml), which has alpha 0.002 there and 0.02 in its second example, and
    ends DDIM-inverted to 0.7 T there: that is set by `inversion=ddim` and the score's timestep.
    What differs, and is ours:
    - s is the field's own score at the point; the released code takes half the difference of the
      noise predicted for a negative prompt and for the pictures' own (found by textual inversion),
      at a random timestep within 100 of the point's, and has no w before x'', so that its alpha is
      1 / w times the exponent here (1.04 at 0.7 T).
    - the term with x'' is stepped implicitly, `(I - (rate/m) w / (alpha |x'|^2) D2) dx = (rate/m)
      h`, D2 the spline's second derivative in its values, with dx projected again. It changes no
      fixed point. The explicit step is unstable where `alpha |x'|^2` is small; the released code
      leaves a level at once where that term is larger than the score's.
    - great circles are parted at equal lengths; at equal steps of each circle's own parameter, as
      released, x' would jump at the control points of the level before, and the equation not be met
      as levels rise.
    - a pair is done on a level where `|h| <= tolerance (|its part of s| + |its part of x''|)`,
      norms over all its control points.

    Attributes:
        alpha: above 0. levels: 1 to 10. iterations: on each level, at least 1. learning_rate: above
            0.
        sphere: false for ends that are not at a noise level, whose norms mean nothing.
        tolerance: at least 0; 0 never stops early.
    """

    alpha: float = 0.002
    levels: int = 4
    iterations: int = 100
    learning_rate: float = 0.1
    sphere: bool = True
    tolerance: float = 0.01
    space = NOISE
    needs_noise = False

    def __post_init__(self) -> None:
        check_number("baseline.density_geodesic.alpha", self.alpha, above=0.0)
        check_number(
            "baseline.density_geodesic.levels", self.levels, at_least=1, at_most=10, integer=True
        )
        check_number(
            "baseline.density_geodesic.iterations", self.iterations, at_least=1, integer=True
        )
        check_number("baseline.density_geodesic.learning_rate", self.learning_rate, above=0.0)
        check_number("baseline.density_geodesic.tolerance", self.tolerance, at_least=0.0)
        if not isinstance(self.sphere, bool):
            raise bad_value("baseline.density_geodesic.sphere", self.sphere, "true or false")

    @torch.no_grad()
    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Status converged where the tolerance was met on the last level, else out_of_budget.
        Nothing is drawn.

        Raises ConfigError for fewer than 3 points, DataError for ends that are equal, not finite
        or, with `sphere`, parallel, ScoreError where the score is not finite.
        """
        check_ends("density_geodesic", ends.lifted, num_points)
        run = _Relaxation(self, ends)
        for level in range(1, self.levels + 1):
            run.relax(level)
            log.info(
                "density_geodesic: %d control points, %d of %s converged",
                2**level - 1,
                run.done.sum(),
                count(len(run.done), "pair"),
            )
        inner = run.at(parameter(num_points, run.nodes)[1:-1]) * ends.scale
        return BaselinePath(
            path=with_ends(inner, ends.lifted),
            status=tuple(CONVERGED if done else BUDGET for done in run.done.tolist()),
            iterations=run.steps.cpu(),
            score_evaluations=run.evaluations.cpu(),
        )


class _Relaxation:
    """The state of one call: `nodes` [pairs, 2^level + 1, D], float64, in the variance-preserving
    model's coordinates.
    """

    def __init__(self, method: DensityGeodesic, ends: Ends) -> None:
        self.method, self.field, self.scale = method, ends.field, ends.scale
        self.shape, self.dtype = ends.lifted.shape[2:], ends.lifted.dtype
        self.weight = ends.field.sigma / ends.scale
        self.nodes = ends.lifted.double().flatten(2) / ends.scale
        if method.sphere:
            norms = self.nodes.norm(dim=2, keepdim=True)
            self.radius = norms.mean(1, keepdim=True)
            directions = self.nodes / norms.clamp_min(torch.finfo(torch.float64).tiny)
            parallel = (directions.prod(1).sum(1).abs() > _PARALLEL) | (norms[..., 0] == 0).any(1)
            if parallel.any():
                raise DataError(
                    f"baseline.density_geodesic: the ends of pair {int(parallel.nonzero()[0])} are"
                    " parallel (or one is 0): no single great circle connects them;"
                    " baseline.density_geodesic.sphere=false works."
                )
            self.nodes = directions * self.radius
        pairs, device = len(self.nodes), self.nodes.device
        self.done = torch.zeros(pairs, dtype=torch.bool, device=device)
        self.steps = torch.zeros(pairs, dtype=torch.int64, device=device)
        self.evaluations = torch.zeros(pairs, dtype=torch.int64, device=device)

    def at(self, u: torch.Tensor) -> torch.Tensor:
        """The path at `u` [points] of [0, 1]: [pairs, points, D]."""
        return round_spline(self.nodes, u) if self.method.sphere else cubic(self.nodes, u)

    def relax(self, level: int) -> None:
        """Bisect, and move the control points of pairs that are not done until they are, or
        `iterations` are spent.
        """
        method = self.method
        self.nodes = self.at(parameter(2**level + 1, self.nodes))
        self.done.zero_()
        total = method.levels * method.iterations
        for number in range((level - 1) * method.iterations, level * method.iterations):
            rows = (~self.done).nonzero()[:, 0]
            if len(rows) == 0:
                return
            self._step(rows, method.learning_rate * (1 - number / total) / (2**level - 1))

    def _step(self, rows: torch.Tensor, rate: float) -> None:
        nodes = self.nodes[rows]
        count = nodes.shape[1]
        here = nodes[:, 1:-1]
        u = parameter(count, nodes)
        second = cubic_matrix(count, u, 2)
        bend = (second @ nodes)[:, 1:-1]
        velocity = (
            round_velocity(nodes)
            if self.method.sphere
            else (cubic_matrix(count, u, 1) @ nodes)[:, 1:-1]
        )
        self.evaluations[rows] += count - 2

        ratio = self.weight / (self.method.alpha * velocity.square().sum(2, keepdim=True))
        push = self._across(self.weight * self._score(here), here, velocity)
        pull = ratio * self._across(bend, here, velocity)
        along, parts = push + pull, _norm(push) + _norm(pull)
        done = _norm(along) <= self.method.tolerance * parts
        self.done[rows] = done

        moving = rows[~done]
        identity = torch.eye(count - 2, dtype=nodes.dtype, device=nodes.device)
        implicit = identity - rate * ratio[~done] * second[1:-1, 1:-1]
        change = torch.linalg.solve(implicit, rate * along[~done])
        there = here[~done] + self._across(change, here[~done], velocity[~done])
        if self.method.sphere:
            there = there * (self.radius[moving] / there.norm(dim=2, keepdim=True))
        self.nodes[moving, 1:-1] = there
        self.steps[moving] += 1

    def _score(self, x: torch.Tensor) -> torch.Tensor:
        """Gradient of log p in these coordinates at `x` [rows, points, D]; one
        evaluation a point.
        """
        points = (x * self.scale).to(self.dtype).reshape(-1, *self.shape)
        return self.scale * self.field(points).double().reshape(x.shape)

    def _across(self, v: torch.Tensor, x: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        """v without its part along the velocity and, on the sphere, along x, to which the velocity
        is orthogonal.
        """
        if self.method.sphere:
            v = _without(v, x)
        return _without(v, velocity)


def _without(v: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """v minus its projection on `direction`, both [..., D]; all of v where the direction is 0."""
    square = direction.square().sum(-1, keepdim=True).clamp_min(torch.finfo(direction.dtype).tiny)
    return v - (v * direction).sum(-1, keepdim=True) / square * direction


def _norm(values: torch.Tensor) -> torch.Tensor:
    """Norm over points and coordinates, [rows]."""
    return values.flatten(1).norm(dim=1)

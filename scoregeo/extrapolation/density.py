"""Probability-density geodesics past the end of a path: the geodesic equation as an initial-value
problem.
"""

import time
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, ScoreError, bad_value, check_number
from scoregeo.extrapolation.base import COMPLETE, FAILED, AbstractExtrapolation, Continuation
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import arc_length
from scoregeo.score.field import ScoreField


@dataclass(frozen=True)
class Density(AbstractExtrapolation):
    """Yu et al. 2025, "Probability density geodesics in image diffusion latent space" (CVPR),
    initial-value form.

    From the path's second end, along its last segment, at constant speed,

        x'' = -alpha |x'|^2 (I - P_v) s,    P_v the projection on x',  s = grad log p(x),

    by classical Runge-Kutta steps, `substeps` from each point to the next: the geodesics of
    `g = p^(-2 alpha) I` at equal steps of Euclidean length (`DensityGeodesic` is the boundary-value
    form). The equation is the same in scaled coordinates, so points stay in the field's. With
    `sphere`, as in the released code (model/ivp.py), s and x'' lose their part along x, and after
    each step x is put back to its norm and x' made tangent; x' keeps its length in both cases.
    Cost:
    `4 substeps (num_points - 1)` score evaluations a path. The metric is not used, only the score
    it is made of.

    The released code has no settings for this form: alpha is that of its boundary-value example,
    `substeps` is ours. There `sphere` is on, for the start is a DDIM-inverted latent at 0.7 T; here
    it is off, for paths that end at clean points.

    Attributes:
        alpha: above 0. substeps: at least 1. sphere: whether the norm is kept; for points at a
            noise level.
    """

    alpha: float = 0.002
    substeps: int = 1
    sphere: bool = False
    of_metric = False

    def __post_init__(self) -> None:
        check_number("extrapolation.density.alpha", self.alpha, above=0.0)
        check_number("extrapolation.density.substeps", self.substeps, at_least=1, integer=True)
        if not isinstance(self.sphere, bool):
            raise bad_value("extrapolation.density.sphere", self.sphere, "true or false")

    def check(self, metric: AbstractMetric) -> None:
        """Every metric will do: it is not asked."""

    @torch.no_grad()
    def extend(
        self,
        metric: AbstractMetric,
        path: torch.Tensor,
        reach: torch.Tensor,
        num_points: int,
        rule: Quadrature,
    ) -> Continuation:
        """A path whose score fails stays where it last was. Raises ConfigError where the metric has
        no score.
        """
        if metric.field is None:
            raise ConfigError(
                f"extrapolation.density needs a score; metric = {metric.name!r} was made without"
                " one."
            )
        began = time.perf_counter()
        flow = _Flow(self, metric.field, path, reach)
        points = [flow.x.clone()]
        for _ in range(num_points - 1):
            for _ in range(self.substeps):
                flow.step(1 / ((num_points - 1) * self.substeps))
            points.append(flow.x.clone())
        line = torch.stack(points, 1).to(path.dtype).reshape(len(path), num_points, *path.shape[2:])
        line[:, 0] = path[:, -1]
        return Continuation(
            path=line,
            status=tuple(FAILED if failed else COMPLETE for failed in flow.failed.tolist()),
            reached=flow.gone.clamp(0, 1).cpu(),
            score_evaluations=flow.evaluations.cpu(),
            seconds=time.perf_counter() - began,
        )


class _Flow:
    """The state of one call: `x` and `v` [pairs, D] float64, over unit time."""

    def __init__(
        self, method: Density, field: ScoreField, path: torch.Tensor, reach: torch.Tensor
    ) -> None:
        self.method, self.field = method, field
        self.shape, self.dtype = path.shape[2:], path.dtype
        self.x = path[:, -1].double().flatten(1).clone()  # stepped in place
        self.radius = self.x.norm(dim=1, keepdim=True)
        self.speed = (reach.to(self.x) * arc_length(path))[:, None]
        last = self.x - path[:, -2].double().flatten(1)
        self.v = self.speed * torch.nn.functional.normalize(self._tangent(last, self.x), dim=1)
        self.failed = (self.v == 0).all(
            1
        )  # no way to go: a last segment of no length, or none along the sphere
        self.gone = torch.zeros(len(path), dtype=torch.float64, device=path.device)
        self.evaluations = torch.zeros(len(path), dtype=torch.int64, device=path.device)

    def step(self, h: float) -> None:
        """One Runge-Kutta step of all paths that have not failed."""
        rows = (~self.failed).nonzero()[:, 0]
        if len(rows) == 0:
            return
        x, v = self.x[rows], self.v[rows]
        a1 = self._acceleration(rows, x, v)
        a2 = self._acceleration(rows, x + h / 2 * v, v + h / 2 * a1)
        a3 = self._acceleration(rows, x + h / 2 * v + h**2 / 4 * a1, v + h / 2 * a2)
        a4 = self._acceleration(rows, x + h * v + h**2 / 2 * a2, v + h * a3)
        x, v = x + h * v + h**2 / 6 * (a1 + a2 + a3), v + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        if self.method.sphere:
            x = self.radius[rows] * torch.nn.functional.normalize(x, dim=1)
        good = ~self.failed[rows]
        kept = rows[good]
        self.x[kept] = x[good]
        self.v[kept] = self.speed[kept] * torch.nn.functional.normalize(
            self._tangent(v, x)[good], dim=1
        )
        self.gone[kept] += h

    def _acceleration(self, rows: torch.Tensor, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`-alpha |v|^2 (I - P_v) s`, [rows, D]; marks rows whose score is not finite, and gives 0
        there.
        """
        active = ~self.failed[rows]
        s = torch.zeros_like(x)
        s[active], finite = self._score(x[active])
        self.evaluations[rows[active]] += 1
        self.failed[rows[active]] = ~finite
        s = self._tangent(s, x)
        square = (v * v).sum(1, keepdim=True)
        # |v|^2 (I - P_v) s, without a division by |v|^2.
        bent = -self.method.alpha * (square * s - (s * v).sum(1, keepdim=True) * v)
        return self._tangent(bent, x)

    def _tangent(self, v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """v without its part along x where the path is held on a sphere."""
        if not self.method.sphere:
            return v
        unit = torch.nn.functional.normalize(x, dim=1)
        return v - (v * unit).sum(1, keepdim=True) * unit

    def _score(self, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores [rows, D] float64, and which of them are finite; the others are 0."""
        points = flat.to(self.dtype).reshape(-1, *self.shape)
        if len(points) == 0:
            return flat, torch.zeros(0, dtype=torch.bool, device=flat.device)
        try:
            return self.field(points).double().flatten(1), torch.ones(
                len(points), dtype=torch.bool, device=flat.device
            )
        except ScoreError:
            if len(points) == 1:
                return torch.zeros_like(flat), torch.zeros(1, dtype=torch.bool, device=flat.device)
        # One bad point makes the whole batch an error: ask for each alone.
        parts = [self._score(one) for one in flat.split(1)]
        return torch.cat([value for value, _ in parts]), torch.cat([finite for _, finite in parts])

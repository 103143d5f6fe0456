"""What else the metric knows of the manifold: its curvature, its dimension, and its tangent
directions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from experiments.properties.surfaces import SurfaceCase
from scoregeo.dataset.base import AbstractDataset
from scoregeo.geometry.curvature import sectional_curvature
from scoregeo.geometry.dimension import intrinsic_dimension
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.field import ScoreField


@dataclass(frozen=True)
class Curvature:
    """Sectional curvature of the Stein metric, and the surface's own, at points of it: [points]
    each; `weight` is `lam |s|^2`.
    """

    found: torch.Tensor
    true: torch.Tensor
    weight: torch.Tensor

    @property
    def error(self) -> torch.Tensor:
        """`|found - true|` over the root mean square of the true curvature, [points]."""
        return (self.found - self.true).abs() / self.true.square().mean().sqrt()

    @property
    def same_sign(self) -> torch.Tensor:
        """1 where the signs agree, else 0, [points]."""
        return (self.found.sign() == self.true.sign()).double()


def curvature(case: SurfaceCase, sigma: float, lam: float, points: int, seed: int) -> Curvature:
    """The plane across the score at each point, in the metric `I + lam s s^T`, against the surface.

    The plane is tangent to the level set of log p, along which `u . J u = -|s| II(u, u)`. So by
    Gauss's equation of the metric's graph `K = lam |s|^2 / (1 + lam |s|^2)` times the level set's
    Gaussian curvature: the metric knows it where `lam |s|^2` is large, and near the surface the
    level set is the surface. 7 score evaluations a point.
    """
    x, field = case.dataset.sample(points, seed), case.score(sigma)
    s = field(x)
    first = torch.linalg.cross(s, torch.eye(3, dtype=s.dtype)[s.abs().argmin(1)])
    first = first / first.norm(dim=1, keepdim=True)
    second = torch.linalg.cross(s / s.norm(dim=1, keepdim=True), first)
    found = sectional_curvature(SteinMetric(field, lam), x, first, second)
    return Curvature(found, case.curvature(x), lam * s.square().sum(1))


def dimension(field: ScoreField, x: torch.Tensor, probes: int | None, seed: int) -> torch.Tensor:
    """Intrinsic dimension at x, [points]; see `scoregeo.geometry.dimension`."""
    return intrinsic_dimension(field, x, probes, seed)


@dataclass(frozen=True)
class Descent:
    """Ways from a point of the manifold towards another: greatest distance to the manifold, and
    what was left to go, [pairs].
    """

    off: torch.Tensor
    left: torch.Tensor


def directions(
    field: ScoreField, lam: float
) -> dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]:
    """`g^-1 v` at x, by metric: none at all, Stein's closed form, and the
    pullback's by its matrix.
    """
    stein, pullback = SteinMetric(field, lam), PullbackMetric(field)

    def solved(x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.linalg.solve(pullback.matrix(x), v)

    return {"none": lambda x, v: v, "stein": stein.inverse, "pullback": solved}


@torch.no_grad()
def descend(
    dataset: AbstractDataset,
    inverse: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    pairs: int,
    step: float,
    seed: int,
) -> Descent:
    """Gradient descent of `|x - b|^2 / 2` from a to b of the dataset's pairs,
    `x <- x - step g^-1 (x - b) / |g^-1 (x - b)|`.

    Midpoint rule, of second order in `step` (data units), until b is within a step or four times
    the true way is gone."""
    found = dataset.pairs(seed)
    x, target = found.first[:pairs].clone(), found.second[:pairs]
    length = dataset.true_length(found)
    assert length is not None
    off = torch.zeros(len(x), dtype=torch.float64)
    going = torch.ones(len(x), 1, dtype=torch.bool)

    def heading(y: torch.Tensor) -> torch.Tensor:
        down = inverse(y, y - target)
        return down / down.norm(dim=1, keepdim=True).clamp_min(1e-300)

    for _ in range(int(4 * float(length[:pairs].max()) / step)):
        going = going & ((x - target).norm(dim=1, keepdim=True) > step)
        if not going.any():
            break
        x = torch.where(going, x - step * heading(x - step / 2 * heading(x)), x)
        away = dataset.distance(x)
        assert away is not None
        off = torch.maximum(off, away.double())
    return Descent(off, (x - target).norm(dim=1).double())

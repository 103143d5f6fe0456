"""The k-sphere in R^D: great circles are the truth."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, bad_value, check_above, check_length, check_number
from scoregeo._utils.memory import check_count
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import GRID, AbstractDataset, Pairs, reach_of, repeats_named

log = logging.getLogger(__name__)

_ON_SPHERE = 1e-6  # largest distance of a given endpoint to the sphere, in units of the radius
# Radians short of pi below which the shortest path is not distinguished from its mirror image
_ANTIPODAL = 1e-9
# Two points that pass the first tolerance cannot be distinguished closer than this.
_IDENTICAL = 1e-6


class Sphere(AbstractDataset):
    """`S^k = {x : x_1^2 + .. + x_{k+1}^2 = radius^2, x_{k+2} = .. = x_D = 0}`, uniform; points [D],
    float64.

    Taking the first k+1 coordinates loses nothing: metrics, solvers and isotropic noise commute
    with rotations of R^D. `Pairs.truth` [pairs, D] is the initial velocity of the great circle on
    the unit sphere; its norm is the arc in radians."""

    def __init__(
        self,
        dimension: int = 2,
        ambient: int = 3,
        radius: float = 1.0,
        num_pairs: int = 8,
        min_angle: float = 0.3,
        max_angle: float = 2.4,
        endpoints: Sequence[Sequence[Sequence[float]]] | None = None,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            dimension: k, at least 1. ambient: D, above k. radius: in data units.
            num_pairs: pairs drawn from the seed, their arcs uniform in [min_angle, max_angle],
                radians, within (0, pi].
            endpoints: explicit pairs [[first, second], ...] of D numbers each, in place of drawn
                ones. Antipodal ends are allowed with a warning in the log: their geodesic is not
                    unique and one great circle is returned.

        Raises: ConfigError for anything else, and for identical endpoints or points off the sphere.
        """
        check_number("dataset.dimension", dimension, at_least=1, integer=True)
        check_number("dataset.ambient", ambient, at_least=2, integer=True)
        if dimension >= ambient:
            raise bad_value("dataset.dimension", dimension, f"below dataset.ambient = {ambient}")
        check_length("dataset.radius", radius)
        check_count("dataset.num_pairs", num_pairs, 2 * ambient, "so many pairs")
        check_number("dataset.min_angle", min_angle, above=0.0, at_most=math.pi)
        check_number("dataset.max_angle", max_angle, at_most=math.pi)
        check_above("dataset.max_angle", max_angle, "dataset.min_angle", min_angle, equal=True)
        self.dimension = dimension
        self.ambient = ambient
        self.radius = float(radius)
        self.num_pairs = num_pairs
        self.min_angle = float(min_angle)
        self.max_angle = float(max_angle)
        self._endpoints = None if endpoints is None else self._check_endpoints(endpoints)
        typed = (num_pairs, min_angle, max_angle) != (8, 0.3, 2.4)  # the defaults
        if self._endpoints is not None and typed:
            log.warning(
                "dataset.endpoints gives the pairs, %d of them: dataset.num_pairs, min_angle and"
                " max_angle are of drawn pairs and have no effect",
                len(self._endpoints),
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.ambient,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def pairs(self, seed: int) -> Pairs:
        """Drawn pairs: a uniform point, a uniform direction, a uniform arc; or the
        given endpoints.
        """
        if self._endpoints is not None:
            first, velocity = self._endpoints[:, 0], self._velocity(self._endpoints)
            second = self._endpoints[:, 1]
        else:
            source = generator(seed, "pairs")
            unit = self._uniform(self.num_pairs, source)
            across = self._perpendicular(unit, self._gaussian(self.num_pairs, source))
            arcs = torch.rand(self.num_pairs, 1, generator=source, dtype=self.dtype)
            velocity = across * (self.min_angle + (self.max_angle - self.min_angle) * arcs)
            first = self.radius * unit
            second = self._exponential(first, velocity, torch.ones(1, dtype=self.dtype))[:, 0]
        names = tuple(f"pair{i:03d}" for i in range(len(first)))
        return repeats_named(Pairs(first, second, names, ("all",) * len(first), velocity))

    def sample(self, count: int, seed: int) -> torch.Tensor:
        return self.radius * self._uniform(count, generator(seed, "sample"))

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        fractions = torch.linspace(0, 1, num_points, dtype=self.dtype)
        return self._exponential(pairs.first, self._truth(pairs), fractions)

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        """The great circle, continued; past half a turn it comes back on the other side."""
        fractions = torch.linspace(0, 1, num_points, dtype=self.dtype)
        return self._exponential(
            pairs.first, self._truth(pairs), 1 + reach_of(reach, pairs)[:, None] * fractions
        )

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        return self.radius * self._truth(pairs).norm(dim=-1)

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """`sqrt((|head| - radius)^2 + |tail|^2)`, head the first k+1 coordinates."""
        head, tail = points[:, : self.dimension + 1], points[:, self.dimension + 1 :]
        return torch.hypot(head.norm(dim=1) - self.radius, tail.norm(dim=1))

    def curvature(self, points: torch.Tensor) -> torch.Tensor | None:
        return points.new_full((len(points),), self.radius**-2) if self.dimension == 2 else None

    def surface_grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        if self.dimension != 2:
            return None
        r, u = self.radius, np.linspace(0, 2 * np.pi, GRID)
        v = np.linspace(0, np.pi, GRID // 2)[:, None]
        return r * np.sin(v) * np.cos(u), r * np.sin(v) * np.sin(u), r * np.cos(v) * np.ones_like(u)

    def _truth(self, pairs: Pairs) -> torch.Tensor:
        return self._velocity(pairs.ends) if pairs.truth is None else pairs.truth

    def _exponential(
        self, first: torch.Tensor, velocity: torch.Tensor, fractions: torch.Tensor
    ) -> torch.Tensor:
        """`cos(u a) x + radius sin(u a) v / a`, a = |v|, u = `fractions` [points] or [pairs,
        points]: [pairs, points, D].
        """
        angle = velocity.norm(dim=-1, keepdim=True)
        turned = fractions[..., None] * angle[:, None]
        return (
            turned.cos() * first[:, None] + self.radius * turned.sin() * (velocity / angle)[:, None]
        )

    def _velocity(self, ends: torch.Tensor) -> torch.Tensor:
        """Velocity of the shortest great circle from ends[:, 0] to ends[:, 1]; for antipodal ends,
        of one of them.
        """
        unit = ends / ends.norm(dim=-1, keepdim=True)
        first, second = unit[:, 0], unit[:, 1]
        # This form of the angle is accurate at both ends of [0, pi], unlike the arc cosine.
        angle = 2 * torch.atan2((second - first).norm(dim=-1), (second + first).norm(dim=-1))
        # Where second = -first the direction is free: any axis that is not along `first` gives one.
        axis = torch.nn.functional.one_hot(
            first[:, : self.dimension + 1].abs().argmin(1), self.ambient
        ).to(first)
        antipodal = (math.pi - angle < _ANTIPODAL)[:, None]
        return angle[:, None] * self._perpendicular(first, torch.where(antipodal, axis, second))

    def _perpendicular(self, unit: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """Unit vectors along the part of `vector` that is perpendicular to `unit`;
        both [batch, D].
        """
        for _ in range(
            2
        ):  # once more, since the first pass cancels digits where the two are nearly parallel
            vector = vector - (vector * unit).sum(-1, keepdim=True) * unit
            vector = vector / vector.norm(dim=-1, keepdim=True)
        return vector

    def _gaussian(self, count: int, source: torch.Generator) -> torch.Tensor:
        head = torch.randn(count, self.dimension + 1, generator=source, dtype=self.dtype)
        return torch.nn.functional.pad(head, (0, self.ambient - self.dimension - 1))

    def _uniform(self, count: int, source: torch.Generator) -> torch.Tensor:
        vector = self._gaussian(count, source)
        return vector / vector.norm(dim=-1, keepdim=True)

    def _check_endpoints(self, endpoints: Any) -> torch.Tensor:
        allowed = (
            f"a list of [first, second], each {self.ambient} numbers on the sphere of radius"
            f" {self.radius:g}"
        )
        try:
            ends = torch.as_tensor(endpoints, dtype=self.dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            raise bad_value("dataset.endpoints", endpoints, allowed) from error
        if (
            ends.ndim != 3
            or len(ends) == 0
            or ends.shape[1:] != (2, self.ambient)
            or not ends.isfinite().all()
        ):
            raise bad_value("dataset.endpoints", endpoints, allowed)
        off = self.distance(ends.flatten(0, 1))
        if off.max() > _ON_SPHERE * self.radius:
            raise bad_value(
                "dataset.endpoints",
                endpoints,
                f"{allowed} (one is {float(off.max()):.3g} away from it)",
            )
        for i, (first, second) in enumerate(ends):
            if (first - second).norm() <= _IDENTICAL * self.radius:
                raise ConfigError(
                    f"dataset.endpoints[{i}] = {endpoints[i]!r} is not allowed: its two points are"
                    " identical, dataset.endpoints must be pairs of different points."
                )
            if (first + second).norm() <= _ANTIPODAL * self.radius:
                log.warning(
                    "dataset.endpoints[%d] = %r: the points are antipodal, so the geodesic between"
                    " them is not unique; one great circle of the many is used.",
                    i,
                    endpoints[i],
                )
        return ends

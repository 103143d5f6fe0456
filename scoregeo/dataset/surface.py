"""Closed surfaces in R^3 that are star-shaped about the origin: ellipsoids and wiggly spheres."""

import math
from abc import abstractmethod
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree

from scoregeo._utils.errors import ConfigError, bad_value, check_above, check_number
from scoregeo._utils.memory import check_count, check_nodes
from scoregeo._utils.seed import draws, generator
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.geodesic_surface import AbstractGeodesicSurface, Coordinates
from scoregeo.dataset.level_set import LevelSet, Point, shoot, shortest_geodesic

_POINTS = 65  # of a true geodesic, where its greatest curvature is looked for
_COARSE = 40_000  # nodes among which the nearest point of the surface is looked for first


class AbstractSurface(AbstractGeodesicSurface):
    """Uniform in area on a `LevelSet`; points [3], float64. A subclass gives the surface and calls
    `_settings`.
    """

    num_pairs: int
    min_angle: float
    max_angle: float
    curvature_groups: int
    _tree: tuple[cKDTree, np.ndarray] | None = None

    @property
    @abstractmethod
    def surface(self) -> LevelSet:
        """Its equation."""

    def pairs(self, seed: int) -> Pairs:
        """Two points uniform in area whose directions from the origin differ by min_angle to
        max_angle.
        """
        source, kept = generator(seed, "pairs"), 0
        found: list[torch.Tensor] = []
        for _ in draws(self._too_narrow(), 10_000 + 100 * self.num_pairs):
            if kept == self.num_pairs:
                break
            ends = self._uniform(2, source)
            unit = ends / ends.norm(dim=1, keepdim=True)
            angle = 2 * math.atan2(
                float((unit[0] - unit[1]).norm()), float((unit[0] + unit[1]).norm())
            )
            if self.min_angle <= angle <= self.max_angle:
                found.append(ends)
                kept += 1
        ends = torch.stack(found)
        names = tuple(f"pair{i:03d}" for i in range(self.num_pairs))
        pairs = Pairs(ends[:, 0], ends[:, 1], names, ("all",) * self.num_pairs)
        return replace(pairs, groups=self._groups(pairs)) if self.curvature_groups > 1 else pairs

    def _too_narrow(self) -> ConfigError:
        allowed = f"further above dataset.min_angle = {self.min_angle:g}: hardly a pair is between"
        return bad_value("dataset.max_angle", self.max_angle, allowed)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        return self._uniform(count, generator(seed, "sample"))

    def curvature(self, points: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.surface.curvature(points.numpy()))

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """To the nearest point: the nearest of 40,000 nodes, then Newton's method on
        `y + mu grad F(y) / 2 = x, F(y) = 1`.
        """
        surface, x = self.surface, points.detach().cpu().double().numpy()
        if self._tree is None:
            nodes, _ = self._nodes(math.ceil(math.sqrt(_COARSE / 2)))
            self._tree = cKDTree(nodes), nodes
        tree, nodes = self._tree
        coarse, index = tree.query(x)
        y = nodes[index]
        slope = surface.gradient(y)
        mu = 2 * ((x - y) * slope).sum(-1) / (slope**2).sum(-1)
        with np.errstate(
            all="ignore"
        ):  # a point at a centre of curvature divides by zero, and keeps its node
            for _ in range(12):
                slope = surface.gradient(y)
                diagonal = 1 + mu[:, None] / 2 * surface.hessian(y)
                short = x - y - mu[:, None] / 2 * slope
                inverse = slope / diagonal
                step = ((inverse * short).sum(-1) - (1 - surface.value(y))) / (
                    (inverse * slope).sum(-1) / 2
                )
                y = y + (short - step[:, None] / 2 * slope) / diagonal
                mu = mu + step
        found = np.linalg.norm(x - y, axis=1)
        # Newton's method may leave for a farther stationary point where the nearest one is not
        # unique.
        good = (found <= coarse) & (np.abs(surface.value(y) - 1) < 1e-9)  # a NaN is neither
        return torch.from_numpy(np.where(good, found, coarse)).to(points)

    def quadrature(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Gauss-Legendre nodes in height times equal angles, projected from the unit sphere;
        weights times the area element.
        """
        count = math.ceil(math.pi * self.surface.reach / spacing)
        check_nodes(2 * count**2, spacing)
        nodes, weights = self._nodes(count)
        return torch.from_numpy(nodes), torch.from_numpy(weights)

    def _nodes(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """`count` rings of `2 count` nodes, and their shares of the area."""
        height, weight = np.polynomial.legendre.leggauss(count)
        phi = np.arange(2 * count) * (math.pi / count)
        ring = np.sqrt(1 - height**2)[:, None]
        directions = np.stack(
            [
                ring * np.cos(phi),
                ring * np.sin(phi),
                np.broadcast_to(height[:, None], (count, 2 * count)),
            ],
            -1,
        )
        directions = directions.reshape(-1, 3)
        points, area = self._project(directions)
        area = area * np.repeat(weight, 2 * count)
        return points, area / area.sum()

    def _project(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points of the surface in unit directions n, and their area elements
        `t^2 |grad F| / |n . grad F|` per solid angle.
        """
        radius = self.surface.radius(directions)
        points = radius[..., None] * directions
        slope = self.surface.gradient(points)
        return points, radius**2 * np.linalg.norm(slope, axis=-1) / np.abs(
            (slope * directions).sum(-1)
        )

    @cached_property
    def _highest(self) -> float:
        """A bound of the area element."""
        _, weights = self._project(_fan())
        return 1.05 * float(weights.max())

    def _uniform(self, count: int, source: torch.Generator) -> torch.Tensor:
        """Uniform directions, kept in proportion to the area element."""
        highest, kept, have = self._highest, [], 0
        for _ in draws(bad_value("dataset", type(self).__name__, "a rounder surface"), 10_000):
            if have >= count:
                break
            draw = torch.randn(2 * count + 8, 3, generator=source, dtype=self.dtype)
            chance = torch.rand(len(draw), generator=source, dtype=self.dtype).numpy()
            points, area = self._project((draw / draw.norm(dim=1, keepdim=True)).numpy())
            kept.append(points[chance * highest <= area])
            have += len(kept[-1])
        return torch.from_numpy(np.concatenate(kept)[:count])

    def _ends(self, pairs: Pairs) -> list[tuple[Coordinates, Coordinates]]:
        return [(tuple(start), tuple(stop)) for start, stop in pairs.ends.tolist()]

    def _shortest(self, start: Coordinates, stop: Coordinates) -> tuple[float, float]:
        return shortest_geodesic(self.surface, _point(start), _point(stop))

    def _shoot(
        self, start: Coordinates, alpha: float, length: float, fractions: np.ndarray
    ) -> np.ndarray:
        return shoot(self.surface, _point(start), alpha, length, fractions)[:, :3]

    def _groups(self, pairs: Pairs) -> tuple[str, ...]:
        """Groups of equal size by the greatest absolute curvature along the true geodesic, named by
        their ranges.
        """
        highest = (
            self.curvature(self.true_path(pairs, _POINTS).flatten(0, 1))
            .abs()
            .view(len(pairs), -1)
            .amax(1)
        )
        names = [""] * len(pairs)
        for part in highest.argsort(stable=True).tensor_split(self.curvature_groups):
            low, high = float(highest[part[0]]), float(highest[part[-1]])
            for index in part.tolist():
                names[index] = f"curvature {low:.2g} to {high:.2g}"
        return tuple(names)

    def _settings(
        self, num_pairs: int, min_angle: float, max_angle: float, curvature_groups: int
    ) -> None:
        """Check and keep what all surfaces have."""
        check_count("dataset.num_pairs", num_pairs, 6, "so many pairs")
        check_number("dataset.min_angle", min_angle, above=0.0, at_most=math.pi)
        check_number("dataset.max_angle", max_angle, at_most=math.pi)
        check_above("dataset.max_angle", max_angle, "dataset.min_angle", min_angle)
        check_number(
            "dataset.curvature_groups",
            curvature_groups,
            at_least=1,
            at_most=num_pairs,
            integer=True,
        )
        self.num_pairs, self.min_angle, self.max_angle = (
            num_pairs,
            float(min_angle),
            float(max_angle),
        )
        self.curvature_groups = curvature_groups


def _fan() -> np.ndarray:
    """Unit directions that cover the sphere: a Fibonacci lattice."""
    index = np.arange(20_000) + 0.5
    height, phi = 1 - 2 * index / len(index), math.pi * (1 + math.sqrt(5)) * index
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(phi), ring * np.sin(phi), height], -1)


def _point(coordinates: Coordinates) -> Point:
    x, y, z = coordinates
    return x, y, z

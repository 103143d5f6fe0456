"""The torus of revolution in R^3."""

import math

import numpy as np
import torch

from scoregeo._utils.errors import bad_value, check_above, check_length, check_number
from scoregeo._utils.memory import check_count
from scoregeo._utils.seed import draws, generator
from scoregeo.dataset.base import GRID, Pairs
from scoregeo.dataset.geodesic_surface import AbstractGeodesicSurface, Coordinates
from scoregeo.dataset.torus_geodesic import Angles, embed, shoot, shortest_geodesic

_THINNEST = 50  # times the tube's radius: beyond it the search for true geodesics takes too long


class Torus(AbstractGeodesicSurface):
    """`((R + r cos th) cos ph, (R + r cos th) sin ph, r sin th)`, uniform in area; points [3],
    float64.

    `R` is `major`, `r` is `minor`; th = 0 is the outer equator. `Pairs.truth` [pairs, 2, 2] holds
    (th, ph) of both ends."""

    def __init__(
        self,
        major: float = 1.0,
        minor: float = 0.4,
        num_pairs: int = 8,
        min_angle: float = 0.5,
        max_angle: float = 1.5,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            major: R, radius of the circle the tube runs along. minor: r, radius of the tube, below
                R and at least a fiftieth of it. Data units.
            num_pairs: pairs drawn from the seed.
            min_angle, max_angle: between the ends both th and ph differ by at most max_angle, and
                one of them by at least min_angle; radians, within (0, pi]. Above about pi / 2 the
                shortest way is often not the one nearest the chord.

        Raises: ConfigError for anything else.
        """
        check_length("dataset.major", major)
        check_length("dataset.minor", minor)
        if not major / _THINNEST <= minor < major:
            raise bad_value(
                "dataset.minor",
                minor,
                f"below dataset.major = {major!r} (the torus would cut itself), and at least a"
                f" {_THINNEST}th of it (true geodesics would take minutes to find)",
            )
        check_count("dataset.num_pairs", num_pairs, 6, "so many pairs")
        check_number("dataset.min_angle", min_angle, above=0.0, at_most=math.pi)
        check_number("dataset.max_angle", max_angle, at_most=math.pi)
        check_above("dataset.max_angle", max_angle, "dataset.min_angle", min_angle)
        self.major = float(major)
        self.minor = float(minor)
        self.num_pairs = num_pairs
        self.min_angle = float(min_angle)
        self.max_angle = float(max_angle)

    def pairs(self, seed: int) -> Pairs:
        """A first point uniform in area; a second one uniform in area among those allowed."""
        source = generator(seed, "pairs")
        found: list[torch.Tensor] = []
        allowed = f"further above dataset.min_angle = {self.min_angle:g}: hardly a pair is between"
        narrow = bad_value("dataset.max_angle", self.max_angle, allowed)
        for _ in draws(narrow, 100_000 + 100 * self.num_pairs):
            if len(found) == self.num_pairs:
                break
            first, second = self._angles(2, source)
            apart = torch.remainder(second - first + math.pi, 2 * math.pi) - math.pi
            if self.min_angle <= float(apart.abs().max()) <= self.max_angle:
                found.append(torch.stack([first, second]))
        truth = torch.stack(found)
        names = tuple(f"pair{i:03d}" for i in range(self.num_pairs))
        return Pairs(
            self.embed(truth[:, 0]),
            self.embed(truth[:, 1]),
            names,
            ("all",) * self.num_pairs,
            truth,
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        return self.embed(self._angles(count, generator(seed, "sample")))

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """`| sqrt((rho - R)^2 + z^2) - r |`, rho the distance to the axis."""
        rho = torch.hypot(points[:, 0], points[:, 1])
        return (torch.hypot(rho - self.major, points[:, 2]) - self.minor).abs()

    def curvature(self, points: torch.Tensor) -> torch.Tensor:
        """`cos th / (r (R + r cos th))`."""
        cosine = self.angles(points)[..., 0].cos()
        return cosine / (self.minor * (self.major + self.minor * cosine))

    def surface_grid(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        turn = torch.from_numpy(np.linspace(0, 2 * np.pi, GRID))
        theta, phi = torch.meshgrid(turn, turn, indexing="ij")
        x, y, z = self.embed(torch.stack([theta, phi], -1)).numpy().transpose(2, 0, 1)
        return x, y, z

    def embed(self, angles: torch.Tensor) -> torch.Tensor:
        """Points in R^3 [..., 3] of angles (th, ph) [..., 2]."""
        return torch.from_numpy(embed(self.major, self.minor, np.moveaxis(angles.numpy(), -1, 0)))

    def angles(self, points: torch.Tensor) -> torch.Tensor:
        """Angles (th, ph) [..., 2] of the torus points nearest to points [..., 3]."""
        rho = torch.hypot(points[..., 0], points[..., 1])
        return torch.stack(
            [
                torch.atan2(points[..., 2], rho - self.major),
                torch.atan2(points[..., 1], points[..., 0]),
            ],
            -1,
        )

    def _ends(self, pairs: Pairs) -> list[tuple[Coordinates, Coordinates]]:
        truth = self.angles(pairs.ends) if pairs.truth is None else pairs.truth
        return [(tuple(start), tuple(stop)) for start, stop in truth.tolist()]

    def _shortest(self, start: Coordinates, stop: Coordinates) -> tuple[float, float]:
        return shortest_geodesic(self.major, self.minor, _pair(start), _pair(stop))

    def _shoot(
        self, start: Coordinates, alpha: float, length: float, fractions: np.ndarray
    ) -> np.ndarray:
        states = shoot(self.major, self.minor, _pair(start), alpha, length, fractions)
        return embed(self.major, self.minor, states)

    def _angles(self, count: int, source: torch.Generator) -> torch.Tensor:
        """Uniform in area: ph uniform, th by rejection against its density, proportional to R + r
        cos th.
        """
        kept, have = [], 0
        while have < count:
            draw = torch.rand(count, 3, generator=source, dtype=self.dtype)
            theta, phi = 2 * math.pi * draw[:, 0], 2 * math.pi * draw[:, 1]
            keep = draw[:, 2] * (self.major + self.minor) <= self.major + self.minor * theta.cos()
            kept.append(torch.stack([theta, phi], -1)[keep])
            have += int(keep.sum())
        return torch.cat(kept)[:count]


def _pair(coordinates: Coordinates) -> Angles:
    theta, phi = coordinates
    return theta, phi

"""The torus of revolution in R^3."""

import math

import numpy as np
import torch

from scoregeo._utils.errors import bad_value, check_number
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import GRID, AbstractDataset, Pairs, reach_of
from scoregeo.dataset.torus_geodesic import Angles, embed, shoot, shortest_geodesic


class Torus(AbstractDataset):
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
                R. Data units.
            num_pairs: pairs drawn from the seed.
            min_angle, max_angle: between the ends both th and ph differ by at most max_angle, and
                one of them by at least min_angle; radians, within (0, pi]. Above about pi / 2 the
                shortest way is often not the one nearest the chord.

        Raises: ConfigError for anything else.
        """
        check_number("dataset.major", major, above=0.0)
        check_number("dataset.minor", minor, above=0.0)
        if minor >= major:
            raise bad_value(
                "dataset.minor",
                minor,
                f"below dataset.major = {major!r} (the torus would cut itself)",
            )
        check_number("dataset.num_pairs", num_pairs, at_least=1, integer=True)
        check_number("dataset.min_angle", min_angle, above=0.0, at_most=math.pi)
        check_number("dataset.max_angle", max_angle, at_most=math.pi)
        if max_angle <= min_angle:
            raise bad_value(
                "dataset.max_angle", max_angle, f"above dataset.min_angle = {min_angle!r}"
            )
        self.major = float(major)
        self.minor = float(minor)
        self.num_pairs = num_pairs
        self.min_angle = float(min_angle)
        self.max_angle = float(max_angle)

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def pairs(self, seed: int) -> Pairs:
        """A first point uniform in area; a second one uniform in area among those allowed."""
        source = generator(seed, "pairs")
        found: list[torch.Tensor] = []
        while len(found) < self.num_pairs:
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

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return self._along(
            pairs, np.broadcast_to(np.linspace(0, 1, num_points), (len(pairs), num_points))
        )

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        """The shortest geodesic, followed on by its own equation; it need not be shortest past the
        second end.
        """
        return self._along(
            pairs, 1 + reach_of(reach, pairs).numpy()[:, None] * np.linspace(0, 1, num_points)
        )

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        lengths = [
            shortest_geodesic(self.major, self.minor, start, stop)[1]
            for start, stop in self._ends(pairs)
        ]
        return torch.tensor(lengths, dtype=self.dtype)

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

    def _along(self, pairs: Pairs, fractions: np.ndarray) -> torch.Tensor:
        """The shortest geodesics and what follows them, at `fractions` [pairs, points] of their
        lengths: [pairs, points, 3].
        """
        rows = []
        for (start, stop), wanted in zip(self._ends(pairs), fractions, strict=True):
            alpha, length = shortest_geodesic(self.major, self.minor, start, stop)
            # The integrator begins at the first end, whichever part of the way is asked for.
            furthest = wanted[-1]
            rows.append(
                shoot(self.major, self.minor, start, alpha, furthest * length, wanted / furthest)[
                    :2
                ].T
            )
        return self.embed(torch.from_numpy(np.stack(rows)))

    def _ends(self, pairs: Pairs) -> list[tuple[Angles, Angles]]:
        truth = self.angles(pairs.ends) if pairs.truth is None else pairs.truth
        return [((a, b), (c, d)) for (a, b), (c, d) in truth.tolist()]

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

"""Products of circles: flat, of any dimension, with as many normal directions as tangent ones."""

import math

import torch

from scoregeo._utils.errors import ConfigError, check_above, check_length, check_number
from scoregeo._utils.memory import check_count
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of

_MOST_NODES = 2_000_000


class FlatTorus(AbstractDataset):
    """`(r cos t_1, r sin t_1, .., r cos t_m, r sin t_m)`, uniform; points [2 m], float64.

    The Clifford torus: m = 2, r = 1 / sqrt(2). Dimension m and codimension m.
    Geodesics are straight in the angles; length `r |t - t'|`.
    `Pairs.truth` [pairs, 2, m] holds the angles of both ends, the second's so that the shortest way
    is straight.
    """

    def __init__(
        self,
        circles: int = 2,
        radius: float = 1 / math.sqrt(2),
        num_pairs: int = 8,
        min_angle: float = 0.5,
        max_angle: float = 2.4,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            circles: m, at least 1. radius: r of each, in data units. num_pairs: pairs drawn from
                the seed.
            min_angle, max_angle: every angle differs by at most max_angle between the ends, and one
                by at least min_angle; radians, within (0, pi).

        Raises: ConfigError for anything else.
        """
        check_number("dataset.circles", circles, at_least=1, integer=True)
        check_length("dataset.radius", radius)
        check_count("dataset.num_pairs", num_pairs, 4 * circles, "so many pairs")
        check_number("dataset.min_angle", min_angle, above=0.0, below=math.pi)
        check_number("dataset.max_angle", max_angle, below=math.pi)
        check_above("dataset.max_angle", max_angle, "dataset.min_angle", min_angle)
        self.circles, self.radius, self.num_pairs = circles, float(radius), num_pairs
        self.min_angle, self.max_angle = float(min_angle), float(max_angle)

    @property
    def shape(self) -> tuple[int, ...]:
        return (2 * self.circles,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def pairs(self, seed: int) -> Pairs:
        source = generator(seed, "pairs")
        first = (
            2
            * math.pi
            * torch.rand(self.num_pairs, self.circles, generator=source, dtype=self.dtype)
        )
        turn = self.max_angle * (
            2 * torch.rand(self.num_pairs, self.circles, generator=source, dtype=self.dtype) - 1
        )
        # The first circle always turns far enough.
        least = (
            self.min_angle + (self.max_angle - self.min_angle) * turn[:, 0].abs() / self.max_angle
        )
        turn[:, 0] = torch.copysign(least, turn[:, 0])
        truth = torch.stack([first, first + turn], 1)
        names = tuple(f"pair{i:03d}" for i in range(self.num_pairs))
        return Pairs(
            self.embed(truth[:, 0]),
            self.embed(truth[:, 1]),
            names,
            ("all",) * self.num_pairs,
            truth,
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        return self.embed(
            2
            * math.pi
            * torch.rand(count, self.circles, generator=generator(seed, "sample"), dtype=self.dtype)
        )

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return self._along(pairs, torch.linspace(0, 1, num_points, dtype=self.dtype)[None])

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        return self._along(
            pairs,
            1
            + reach_of(reach, pairs)[:, None] * torch.linspace(0, 1, num_points, dtype=self.dtype),
        )

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        return self.radius * self._angles(pairs).diff(dim=1)[:, 0].norm(dim=-1)

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """`sqrt(sum_k (|x_k| - r)^2)`, x_k the part of x in the plane of circle k."""
        return (points.unflatten(-1, (self.circles, 2)).norm(dim=-1) - self.radius).norm(dim=-1)

    def curvature(self, points: torch.Tensor) -> torch.Tensor | None:
        return points.new_zeros(len(points)) if self.circles == 2 else None

    def quadrature(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
        each = max(8, math.ceil(2 * math.pi * self.radius / spacing))
        if each**self.circles > _MOST_NODES:
            raise ConfigError(
                f"dataset.circles = {self.circles} needs {each}^{self.circles} nodes at a spacing"
                f" of {spacing:g}, more than {_MOST_NODES:,}: take a larger score.sigma, fewer"
                " circles, or score=empirical."
            )
        angle = torch.arange(each, dtype=self.dtype) * (2 * math.pi / each)
        nodes = self.embed(torch.cartesian_prod(*[angle] * self.circles).view(-1, self.circles))
        return nodes, torch.full((len(nodes),), 1 / len(nodes), dtype=self.dtype)

    def embed(self, angles: torch.Tensor) -> torch.Tensor:
        """Points [..., 2 m] of angles [..., m]."""
        return self.radius * torch.stack([angles.cos(), angles.sin()], -1).flatten(-2)

    def _angles(self, pairs: Pairs) -> torch.Tensor:
        if pairs.truth is not None:
            return pairs.truth
        planes = pairs.ends.unflatten(-1, (self.circles, 2))
        angle = torch.atan2(planes[..., 1], planes[..., 0])
        turn = torch.remainder(angle[:, 1] - angle[:, 0] + math.pi, 2 * math.pi) - math.pi
        return torch.stack([angle[:, 0], angle[:, 0] + turn], 1)

    def _along(self, pairs: Pairs, fractions: torch.Tensor) -> torch.Tensor:
        truth = self._angles(pairs)
        return self.embed(truth[:, :1] + fractions[..., None] * truth.diff(dim=1))

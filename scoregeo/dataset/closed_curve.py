"""A closed curve in R^3: dimension one, codimension two."""

import math

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from scoregeo._utils.errors import check_above, check_length, check_number
from scoregeo._utils.memory import check_count, check_nodes
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of

_NODES = 2**14  # of the table of arc lengths, which the cubic spline makes accurate to 1e-13 or so


class ClosedCurve(AbstractDataset):
    """`radius (cos t, sin t, height cos(waves t))`, uniform in arc length; points [3], float64.

    The geodesic between two points is the shorter of the two arcs. `Pairs.truth` [pairs, 2] holds
    the arc lengths of both ends, the second's so that the shorter way is straight.
    """

    def __init__(
        self,
        radius: float = 1.0,
        height: float = 0.3,
        waves: int = 3,
        num_pairs: int = 8,
        min_share: float = 0.05,
        max_share: float = 0.35,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            radius: in data units. height: of the waves, in radii, from 0 to 1000. waves: their
                whole number around, from 1 to 1024, which the table of arc lengths resolves.
            num_pairs: pairs drawn from the seed.
            min_share, max_share: of the curve's length that lies between the ends, within (0, 0.5).

        Raises: ConfigError for anything else.
        """
        check_length("dataset.radius", radius)
        check_number("dataset.height", height, at_least=0.0, at_most=1000.0)
        check_number("dataset.waves", waves, at_least=1, at_most=_NODES // 16, integer=True)
        check_count("dataset.num_pairs", num_pairs, 6, "so many pairs")
        check_number("dataset.min_share", min_share, above=0.0, below=0.5)
        check_number("dataset.max_share", max_share, below=0.5)
        check_above("dataset.max_share", max_share, "dataset.min_share", min_share)
        self.radius, self.height, self.waves, self.num_pairs = (
            float(radius),
            float(height),
            waves,
            num_pairs,
        )
        self.min_share, self.max_share = float(min_share), float(max_share)
        t = np.linspace(0, 2 * math.pi, _NODES + 1)
        speed = np.linalg.norm(self._embed(t, 1), axis=-1)
        along = CubicSpline(t, speed, bc_type="periodic").antiderivative()(t)
        self.length = float(along[-1])
        ahead = t - along * (2 * math.pi / self.length)
        ahead[-1] = ahead[0]
        self._ahead = CubicSpline(along, ahead, bc_type="periodic")
        self._tree: cKDTree | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def pairs(self, seed: int) -> Pairs:
        source = generator(seed, "pairs")
        first = self.length * torch.rand(self.num_pairs, generator=source, dtype=self.dtype)
        draw = 2 * torch.rand(self.num_pairs, generator=source, dtype=self.dtype) - 1
        share = torch.copysign(
            self.min_share + (self.max_share - self.min_share) * draw.abs(), draw
        )
        truth = torch.stack([first, first + self.length * share], 1)
        names = tuple(f"pair{i:03d}" for i in range(self.num_pairs))
        return Pairs(
            self.at(truth[:, 0]), self.at(truth[:, 1]), names, ("all",) * self.num_pairs, truth
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        return self.at(
            self.length * torch.rand(count, generator=generator(seed, "sample"), dtype=self.dtype)
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
        return self._arcs(pairs).diff(dim=1)[:, 0].abs()

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        x = points.detach().cpu().double().numpy()
        return torch.from_numpy(np.linalg.norm(x - self._embed(self._nearest(x)), axis=-1)).to(
            points
        )

    def quadrature(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
        count = max(16, math.ceil(self.length / spacing))
        check_nodes(count, spacing)
        nodes = self.at(torch.arange(count, dtype=self.dtype) * (self.length / count))
        return nodes, torch.full((count,), 1 / count, dtype=self.dtype)

    def at(self, arc: torch.Tensor) -> torch.Tensor:
        """Points [..., 3] at arc lengths [...] from `radius (1, 0, height)`."""
        return torch.from_numpy(self._embed(self._angle(arc.numpy())))

    def _angle(self, arc: np.ndarray) -> np.ndarray:
        return np.asarray(self._ahead(arc)) + arc * (2 * math.pi / self.length)

    def _arcs(self, pairs: Pairs) -> torch.Tensor:
        if pairs.truth is not None:
            return pairs.truth
        t = self._nearest(pairs.ends.flatten(0, 1).numpy()) % (2 * math.pi)
        guess = t * (self.length / (2 * math.pi))
        for _ in range(40):  # arc length of an angle, from the angle of an arc length
            guess = guess + (t - self._angle(guess)) * (self.length / (2 * math.pi))
        arc = torch.from_numpy(guess).view(-1, 2)
        apart = (
            torch.remainder(arc[:, 1] - arc[:, 0] + self.length / 2, self.length) - self.length / 2
        )
        return torch.stack([arc[:, 0], arc[:, 0] + apart], 1)

    def _along(self, pairs: Pairs, fractions: torch.Tensor) -> torch.Tensor:
        arcs = self._arcs(pairs)
        return self.at(arcs[:, :1] + fractions * arcs.diff(dim=1))

    def _nearest(self, x: np.ndarray) -> np.ndarray:
        """Angles of the nearest points: the nearest of many nodes, then Newton's method on
        `(c(t) - x) . c'(t) = 0`.
        """
        grid = np.arange(_NODES) * (2 * math.pi / _NODES)
        if self._tree is None:
            self._tree = cKDTree(self._embed(grid))
        t = grid[self._tree.query(x)[1]]
        for _ in range(6):
            gap, first, second = self._embed(t) - x, self._embed(t, 1), self._embed(t, 2)
            slope = (first**2).sum(-1) + (gap * second).sum(-1)
            step = (gap * first).sum(-1) / np.where(slope > 0, slope, np.inf)
            t = t - np.clip(step, -2 * math.pi / _NODES, 2 * math.pi / _NODES)
        return np.asarray(t)

    def _embed(self, t: np.ndarray, derivative: int = 0) -> np.ndarray:
        """The curve at angles [...], or its first or second derivative in the angle: [..., 3]."""
        quarter, k = derivative * math.pi / 2, self.waves
        wave = self.height * k**derivative * np.cos(k * t + quarter)
        return self.radius * np.stack([np.cos(t + quarter), np.sin(t + quarter), wave], -1)

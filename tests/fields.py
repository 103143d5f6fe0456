"""Scores that tests compute by themselves, in closed form, independent of the package's own."""

import torch

from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField


class MixtureScore(AbstractScore):
    """Exact score of equal Gaussians at `centres` [K, D], each of variance `spread**2`, blurred by
    sigma.
    """

    def __init__(self, centres: torch.Tensor, spread: float = 0.3) -> None:
        self.centres, self.spread = centres, spread

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.centres.shape[1:])

    def log_density(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Up to a constant, [batch]."""
        square = (x[:, None] - self.centres).square().sum(2)
        return torch.logsumexp(-square / (2 * (sigma**2 + self.spread**2)), 1)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        variance = sigma**2 + self.spread**2
        square = (x[:, None] - self.centres).square().sum(2)
        weight = torch.softmax(-square / (2 * variance), 1)
        return (weight @ self.centres - x) / variance


class ShellScore(AbstractScore):
    """Exact score of the unit S^2 in the first 3 of D coordinates, blurred:
    `(A(k) x/|x| - x) / sigma^2`.

    `A = coth k - 1/k`, `k = |x|/sigma^2`.
    """

    def __init__(self, ambient: int = 3) -> None:
        self.ambient = ambient

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.ambient,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        inside = x[:, :3]
        radius = inside.norm(dim=1, keepdim=True)
        kappa = radius / sigma**2
        mean = (1 / torch.tanh(kappa) - 1 / kappa) * inside / radius
        return (torch.cat([mean, torch.zeros_like(x[:, 3:])], 1) - x) / sigma**2


class Curl(ShellScore):
    """A field that is no gradient: the shell's score and a rotation about the third axis."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        turn = torch.stack([-x[:, 1], x[:, 0], torch.zeros_like(x[:, 0])], 1)
        return super()._score(x, sigma) + self.weight * turn


def mixture(dimension: int = 4, count: int = 5, seed: int = 0) -> MixtureScore:
    """A mixture with centres of standard normal coordinates, float64."""
    draws = torch.Generator().manual_seed(seed)
    return MixtureScore(torch.randn(count, dimension, generator=draws, dtype=torch.float64))


def shell_field(sigma: float = 0.05, ambient: int = 3) -> ScoreField:
    return ScoreField(ShellScore(ambient), sigma)


def arcs(
    count: int, low: float, high: float, ambient: int = 3, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ends [count, 2, ambient] on the unit S^2, and the angles between them, evenly spaced from low
    to high, [count].
    """
    draws = torch.Generator().manual_seed(seed)
    a = torch.nn.functional.normalize(
        torch.randn(count, 3, generator=draws, dtype=torch.float64), dim=1
    )
    b = torch.randn(count, 3, generator=draws, dtype=torch.float64)
    b = torch.nn.functional.normalize(b - (a * b).sum(1, keepdim=True) * a, dim=1)
    angles = torch.linspace(low, high, count, dtype=torch.float64)
    ends = torch.zeros(count, 2, ambient, dtype=torch.float64)
    ends[:, 0, :3] = a
    ends[:, 1, :3] = angles.cos()[:, None] * a + angles.sin()[:, None] * b
    return ends, angles


def wavy(num_points: int, dimension: int = 4) -> torch.Tensor:
    """One smooth curved path, [1, num_points, dimension] float64."""
    u = torch.linspace(0, 1, num_points, dtype=torch.float64)[:, None]
    k = torch.arange(1, dimension + 1, dtype=torch.float64)
    return ((u * k).sin() + 0.3 * (3 * u + k).cos())[None]


class QuarticShell(AbstractScore):
    """`log p = -(|x|^2 - 1)^2 / (4 sigma^2)`, of sums and products alone: its last digits do not
    depend on the batch.
    """

    shape = (3,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        square = x[:, :1] * x[:, :1] + x[:, 1:2] * x[:, 1:2] + x[:, 2:] * x[:, 2:]
        return (1 - square) / sigma**2 * x

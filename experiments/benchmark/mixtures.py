"""Two-dimensional mixtures of Gaussians as hard landscapes, and an independent reference: SciPy's
least squares on the exact log density, from shortest paths on a grid and from bent lines.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import least_squares
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from scoregeo.score.base import AbstractScore

FINE = 32  # sub-nodes of the rule that energies are compared on
_GRID = 130  # points of the grid a side


class MixtureOfSeveral(AbstractScore):
    """Exact score of Gaussians at `centres` [K, 2], of variances [K] and `weights` [K], blurred."""

    def __init__(
        self, centres: torch.Tensor, variances: torch.Tensor, weights: torch.Tensor
    ) -> None:
        self.centres, self.variances, self.weights = centres, variances, weights

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        variance, d = self.variances + sigma**2, self.centres - x[:, None]
        log = -d.square().sum(2) / (2 * variance) + self.weights.log() - variance.log()
        return ((log.softmax(1) / variance)[:, :, None] * d).sum(1)


@dataclass(frozen=True)
class Landscape:
    """A score, its noise level, lam, and `ends` [2, 2]."""

    score: MixtureOfSeveral
    sigma: float
    lam: float
    ends: torch.Tensor

    def draws(self, count: int) -> torch.Tensor:
        """Points of the blurred mixture, [count, 2]."""
        source = torch.Generator().manual_seed(0)
        which = torch.multinomial(self.score.weights, count, True, generator=source)
        width = (self.score.variances[which] + self.sigma**2).sqrt()
        noise = torch.randn(count, 2, generator=source, dtype=torch.float64)
        return self.score.centres[which] + width[:, None] * noise


def landscape(number: int) -> Landscape:
    """Three to eight Gaussians of standard deviation 0.1 to 0.6 before blurring, sigma 0.02 to
    0.3, lam 10 to 10,000, all uniform in the logarithm; the ends are draws from two of the
    Gaussians, 1 to 8 apart.
    """
    draws = torch.Generator().manual_seed(7000 + number)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=draws, dtype=torch.float64)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draws, dtype=torch.float64)

    count = 3 + int(6 * uniform(1))
    spread, weights = 0.1 * 6 ** uniform(count), 0.3 + uniform(count)
    sigma, lam = 0.02 * 15 ** float(uniform(1)), 10 * 1000 ** float(uniform(1))
    ends = torch.zeros(2, 2)
    while not 1 < float((ends[1] - ends[0]).norm()) < 8:
        centres = 2 * normal(count, 2)
        width = (spread[:2].square() + sigma**2).sqrt()
        ends = centres[:2] + width[:, None] * normal(2, 2)
    score = MixtureOfSeveral(centres, spread.square(), weights / weights.sum())
    return Landscape(score, sigma, lam, ends)


class _Exact:
    """log p and its gradient in NumPy, from the closed form."""

    def __init__(self, case: Landscape) -> None:
        self.centres = case.score.centres.numpy()
        self.variances = case.score.variances.numpy() + case.sigma**2
        self.weights = case.score.weights.numpy()

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d = self.centres - x[:, None]
        log = -(d**2).sum(2) / (2 * self.variances) + np.log(self.weights / self.variances)
        top = log.max(1, keepdims=True)
        share = np.exp(log - top)
        total = share.sum(1, keepdims=True)
        gradient = ((share / total / self.variances)[:, :, None] * d).sum(1)
        return (top + np.log(total))[:, 0], gradient


def reference(case: Landscape, num_points: int) -> tuple[float, np.ndarray]:
    """The least energy on `FINE` sub-nodes a segment that SciPy comes to, and its path."""
    exact, starts = _Exact(case), _bent_lines(case, num_points)
    starts += [_grid_path(case, lam, num_points) for lam in (case.lam, case.lam / 10, 1.0)]
    found = [_polished(exact, case, start) for start in starts]
    return min(found, key=lambda one: one[0])


def _polished(exact: _Exact, case: Landscape, start: np.ndarray) -> tuple[float, np.ndarray]:
    """SciPy's trust-region least squares on the residuals of the fine rule's energy."""
    a, b = start[:1], start[-1:]
    n, u = len(start) - 1, np.arange(FINE + 1) / FINE
    chord, density = math.sqrt(n / 2), math.sqrt(n / 2 * case.lam * FINE)

    def parts(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        d = np.diff(np.concatenate([a, z.reshape(-1, 2), b]), axis=0)
        x = np.concatenate([a, z.reshape(-1, 2)])
        log, gradient = exact((x[:, None] + u[:, None] * d[:, None]).reshape(-1, 2))
        return d, log.reshape(n, -1), gradient.reshape(n, -1, 2)

    def residuals(z: np.ndarray) -> np.ndarray:
        d, log, _ = parts(z)
        return np.concatenate([chord * d.ravel(), density * np.diff(log, axis=1).ravel()])

    def jacobian(z: np.ndarray) -> np.ndarray:
        _, _, s = parts(z)
        i, euclidean = np.arange(n), np.zeros((n, 2, n + 1, 2))
        for k in (0, 1):
            euclidean[i, k, i, k], euclidean[i, k, i + 1, k] = -chord, chord
        score = np.zeros((n, FINE, n + 1, 2))
        score[i, :, i] = density * np.diff(s * (1 - u)[:, None], axis=1)
        score[i, :, i + 1] = density * np.diff(s * u[:, None], axis=1)
        rows = [euclidean.reshape(2 * n, -1), score.reshape(n * FINE, -1)]
        return np.concatenate(rows)[:, 2:-2]

    found = least_squares(
        residuals, start[1:-1].ravel(), jacobian, max_nfev=150, ftol=1e-7, xtol=1e-9, gtol=1e-9
    )
    return 2 * float(found.cost), np.concatenate([a, found.x.reshape(-1, 2), b])


def _bent_lines(case: Landscape, num_points: int) -> list[np.ndarray]:
    a, b = case.ends.numpy()
    draws, u = np.random.default_rng(0), np.linspace(0, 1, num_points)[:, None]
    line = a + u * (b - a)
    reach = float(np.linalg.norm(b - a))
    bends = [
        sum(draws.normal(size=2) * size * reach * np.sin(np.pi * k * u) / k for k in (1, 2, 3))
        for size in (0.2, 0.2, 0.4, 0.4, 0.7, 0.7)
    ]
    return [line, *(line + bend for bend in bends)]


def _grid_path(case: Landscape, lam: float, num_points: int) -> np.ndarray:
    """Dijkstra's shortest path between grid points up to four steps apart, lightly smoothed."""
    exact, (a, b) = _Exact(case), case.ends.numpy()
    low = np.minimum(np.minimum(a, b) - 1.5, exact.centres.min(0) - 0.5)
    high = np.maximum(np.maximum(a, b) + 1.5, exact.centres.max(0) + 0.5)
    axes = [np.linspace(low[k], high[k], _GRID) for k in (0, 1)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    first, last = (int(((points - end) ** 2).sum(1).argmin()) for end in (a, b))
    points[first], points[last] = a, b
    number, pairs = np.arange(_GRID**2).reshape(_GRID, _GRID), []
    for right in range(5):
        for up in range(-4, 5):
            if (right, up) > (0, 0) and math.gcd(right, abs(up)) == 1:
                here = number[: _GRID - right, max(0, -up) : _GRID - max(0, up)]
                there = number[right:, max(0, up) : _GRID + min(0, up)]
                pairs.append(np.stack([here.ravel(), there.ravel()]))
    i, j = np.concatenate(pairs, 1)
    log, _ = exact(points)
    middle, _ = exact((points[i] + points[j]) / 2)
    square = ((points[i] - points[j]) ** 2).sum(1) / 4
    weight = sum(np.sqrt(square + lam * (log[k] - middle) ** 2) for k in (i, j))
    graph = coo_matrix((weight, (i, j)), shape=(_GRID**2,) * 2).tocsr()
    _, trees = dijkstra(graph, directed=False, indices=[first], return_predecessors=True)
    before = trees[0]
    way = [last]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    path = points[way[::-1]]
    for _ in range(3):
        path[1:-1] = (path[:-2] + path[1:-1] + path[2:]) / 3
    travelled = np.append(0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    target = np.linspace(0, travelled[-1], num_points)
    return np.stack([np.interp(target, travelled, path[:, k]) for k in (0, 1)], 1)

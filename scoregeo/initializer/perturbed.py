"""Bent starts: the straight line and a random deviation from it."""

import math
from dataclasses import dataclass
from functools import partial

import torch

from scoregeo._utils.errors import check_length, check_number
from scoregeo._utils.seed import generator
from scoregeo.initializer.base import AbstractInitializer, References, Starter
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear


@dataclass(frozen=True)
class PerturbedInitializer(AbstractInitializer):
    """The straight line plus a Brownian bridge in every coordinate; no score evaluation.

        x_j = (1 - u_j) a + u_j b + 2 amplitude |b - a| / sqrt(D) * B(u_j),   u_j = j / n,
        cov B(u_j), B(u_k) = (T^-1)_jk / n

    with `(T^-1)_jk / n = min(u_j, u_k) (1 - max(u_j, u_k))`: the deviation whose log density is, up
    to a factor, minus its own discrete Euclidean energy. It is drawn in T's eigenvectors,
    `sin(pi k u)`; the first few modes alone make a smooth bend, which hardly changes with the
    number of points.

    Attributes:
        amplitude: root mean square distance of the middle from the straight line (with every mode),
            as a share of |b - a|.
        modes: sine modes drawn, from the longest wave on; None for all, which is rough.
        seed: of the draws; every pair has its own.
    """

    amplitude: float = 0.2
    modes: int | None = 4
    seed: int = 0
    joint = True  # one stream of draws for all pairs

    def __post_init__(self) -> None:
        check_length("initializer.amplitude", self.amplitude)
        if self.modes is not None:
            check_number("initializer.modes", self.modes, at_least=1, integer=True)
        check_number("initializer.seed", self.seed, at_least=0, integer=True)

    def check(self, metric: AbstractMetric) -> None:
        pass

    def prepare(
        self, metric: AbstractMetric, references: References, noisy: bool = False
    ) -> Starter:
        return partial(bent, self)


def bridge_modes(segments: int, modes: int | None = None) -> torch.Tensor:
    """`M` [modes, segments + 1] float64 such that `M^T z`, z standard normal, is a Brownian bridge
    at `u_j = j / segments`.

    Row k is `sqrt(2 / n) sin(pi k j / n) / sqrt(n mu_k)`, `mu_k = 4 sin(pi k / 2n)^2` the
    eigenvalue of T. With all n - 1 modes `M^T M = T^-1 / n` exactly; with fewer it is its best
    approximation of that rank.
    """
    n = segments
    kept = n - 1 if modes is None else min(modes, n - 1)
    k = torch.arange(1, kept + 1, dtype=torch.float64)[:, None]
    j = torch.arange(n + 1, dtype=torch.float64)[None]
    eigenvalue = 4 * (math.pi * k / (2 * n)).sin().square()
    rows = math.sqrt(2 / n) * (math.pi * k * j / n).sin() / (n * eigenvalue).sqrt()
    rows[:, [0, -1]] = 0.0
    return rows


def bent(settings: PerturbedInitializer, ends: torch.Tensor, num_points: int) -> torch.Tensor:
    """The starts of `settings` between ends [pairs, 2, *shape]: [pairs, num_points, *shape]."""
    path = linear(ends, num_points)
    if num_points < 3:
        return path
    waves = bridge_modes(num_points - 1, settings.modes).to(ends.device)
    pairs, size = len(ends), ends.shape[2:].numel()
    # Mode by mode, so that more points have the same long waves.
    draws = generator(settings.seed, "perturbed start")
    weights = torch.stack(
        [torch.randn(pairs, size, generator=draws, dtype=torch.float64) for _ in range(len(waves))]
    )
    chord = (ends[:, 1] - ends[:, 0]).double().flatten(1).norm(dim=1)
    scale = 2 * settings.amplitude * chord / math.sqrt(size)
    bend = torch.einsum("kj,kpd->pjd", waves, weights.to(ends.device)) * scale[:, None, None]
    path[:, 1:-1] += bend[:, 1:-1].to(path).view_as(path[:, 1:-1])
    return path

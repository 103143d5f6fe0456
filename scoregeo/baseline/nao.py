"""NAO: the path of likeliest norms between two points of noise."""

import math
from dataclasses import dataclass

import torch

from scoregeo._utils.adam import AdamSteps
from scoregeo._utils.errors import check_number
from scoregeo._utils.seed import uniform
from scoregeo.baseline.base import (
    NOISE,
    AbstractBaseline,
    BaselinePath,
    Ends,
    check_ends,
    with_ends,
)
from scoregeo.path.interpolation import linear
from scoregeo.solver.base import BUDGET, CONVERGED

_TINY = 1e-12  # below it a norm is taken for it: the logarithm has no value at 0


@dataclass(frozen=True)
class Nao(AbstractBaseline):
    """Norm-aware optimisation (Samuel et al. 2023, "Norm-guided latent space exploration for
    text-to-image generation", NeurIPS).

    The norm of D-dimensional standard noise follows a chi distribution with D degrees of freedom,
    whose log density is `L` (`log_chi_density`). Between the ends a and b, with n segments d_k and
    their midpoints m_k, `objective` is

        - sum_k |d_k| L(|m_k|) + sum_k relu(|d_k| - 2 |b - a| / n),

    the line integral of the negative log density, and a bound on the spacing. The bound is twice
    the straight line's own segments, so n is the number of segments; the released code divides by
    that of points, n + 1, a bound tighter by the factor n / (n + 1). Adam minimises the objective
    over the inner points, from the straight line. No score evaluation; arithmetic in float64, for L
    is a small difference of terms of size D log D.

    The prior is that of pure noise of unit variance. Points here are at a noise level sigma; they
    are divided by `sqrt(1 + sigma^2)`, which makes their variance 1 where the data's is, and
    multiplied again. The paper's latents are at the schedule's last timestep; the further below it
    sigma is, the less the prior fits.

    Defaults are those of the released code (nao/norm_aware_optimization.py and main.py): Adam at
    0.01, uniform jitter of at most 0.01 on the start, at most 10,000 iterations, stop where the
    objective changes by less than 1e-3 ten times in a row. At its fixed rate Adam hovers about the
    minimum, so in high dimension the last rule may never hold: `out_of_budget`.

    Attributes:
        learning_rate: Adam's, above 0. max_iterations: at least 1.
        tolerance: change of a pair's objective that counts as none, at least 0. patience: how often
            in a row, at least 1.
        jitter: the start's inner points are moved by uniform noise within [0, jitter); at least 0.
            Without it, ends on one line through the origin stay on that line by symmetry.
    """

    learning_rate: float = 0.01
    max_iterations: int = 10_000
    tolerance: float = 1e-3
    patience: int = 10
    jitter: float = 0.01
    space = NOISE
    needs_noise = True

    def __post_init__(self) -> None:
        check_number("baseline.nao.learning_rate", self.learning_rate, above=0.0)
        check_number("baseline.nao.max_iterations", self.max_iterations, at_least=1, integer=True)
        check_number("baseline.nao.tolerance", self.tolerance, at_least=0.0)
        check_number("baseline.nao.patience", self.patience, at_least=1, integer=True)
        check_number("baseline.nao.jitter", self.jitter, at_least=0.0)

    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Status converged where the stopping rule held, else out_of_budget. A pair's path does not
        depend on the others but by its jitter. Raises ConfigError for fewer than 3 points,
        DataError for ends that are equal or not finite."""
        check_ends("nao", ends.lifted, num_points)
        fixed = ends.lifted.double().flatten(2) / ends.scale
        start = linear(fixed, num_points)[:, 1:-1]
        moved = uniform(tuple(start.shape), generator).to(start.device)
        inner, iterations, converged = self._minimise(fixed, start + self.jitter * moved)
        return BaselinePath(
            path=with_ends(inner * ends.scale, ends.lifted),
            status=tuple(CONVERGED if done else BUDGET for done in converged.tolist()),
            iterations=iterations.cpu(),
            score_evaluations=torch.zeros(len(fixed), dtype=torch.int64),
        )

    def _minimise(
        self, fixed: torch.Tensor, inner: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inner points from a start [pairs, points - 2, D], steps taken, and whether the stopping
        rule held; one a pair.
        """
        free = inner.clone().requires_grad_(True)
        adam = AdamSteps(free, self.learning_rate)
        found = inner.clone()
        pairs = len(inner)
        before = torch.full((pairs,), math.inf, dtype=torch.float64, device=inner.device)
        calm = torch.zeros(pairs, dtype=torch.int64, device=inner.device)
        iterations = torch.full_like(calm, self.max_iterations)
        converged = torch.zeros(pairs, dtype=torch.bool, device=inner.device)
        for number in range(1, self.max_iterations + 1):
            with torch.enable_grad():
                value = objective(torch.cat([fixed[:, :1], free, fixed[:, 1:]], 1))
                # A sum: no pair's gradient, nor Adam's step, knows of another's
                value.sum().backward()
            adam.step()
            value = value.detach()
            calm = torch.where(
                (value - before).abs() < self.tolerance, calm + 1, torch.zeros_like(calm)
            )
            before = value
            done = (calm >= self.patience) & ~converged
            found[done] = free.detach()[done]
            iterations[done] = number
            converged |= done
            if converged.all():
                break
        found[~converged] = free.detach()[~converged]
        return found, iterations, converged


def log_chi_density(radius: torch.Tensor, dimension: int) -> torch.Tensor:
    """`(D - 1) ln r - r^2 / 2 - (D/2 - 1) ln 2 - ln Gamma(D/2)`, any shape: log density of the chi
    distribution.
    """
    constant = (dimension / 2 - 1) * math.log(2) + math.lgamma(dimension / 2)
    return (dimension - 1) * radius.log() - radius.square() / 2 - constant


def objective(path: torch.Tensor) -> torch.Tensor:
    """NAO's objective of whole paths [pairs, points, D] in coordinates of unit variance (the class
    says it), [pairs].
    """
    dimension = path.shape[2]
    lengths = path.diff(dim=1).norm(dim=2)
    middle = ((path[:, 1:] + path[:, :-1]) / 2).norm(dim=2).clamp_min(_TINY)
    spacing = 2 * (path[:, -1] - path[:, 0]).norm(dim=1, keepdim=True) / lengths.shape[1]
    penalty = (lengths - spacing).relu()
    return (penalty - lengths * log_chi_density(middle, dimension)).sum(1)

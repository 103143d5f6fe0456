"""The boundary-value solver interface: a frozen result, one status per pair."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from scoregeo._utils.errors import check_kind
from scoregeo.metric.base import AbstractMetric

# A stopping rule held, and certificate and gradient bear it out (`solver.verdict`)
CONVERGED = "converged"
# A stopping rule held, on a rule that does not resolve the path: it costs more on a finer one
UNRESOLVED = "unresolved"
STALLED = (
    "stalled"  # no step lowers the energy, or none but a damped one; the gradient is not small
)
BUDGET = "out_of_budget"  # the iterations or score evaluations allowed are spent
# The score or the arithmetic gave values that are not finite; the last good path is returned
FAILED = "failed"
STATUSES = (CONVERGED, UNRESOLVED, STALLED, BUDGET, FAILED)


@dataclass(frozen=True)
class Step:
    """State after one iteration, for logging: energies and evaluations spent so far, each [pairs]
    (float64, int64).

    `path` [pairs, points, *shape]: the paths of these energies, where a solver gives them to
    `on_step`; never kept in a history."""

    iteration: int
    energy: torch.Tensor
    score_evaluations: torch.Tensor
    path: torch.Tensor | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Solution:
    """What a solver found. Tensors: CPU (`path`: its start's device), float64 or int64, [pairs],
    unless said otherwise.

    `status`: one of `STATUSES` a pair; converged only where certificate and gradient bear it out
    (`solver.verdict`). `path` [pairs, points, *shape]. `energy`, `length` (in the metric) and
    `bound` (below every path's energy) are on the solver's own quadrature. `stationarity` is
    `sqrt(g^T (n T)^-1 g / (2 w E))`, g the energy's gradient in the inner points, T the
    second-difference matrix and w the metric's `scale`: the gradient in the norm dual to w times
    the Euclidean energy, without unit, independent of the number of points, 0 at a minimum.
    `score_evaluations` counts per pair; a backward pass through the score counts as two more.
    `seconds` is for the whole batch.

    `certified_energy` is the path's energy on a finer quadrature (`solver.certificate`), which cost
    `certificate_evaluations`; where it is much above `energy` the path tunnels through a valley of
    the density and `tunnelled` is true. `reason` says in words why a pair did not converge, or that
    it tunnelled; "" where there is nothing to say. `start`: of a multi-start solve, the name of the
    start that each pair's path came from; else empty.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=100.0)
        >>> a, b = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0, 1.0, 0]]).double()
        >>> found = scoregeo.geodesic(field, a, b, lam=100.0, num_points=17)
        >>> found.path.shape, found.status, found.reason
        (torch.Size([1, 17, 3]), ('converged',), ('',))
    """

    path: torch.Tensor
    status: tuple[str, ...]
    iterations: torch.Tensor
    score_evaluations: torch.Tensor
    energy: torch.Tensor
    length: torch.Tensor
    bound: torch.Tensor
    stationarity: torch.Tensor
    certified_energy: torch.Tensor
    certificate_evaluations: torch.Tensor
    tunnelled: torch.Tensor
    reason: tuple[str, ...]
    seconds: float
    history: tuple[Step, ...] = field(default=(), repr=False)
    start: tuple[str, ...] = ()

    @property
    def excess(self) -> torch.Tensor:
        """Energy above its lower bound, [pairs]."""
        return self.energy - self.bound

    @classmethod
    def of_nothing(cls, path: torch.Tensor) -> "Solution":
        """The solution of no pairs, of the shape and dtype of `path` [0, points, *shape]."""
        number, count = (torch.zeros(0, dtype=kind) for kind in (torch.float64, torch.int64))
        return cls(
            path=path.detach().clone(),
            status=(),
            iterations=count,
            score_evaluations=count,
            energy=number,
            length=number,
            bound=number,
            stationarity=number,
            certified_energy=number,
            certificate_evaluations=count,
            tunnelled=torch.zeros(0, dtype=torch.bool),
            reason=(),
            seconds=0.0,
        )


class AbstractSolver(ABC):
    """Finds geodesics between fixed ends. Holds configuration only; `num_points`
    counts both ends.

    `copies`: as many float64 copies of a path as a pair takes at most in `solve`.
    """

    num_points: int
    copies: ClassVar[int] = 24

    @abstractmethod
    def check(self, metric: AbstractMetric) -> None:
        """Raise ConfigError, naming what works, where this solver cannot serve the metric."""

    @abstractmethod
    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        """Minimise the energy from `start` [pairs, num_points, *shape], its ends fixed. `on_step`
        is called each iteration.
        """

    def pair_bytes(self, size: int) -> int:
        """Memory that one pair takes in `solve` at most, about, of points of `size` numbers; the
        model's own is not counted. It decides how many pairs are solved at a time
        (`scoregeo.solver.parts`).
        """
        return 8 * self.copies * self.num_points * size


def check_solver(solver: object) -> None:
    """Raise ConfigError for what is no solver, as a solver's name or class."""
    check_kind("solver", solver, AbstractSolver, "a solver, such as scoregeo.GaussNewton()")

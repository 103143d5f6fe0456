"""The baseline interface: endpoints to a path without a metric."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import DataError, bad_value, check_number
from scoregeo.metric.base import AbstractMetric
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import AbstractSolver

DATA = "data"
NOISE = "noise"

# Status of a path that no iteration made; iterative baselines have a solver's (solver/base.py)
CLOSED_FORM = "closed_form"


@dataclass(frozen=True)
class Ends:
    """What a baseline may know of the pairs it interpolates.

    `clean` and `lifted` [pairs, 2, *shape]: the given ends, and the same at the noise level of
    `field`, both in variance-exploding coordinates (equal where the run keeps to
    clean points).
    `references(count)`: so many clean data points, or fewer, [count, *shape]; None where there are
    none.
    """

    clean: torch.Tensor
    lifted: torch.Tensor
    field: ScoreField
    references: Callable[[int], torch.Tensor] | None = None

    def at(self, space: str) -> torch.Tensor:
        """The clean ends for "data", those at the noise level for "noise"."""
        return self.lifted if space == NOISE else self.clean

    @property
    def scale(self) -> float:
        """`sqrt(1 + sigma^2)`: a point divided by it is in the coordinates of a variance-preserving
        model, in which pure noise has unit variance; `1 / scale` is that model's `sqrt(abar)`."""
        return float((1 + self.field.sigma**2) ** 0.5)


@dataclass(frozen=True)
class BaselinePath:
    """Paths [pairs, points, *shape] on the ends' device, and how they were found: one entry a pair,
    tensors int64 on the CPU.
    """

    path: torch.Tensor
    status: tuple[str, ...]
    iterations: torch.Tensor
    score_evaluations: torch.Tensor


class AbstractBaseline(ABC):
    """Maps endpoints to a path. Holds configuration only.

    `space` says which endpoints: the clean ones ("data", frames are not decoded) or the lifted ones
    ("noise"). `needs_noise`: whether its formula holds only for points at a noise level.
    """

    space: str
    needs_noise: bool

    @abstractmethod
    def path(self, ends: Ends, num_points: int, generator: torch.Generator) -> BaselinePath:
        """Paths of `num_points` points, both ends counted, between the ends of `space`.

        All randomness is the CPU generator's, by `core.seed.normal` or `uniform`: the same in
        whichever shard a pair is."""


def check_solver(make: object, solver: object, metric: Callable[[], AbstractMetric]) -> None:
    """Raise ConfigError unless `make` makes metrics and `solver` is one that serves `metric()`."""
    if not callable(make):
        raise bad_value("metric", make, "a function that makes a metric, as metric=OPTION is")
    if not isinstance(solver, AbstractSolver):
        raise bad_value("solver", solver, "a solver")
    solver.check(metric())


def closed_form(path: torch.Tensor) -> BaselinePath:
    """The result of a formula that asks no score."""
    zero = torch.zeros(len(path), dtype=torch.int64)
    return BaselinePath(path, (CLOSED_FORM,) * len(path), zero, zero)


def check_ends(name: str, ends: torch.Tensor, num_points: int) -> None:
    """Raise ConfigError for fewer than 3 points, DataError, naming the pair, for ends that are not
    finite or are equal, or are no floating-point tensor [pairs, 2, *shape].
    """
    check_number(f"num_points of baseline.{name}", num_points, at_least=3, integer=True)
    if not isinstance(ends, torch.Tensor) or not ends.is_floating_point():
        kind = ends.dtype if isinstance(ends, torch.Tensor) else type(ends).__name__
        raise DataError(f"baseline.{name}: ends are of {kind}: they must be of floating point.")
    if ends.ndim < 3 or ends.shape[1] != 2:
        raise DataError(
            f"baseline.{name}: ends have shape {list(ends.shape)}, not [pairs, 2, *shape]."
        )
    flat = ends.flatten(2)
    finite = flat.isfinite().all(2).all(1)
    if not finite.all():
        raise DataError(
            f"baseline.{name}: an end of pair {int((~finite).nonzero()[0])} is not finite."
        )
    equal = (flat[:, 0] == flat[:, 1]).all(1)
    if equal.any():
        raise DataError(
            f"baseline.{name}: the ends of pair {int(equal.nonzero()[0])} are equal: there is no"
            " path to find."
        )


def with_ends(inner: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Inner points [pairs, points - 2, D] between the given ends [pairs, 2, *shape], which are kept
    to the last bit.
    """
    shaped = inner.to(ends.dtype).reshape(*inner.shape[:2], *ends.shape[2:])
    return torch.cat([ends[:, :1], shaped, ends[:, 1:]], 1)

"""Part 3: the libraries people would otherwise use, in R^3, at equal accuracy."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from experiments.benchmark.outside import (
    Array,
    default_dtype_kept,
    scipy_bvp,
    scipy_ivp,
)
from experiments.benchmark.problem import Problem, sphere
from experiments.benchmark.tries import (
    NOT_INSTALLED,
    TIMES,
    Curve,
    Try,
    exponential_map,
    gauss_newton,
    geomstats_exp,
    geomstats_log,
    geomstats_straightening,
    scipy_boundary,
    scipy_initial,
)
from scoregeo._utils.errors import DataError
from scoregeo.score.base import AbstractScore, AbstractWrappedScore, CountingScore
from scoregeo.solver.lbfgs import LBFGS


@dataclass(frozen=True)
class LibrarySettings:
    """One arc on the blurred sphere of R^3; each method's own setting of accuracy is raised until
    `accuracy` is met.

    `accuracy`: greatest distance to the reference path at 9 equal times, data units (the sphere's
    radius is 1). `limit`: seconds that a method has for all its tries.
    """

    sigma: float = 0.1
    lam: float = 100.0
    accuracy: tuple[float, ...] = (1e-2, 1e-3)
    limit: float = 60.0


class _TimeIsUp(Exception):
    """The method's seconds are spent."""


class _LimitedScore(AbstractWrappedScore):
    """A score that ends whatever asks it after a moment of `time.perf_counter`."""

    def __init__(self, inner: AbstractScore, until: float) -> None:
        super().__init__(inner)
        self.until = until

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        if time.perf_counter() > self.until:
            raise _TimeIsUp
        return self.inner._score(x, sigma)


@default_dtype_kept()
def library(settings: LibrarySettings, seed: int) -> dict[str, Any]:
    """`{"boundary": {method: tries}, "initial": {method: tries}}`; a try: setting, error,
    evaluations, reason.

    Boundary-value methods start from the straight line; initial-value ones are given the
    reference's velocity.
    """
    case = sphere(3, 1, 129, seed, settings.sigma)
    reference, velocity = _reference(case, settings.lam)
    ends = case.start[0, [0, -1]]
    from_velocity = scipy_ivp(case.metric(settings.lam), ends[0].numpy(), velocity, 1e-12)
    boundary = {
        "gauss_newton, adaptive": gauss_newton(ends, "trapezoid", "adaptive"),
        "gauss_newton, trapezoid": gauss_newton(ends, "trapezoid", "none"),
        "gauss_newton, simpson": gauss_newton(ends, "simpson", "none"),
        "scipy solve_bvp": (
            scipy_boundary(ends, tolerance) for tolerance in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)
        ),
        "geomstats LogODESolver": geomstats_log(ends),
        "geomstats PathStraightening": geomstats_straightening(ends),
    }
    initial = {
        "scoregeo exponential": exponential_map(ends[0], velocity),
        "scipy solve_ivp": (
            scipy_initial(ends[0], velocity, 10.0**-power) for power in (2, 3, 4, 5, 6, 8)
        ),
        "geomstats ExpODESolver": geomstats_exp(ends[0], velocity),
    }
    return {
        "boundary": {
            name: _tries(tries, case, settings, reference) for name, tries in boundary.items()
        },
        "initial": {
            name: _tries(tries, case, settings, from_velocity) for name, tries in initial.items()
        },
    }


def _reference(case: Problem, lam: float) -> tuple[Curve, Array]:
    """The continuous geodesic and its initial velocity: a minimum of the fine discrete energy, then
    scipy's solver to 1e-7.

    The minimum is L-BFGS's, whose gradient is exact, so that no method is measured against itself.
    """
    path = (
        LBFGS(case.points, "simpson", tolerance=1e-9, max_iterations=500)
        .solve(case.metric(lam), case.start)
        .path[0]
    )
    states = np.concatenate(
        [path.numpy().T, np.gradient(path.numpy().T, 1 / (case.points - 1), axis=1, edge_order=2)]
    )
    curve, message = scipy_bvp(case.metric(lam), path[[0, -1]], 1e-7, states)
    if curve is None:
        raise DataError(f"no reference geodesic at sigma {case.sigma:g}, lam {lam:g}: {message}")
    step = 1e-4
    first = curve(np.array([0.0, step, 2 * step]))
    return curve, (4 * first[1] - 3 * first[0] - first[2]) / (2 * step)


def _tries(
    tries: Iterator[Try], case: Problem, settings: LibrarySettings, reference: Curve
) -> list[dict[str, Any]]:
    """Tries of one method, until the finest accuracy is met, or its time is up."""
    done: list[dict[str, Any]] = []
    truth, until = reference(TIMES), time.perf_counter() + settings.limit
    for words, solve in tries:
        score = CountingScore(_LimitedScore(case.score, until))
        try:
            curve, reason = solve(case.metric(settings.lam, score))
        except _TimeIsUp:
            curve, reason = None, f"not done when its {settings.limit:g} s were spent"
        except Exception as error:  # other libraries raise what they like; the row says it
            curve, reason = None, f"{type(error).__name__}: {error}"
        distance = (
            math.inf if curve is None else float(np.linalg.norm(curve(TIMES) - truth, axis=1).max())
        )
        done.append(
            {
                "setting": words,
                "error": distance,
                "evaluations": score.count,
                "reason": reason,
            }
        )
        if (
            distance <= min(settings.accuracy)
            or reason == NOT_INSTALLED
            or time.perf_counter() > until
        ):
            break
    return done

"""The geodesic between two points, in one call."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from scoregeo._utils.errors import ConfigError, DataError, bad_value
from scoregeo._utils.tensors import check_tensor
from scoregeo._utils.words import count
from scoregeo.geometry.support import of_arrays
from scoregeo.initializer.base import AbstractInitializer, References
from scoregeo.initializer.several import SeveralInitializer, several, solve_from_several
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField, field_at
from scoregeo.score.function import Function, FunctionScore
from scoregeo.solver.base import AbstractSolver, Solution, check_solver
from scoregeo.solver.gauss_newton import ADAPTIVE, GaussNewton
from scoregeo.solver.parts import check_memory

_POINTS = 64
_HARD_SUBNODES = 16  # of segments that tunnel, from several starts
# Of the solver that has the last word there: configs/solver/gauss_newton_fine.yaml
_FINE: dict[str, Any] = {
    "subnodes": 8,
    "continuation": False,
    "tolerance": 1e-5,
    "max_iterations": 300,
}


@of_arrays
def geodesic(
    score: AbstractScore | ScoreField | Function,
    a: torch.Tensor,
    b: torch.Tensor,
    sigma: float | None = None,
    *,
    lam: float = 1000.0,
    num_points: int | None = None,
    solver: AbstractSolver | None = None,
    start: torch.Tensor | None = None,
    starts: Iterable[str] | Mapping[str, AbstractInitializer] | SeveralInitializer | None = None,
    references: torch.Tensor | None = None,
) -> Solution:
    """Geodesics of `g(x) = I + lam s(x) s(x)^T` between the points `a` and `b`.

    Args:
        score: a score, with `sigma`; a `ScoreField`, which has its noise level; or a function
            `(x, sigma) -> s` of points [batch, *shape].
        a, b: [*shape] for one pair, [pairs, *shape] for several; data units, of one floating
            dtype. Lists and NumPy arrays are taken as tensors, here and below.
        sigma: noise level in data units, above 0; None with a `ScoreField`.
        lam: weight of the score, above 0, in units of (data units)^2.
        num_points: points of a path, both ends counted, at least 2; None: those of the `solver`,
            or 64.
        solver: None: Gauss-Newton with adaptive refinement; with `starts`, the best two of each
            pair are then solved on with 8 sub-nodes a segment.
        start: [pairs, num_points, *shape]; None: the straight line. It decides which local minimum
            is found.
        starts: multi-start: solve from each of these, and keep of each pair the path of least
            certified energy. Names of `configs/initializer`, such as ("lerp", "perturbed", "modes",
            "graph"), each with its default settings, or initializers by names of your own.
        references: points of the data at the noise level, [count, *shape], for a start "graph".

    Returns:
        A `Solution`: `path` [pairs, num_points, *shape], `length`, `energy` [pairs] in the metric,
        `status` and `reason`, one a pair; with `starts`, `start` names the one that each path came
        from.

    Cost: 13 score evaluations a point on the mean on the unit sphere at lam 1000 and sigma 0.05 (19
    at most), 9 at lam 1; several times as many with fewer than 49 points.
    `solution.score_evaluations` has the count. With `starts`, the sum over all of them, making them
    included.

    Raises:
        ConfigError: for a noise level out of range, or one beside a `ScoreField`; for a start that
            is not known, "graph" without `references`, or these without `starts`; for a
            `num_points` that is not the solver's, or paths that memory does not hold.
        DataError: for points of different shapes or dtypes, or not finite; for a start that is no
            path between them; for references that are not two or more finite points.
        ScoreError: where the score is not finite or has another shape than its points.

    Source: the metric is that of Azeglio and Di Bernardo (arXiv 2505.11128); the discrete energy
    and its Gauss-Newton solver are this project's (`scoregeo.solver.GaussNewton`).

    Example:
        >>> import torch, scoregeo
        >>> score = scoregeo.SphereScore(dimension=2, ambient=3)
        >>> a, b = torch.tensor([1.0, 0, 0]).double(), torch.tensor([0, 1.0, 0]).double()
        >>> found = scoregeo.geodesic(score, a, b, sigma=0.1, lam=100.0, num_points=17)
        >>> found.status, round(float(found.length), 2)  # a quarter of a great circle: 1.57
        (('converged',), 1.58)
    """
    _check_tensors(a=a, b=b)
    if a.shape != b.shape or a.dtype != b.dtype:
        raise DataError(
            f"a has shape {tuple(a.shape)} and dtype {a.dtype}, b {tuple(b.shape)} and {b.dtype}:"
            " they must be the same."
        )
    field = _field(score, a, sigma)
    if a.ndim - len(field.shape) not in (0, 1) or 0 in field.shape:
        raise DataError(
            f"a and b have shape {tuple(a.shape)}: it must be that of a point,"
            f" {tuple(field.shape)}, or [pairs, *shape]."
        )
    ends = torch.stack([a, b], -len(field.shape) - 1)
    ends = ends[None] if a.ndim == len(field.shape) else ends
    points = _points(num_points, solver)
    if starts is None and references is not None:
        raise ConfigError(
            "references are not allowed without starts, of which 'graph' goes through them: leave"
            " them out, or add starts=('lerp', 'graph')."
        )
    if starts is not None:
        if start is not None:
            raise ConfigError("start and starts are not allowed together: leave one out.")
        if references is not None:
            _check_references(references, field.shape)
        if solver is None:
            every = several(starts, GaussNewton(points, **_FINE))
            hard = GaussNewton(points, max_subnodes=_HARD_SUBNODES)
            return _best(field, lam, ends, hard, every, references)
        return _best(field, lam, ends, solver, several(starts), references)
    chosen = GaussNewton(points, refinement=ADAPTIVE) if solver is None else solver
    if start is not None:
        _check_start(start, ends)
    check_memory(chosen, ends.shape[2:].numel())
    path = linear(ends, chosen.num_points) if start is None else start
    return chosen.solve(SteinMetric(field, lam), path)


def _points(num_points: int | None, solver: AbstractSolver | None) -> int:
    """Points of a path. Raises ConfigError for what is no solver, and where the `solver` is for
    another number.
    """
    if solver is None:
        return _POINTS if num_points is None else num_points
    check_solver(solver)
    if num_points is not None and num_points != solver.num_points:
        raise ConfigError(
            f"num_points = {num_points!r} is not allowed with a solver of {solver.num_points}"
            " points: leave it out, or make the solver with as many."
        )
    return solver.num_points


def _check_tensors(**points: torch.Tensor) -> None:
    """Raise DataError for what is no tensor of finite floating-point numbers."""
    for name, value in points.items():
        check_tensor(name, value)
        if not value.is_floating_point():
            raise DataError(f"{name} has dtype {value.dtype}: it must be floating point.")
        if not bool(value.isfinite().all()):
            raise DataError(f"{name} is not finite.")


def _check_start(start: torch.Tensor, ends: torch.Tensor) -> None:
    """Raise DataError unless `start` is a path between `ends` [pairs, 2, *shape], to rounding."""
    _check_tensors(start=start)
    if start.ndim != ends.ndim or start.shape[0] != len(ends) or start.shape[2:] != ends.shape[2:]:
        raise DataError(
            f"start has shape {list(start.shape)}: it must be [pairs, points, *shape] with"
            f" {count(len(ends), 'pair')} and points of shape {list(ends.shape[2:])}."
        )
    if start.dtype != ends.dtype:
        raise DataError(f"start has dtype {start.dtype}: it must be that of a, {ends.dtype}.")
    apart = (start[:, [0, -1]] - ends).abs().max()
    if bool(apart > 100 * torch.finfo(ends.dtype).eps * ends.abs().max()):
        raise DataError(f"start does not lead from a to b: its ends are {float(apart):.2g} off.")


def _check_references(references: torch.Tensor, shape: tuple[int, ...]) -> None:
    _check_tensors(references=references)
    if tuple(references.shape[1:]) != tuple(shape) or len(references) < 2:
        raise DataError(
            f"references have shape {list(references.shape)}: it must be [count, *shape], two or"
            f" more points of shape {list(shape)}."
        )


def _best(
    field: ScoreField,
    lam: float,
    ends: torch.Tensor,
    solver: AbstractSolver,
    starts: SeveralInitializer,
    references: torch.Tensor | None,
) -> Solution:
    """The best of several starts, the evaluations of making them counted."""
    check_memory(solver, ends.shape[2:].numel())
    metric = SteinMetric(replace(field, score=CountingScore(field.score)), lam)
    given: References | None = None if references is None else lambda count: references[:count]
    return solve_from_several(solver, metric, ends, starts, given)


def _field(
    score: AbstractScore | ScoreField | Function, a: torch.Tensor, sigma: float | None
) -> ScoreField:
    if isinstance(score, ScoreField):
        if sigma is not None:
            raise ConfigError(
                f"sigma = {sigma!r} is not allowed beside a ScoreField, which has sigma ="
                f" {score.sigma:g}: leave it out."
            )
        return score
    if sigma is None:
        raise bad_value("sigma", None, "the noise level of the score, a number above 0")
    if isinstance(score, AbstractScore):
        return field_at(score, sigma)
    if not callable(score) or isinstance(score, type):
        raise bad_value("score", score, "a score, a ScoreField or a function (x, sigma) -> s")
    # Of a bare function the shape of a point is not known: one pair is taken to be [D], [C, H, W];
    # a batch of them has one dimension more.
    shape = a.shape[1:] if a.ndim in (2, 4) else a.shape
    return field_at(FunctionScore(score, tuple(shape)), sigma)

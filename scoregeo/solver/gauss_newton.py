"""The project's solver: damped Gauss-Newton on the graph energy, by default without a backward pass
through the score.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch

from scoregeo._utils.errors import ConfigError, bad_value, check_choice, check_number
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.refine import refine
from scoregeo.solver.base import CONVERGED, AbstractSolver, Solution, Step
from scoregeo.solver.certificate import certify
from scoregeo.solver.conclude import conclude
from scoregeo.solver.gauss_newton_run import Plan, Run
from scoregeo.solver.serving import check_served

_COARSE_TOLERANCE = 0.1  # a coarse grid's path is only a start
AUTO = "auto"


@dataclass(frozen=True)
class GaussNewton(AbstractSolver):
    """Minimises the graph energy of `stein` by Gauss-Newton with Levenberg-Marquardt damping of the
    path Laplacian.

    An iteration costs `quadrature.evaluations(num_points)` score evaluations a pair, in one batch
    for all pairs; a rejected step costs the same. Each pair has its own damping, continuation and
    stop. Arithmetic is float64 whatever the score's type. Without a network's help nothing larger
    than `[n m, n m]` and a few copies of the path is kept; the batch of a score call is cut to fit
    memory by the score itself (`score.chunk`, `score.chunk_mb`).

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        quadrature: "trapezoid" or "simpson".
        subnodes: equal parts a segment is split into for the quadrature (design: it stops leaps
            over valleys of the density).
        max_subnodes: where the certificate finds a leap, double the parts and go on from there, up
            to this many; None: never.
        coarsest: solve first with this many points at least, on a grid coarse by powers of two, and
            double; None: never. Two to three times cheaper from 128 points on; but a coarse grid
            leaps over what a fine one sees, and its leap may
            stay: use it together with `max_subnodes`.
        max_iterations: steps tried on one grid and quadrature, rejected ones counted.
        continuation: raise lam tenfold each step from where both parts of the start's energy weigh
            the same. Good from a straight line; it may leave a good start, for which False solves
            at the final lam from the first step. "auto": continue where the start's score part
            outweighs the other a hundred times.
        tolerance: a pair stops when the step's predicted and actual decrease are both below this
            share of the energy. It is converged at a damping below 1, or where `stationarity^2` is
            below it too; else it is stalled.
        damping: initial Levenberg-Marquardt parameter, 0 for a pure Gauss-Newton step.
        differentiate_score: for learned scores, which are no gradient fields: the energy's exact
            gradient, by one backward pass through the score each accepted step, and Gauss-Newton
            rows from an estimate of its Jacobian that these passes improve
            (`solver.score_jacobian`, adjoint Broyden). The start and an accepted step then cost
            three times as much, a rejected one the same. Pairs are evaluated one after another, the
            score's graph held for one at a time. "auto"
            continuation is off: measured on digits, lam raised in steps cost more than it saved.
    """

    num_points: int = 64
    quadrature: str = "trapezoid"
    subnodes: int = 1
    max_subnodes: int | None = None
    coarsest: int | None = None
    max_iterations: int = 50
    continuation: bool | str = AUTO
    tolerance: float = 1e-3
    damping: float = 5.0
    differentiate_score: bool = False

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_choice("solver.quadrature", self.quadrature, ("trapezoid", "simpson"))
        check_number("solver.subnodes", self.subnodes, at_least=1, integer=True)
        if self.max_subnodes is not None:
            check_number(
                "solver.max_subnodes", self.max_subnodes, at_least=self.subnodes, integer=True
            )
        if self.coarsest is not None:
            check_number("solver.coarsest", self.coarsest, at_least=3, integer=True)
        check_number("solver.max_iterations", self.max_iterations, at_least=1, integer=True)
        if self.continuation not in (True, False, AUTO) or not isinstance(
            self.continuation, (bool, str)
        ):
            raise bad_value("solver.continuation", self.continuation, "true, false or 'auto'")
        check_number("solver.tolerance", self.tolerance, above=0.0, below=1.0)
        check_number("solver.damping", self.damping, at_least=0.0)
        check_choice("solver.differentiate_score", self.differentiate_score, (True, False))

    def check(self, metric: AbstractMetric) -> None:
        check_served("gauss_newton", metric.name)

    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        self.check(metric)
        if start.ndim < 3 or len(start) == 0 or start.shape[1] != self.num_points:
            raise ConfigError(
                f"the start has shape {list(start.shape)}: it must be [pairs, points, *shape], with"
                f" at least one pair and as many points as solver.num_points = {self.num_points}."
            )
        if isinstance(metric, SteinMetric):
            return _Stages(self, metric, start, on_step).solution()
        began, pairs = time.perf_counter(), len(start)
        # Every start relaxes to the straight line between its ends.
        line = linear(start[:, [0, -1]], self.num_points)
        zero = torch.zeros(pairs, dtype=torch.int64)
        return conclude(
            metric,
            line,
            Quadrature(),
            status=[CONVERGED] * pairs,
            iterations=zero,
            score_evaluations=zero,
            reason=[""] * pairs,
            history=[],
            began=began,
        )


class _Stages:
    """Grids from coarse to fine, then finer quadratures for the pairs that leap; evaluations and
    history go on through all.
    """

    def __init__(
        self,
        solver: GaussNewton,
        metric: SteinMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None,
    ):
        self.solver, self.metric, self.on_step = solver, metric, on_step
        self.began = time.perf_counter()
        self.iterations = torch.zeros(len(start), dtype=torch.int64)
        self.evaluations = torch.zeros(len(start), dtype=torch.int64)
        self.history: list[Step] = []
        self.energy = torch.full((len(start),), torch.nan, dtype=torch.float64)
        self.rule = Quadrature(solver.quadrature, solver.subnodes)
        continuation = (
            None
            if solver.continuation == AUTO and not solver.differentiate_score
            else solver.continuation is True
        )
        everyone = torch.arange(len(start))
        self.path = path = start
        grids = self._grids()
        for num_points in grids:
            path = refine(path, num_points)
            tolerance = (
                solver.tolerance
                if num_points == grids[-1]
                else max(solver.tolerance, _COARSE_TOLERANCE)
            )
            run = self._run(path, everyone, self.rule, continuation, tolerance)
            path, continuation = run.path, False
        self.path, self.status, self.reason = run.path, run.status, run.reason
        self.measured, self.gradient = (
            run.residuals.measure(run.final),
            run.residuals.gradient(run.final),
        )
        self._sharpen()

    def _grids(self) -> list[int]:
        """Numbers of points, the solver's own last."""
        grids = [self.solver.num_points]
        while self.solver.coarsest is not None and (grids[0] + 1) // 2 >= self.solver.coarsest:
            grids.insert(0, (grids[0] + 1) // 2)
        return grids

    def _sharpen(self) -> None:
        """Solve on with twice the parts where a path leaps, as long as that is allowed."""
        allowed = self.solver.max_subnodes or self.solver.subnodes
        leaping = torch.arange(len(self.path))
        while 2 * self.rule.subnodes <= allowed:
            found = certify(
                self.metric, self.path[leaping], self.measured.energy[leaping], self.rule
            )
            self.evaluations[leaping] += found.evaluations
            leaping = leaping[found.tunnelled]
            if len(leaping) == 0:
                return
            self.rule = Quadrature(self.rule.rule, 2 * self.rule.subnodes)
            run = self._run(self.path[leaping], leaping, self.rule, False, self.solver.tolerance)
            measured = run.residuals.measure(run.final)
            self.path[leaping], self.gradient[leaping] = run.path, run.residuals.gradient(run.final)
            for item in fields(PathMeasure):
                getattr(self.measured, item.name)[leaping] = getattr(measured, item.name)
            for row, pair in enumerate(leaping.tolist()):
                self.status[pair], self.reason[pair] = run.status[row], run.reason[row]

    def _run(
        self,
        path: torch.Tensor,
        pairs: torch.Tensor,
        rule: Quadrature,
        continuation: bool | None,
        tolerance: float,
    ) -> Run:
        """One stage, for some pairs; its steps are told and kept as steps of all."""
        solver = self.solver
        plan = Plan(
            self.metric.lam,
            solver.max_iterations,
            continuation,
            tolerance,
            solver.damping,
            solver.differentiate_score,
        )
        before_iterations, before = self.iterations[pairs].clone(), self.evaluations[pairs].clone()
        offset = len(self.history)

        def keep(step: Step) -> None:
            self.energy[pairs] = step.energy
            self.evaluations[pairs] = before + step.score_evaluations
            self.history.append(
                Step(offset + step.iteration, self.energy.clone(), self.evaluations.clone())
            )
            if self.on_step is not None and step.iteration > 0:
                self.on_step(replace(self.history[-1], path=self._now(pairs, step.path)))

        run = Run(self.metric.field, rule, path, plan, keep)
        run.iterate()
        self.iterations[pairs] = before_iterations + run.iterations
        return run

    def _now(self, pairs: torch.Tensor, path: torch.Tensor | None) -> torch.Tensor | None:
        """All pairs' paths, those of `pairs` being `path`; None on a coarse grid."""
        if path is None or path.shape[1] != self.solver.num_points:
            return None
        if len(pairs) == len(self.path):
            return path.clone()
        everyone = self.path.clone()
        everyone[pairs] = path
        return everyone

    def solution(self) -> Solution:
        """Each pair measured on the quadrature it ended on, and certified on one finer than the
        finest of them.
        """
        return conclude(
            self.metric,
            self.path,
            self.rule,
            status=self.status,
            iterations=self.iterations,
            score_evaluations=self.evaluations,
            reason=self.reason,
            history=self.history,
            began=self.began,
            measured=self.measured,
            gradient=self.gradient,
        )

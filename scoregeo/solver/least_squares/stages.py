"""The stages of a solve: grids from coarse to fine, then finer quadratures where paths tunnel."""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.refine import refine
from scoregeo.solver.base import Solution, Step
from scoregeo.solver.certificate import certify
from scoregeo.solver.conclude import conclude
from scoregeo.solver.least_squares.evaluation import (
    AbstractEvaluation,
    GradientFieldEvaluation,
    JacobianEvaluation,
)
from scoregeo.solver.least_squares.iteration import Iteration, Method

_COARSE_TOLERANCE = 0.1  # a coarse grid's path is only a start


@dataclass(frozen=True)
class Settings:
    """The first quadrature `rule`, the most `subnodes` of a finer one, the `coarsest` grid's points
    (None: the start's own grid alone), and whether the score is differentiated.
    """

    rule: Quadrature
    subnodes: int
    coarsest: int | None
    differentiate_score: bool


class Stages:
    """One solve of all pairs; evaluations, iterations and history add up over its stages.

    `path` [pairs, points, *shape] is every pair's last, on the quadrature that it ended on.
    """

    def __init__(
        self,
        metric: AbstractMetric,
        energy: LeastSquares,
        method: Method,
        settings: Settings,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None,
    ) -> None:
        self.metric, self.least_squares, self.method = metric, energy, method
        self.settings, self.rule, self.on_step = settings, settings.rule, on_step
        self.began = time.perf_counter()
        self.iterations = torch.zeros(len(start), dtype=torch.int64)
        self.evaluations = torch.zeros(len(start), dtype=torch.int64)
        self.history: list[Step] = []
        self.energy = torch.full((len(start),), torch.nan, dtype=torch.float64)
        self.path, self.shown = start, start.clone()

    def run(self) -> None:
        """Solve on every grid, then refine the quadrature."""
        path, method, everyone = self.path, self.method, torch.arange(len(self.path))
        grids = self._grids()
        for num_points in grids:
            path = refine(path, num_points)
            tolerance = self.method.termination.tolerance
            if num_points < grids[-1]:
                tolerance = max(tolerance, _COARSE_TOLERANCE)
            termination = replace(method.termination, tolerance=tolerance)
            last = self._stage(path, everyone, replace(method, termination=termination))
            path, method = last.path, self._continued
        self.path, self.stops = last.path, last.stops
        self.measured = last.residuals.measure(last.final)
        self.gradient = last.residuals.gradient(last.final)
        self._refine()

    @property
    def _continued(self) -> Method:
        """The method of a start that an earlier stage found: at the final lam throughout."""
        return replace(self.method, continuation=replace(self.method.continuation, enabled=False))

    def _grids(self) -> list[int]:
        """Numbers of points, the start's own last."""
        grids, coarsest = [self.path.shape[1]], self.settings.coarsest
        while coarsest is not None and (grids[0] + 1) // 2 >= coarsest:
            grids.insert(0, (grids[0] + 1) // 2)
        return grids

    def _refine(self) -> None:
        """Adaptive refinement: double the parts of the pairs whose path tunnels, as long as that is
        allowed, and solve on.
        """
        pairs = torch.arange(len(self.path))
        while 2 * self.rule.subnodes <= self.settings.subnodes:
            found = certify(self.metric, self.path[pairs], self.measured.energy[pairs], self.rule)
            self.evaluations[pairs] += found.evaluations
            pairs = pairs[found.tunnelled]
            if len(pairs) == 0:
                return
            self.rule = Quadrature(self.rule.rule, 2 * self.rule.subnodes)
            last = self._stage(self.path[pairs], pairs, self._continued)
            measured = last.residuals.measure(last.final)
            self.path[pairs] = last.path
            self.gradient[pairs] = last.residuals.gradient(last.final)
            for item in fields(PathMeasure):
                getattr(self.measured, item.name)[pairs] = getattr(measured, item.name)
            for row, pair in enumerate(pairs.tolist()):
                self.stops[pair] = last.stops[row]

    def _stage(
        self,
        path: torch.Tensor,
        pairs: torch.Tensor,
        method: Method,
        evaluation: AbstractEvaluation[Any] | None = None,
    ) -> Iteration:
        """One iteration to its end, for some pairs; its steps are reported and kept as steps of
        all. `evaluation`: by default on the quadrature `rule`.
        """
        iterations, evaluations = self.iterations[pairs].clone(), self.evaluations[pairs].clone()
        offset = len(self.history)

        def keep(step: Step) -> None:
            self.energy[pairs] = step.energy
            self.evaluations[pairs] = evaluations + step.score_evaluations
            self.history.append(
                Step(offset + step.iteration, self.energy.clone(), self.evaluations.clone())
            )
            if self.on_step is not None and step.iteration > 0:
                self.on_step(replace(self.history[-1], path=self._now(pairs, step.path)))

        iteration = Iteration(evaluation or self._evaluation(path), path, method, keep)
        iteration.run()
        self.iterations[pairs] = iterations + iteration.iterations
        return iteration

    def _evaluation(self, path: torch.Tensor) -> AbstractEvaluation[Any]:
        if self.settings.differentiate_score:
            return JacobianEvaluation(self.least_squares, self.rule, path)
        return GradientFieldEvaluation(self.least_squares, self.rule)

    def _now(self, pairs: torch.Tensor, path: torch.Tensor | None) -> torch.Tensor | None:
        """All pairs' latest paths, those of `pairs` being `path`; one of another grid is
        interpolated.
        """
        if path is None:
            return None
        self.shown[pairs] = refine(path, self.shown.shape[1])
        return self.shown.clone()

    def solution(self) -> Solution:
        """Each pair measured on the quadrature it ended on, and certified on one finer than the
        finest of them.
        """
        return conclude(
            self.metric,
            self.path,
            self.rule,
            status=[stop.status for stop in self.stops],
            iterations=self.iterations,
            score_evaluations=self.evaluations,
            reason=[stop.reason for stop in self.stops],
            history=self.history,
            began=self.began,
            measured=self.measured,
            gradient=self.gradient,
            exact=self.settings.differentiate_score,
        )

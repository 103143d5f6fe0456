"""Adaptive refinement: a smooth path with few points first, nodes only where the rule's error is."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch

from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.path.refine import refine
from scoregeo.solver.base import Step
from scoregeo.solver.least_squares.iteration import Iteration, Method
from scoregeo.solver.least_squares.mesh import QUADRATIC, Mesh, coarsened_energy
from scoregeo.solver.least_squares.mesh_evaluation import Known, MeshEvaluation
from scoregeo.solver.least_squares.mesh_residuals import PathResiduals
from scoregeo.solver.least_squares.stages import Settings, Stages


@dataclass(frozen=True)
class Refinement:
    """How a mesh is refined.

    Attributes:
        tolerance: share of the energy that the elements' indicators may add up to. The indicator of
            an element is the difference between its integral and that of the next lower order on
            the same nodes, several times its error.
        depth: cuts of an element at most.
        growth: segments of a grid over those of the grid before, about.
        coarse_tolerance, coarse_refinement: `Termination.tolerance` and this one's `tolerance` on
            grids before the last.
    """

    tolerance: float = 0.03
    depth: int = 4
    growth: int = 4
    coarse_tolerance: float = 0.1
    coarse_refinement: float = 0.3

    def marked(self, residuals: PathResiduals, lam: float, tolerance: float) -> torch.Tensor:
        """The fewest elements [E] bool such that the others' indicators add up to less than
        `tolerance` of the energy.
        """
        mesh = residuals.mesh
        own = residuals.values().square().sum(1)
        lower = coarsened_energy(mesh, residuals.slopes())
        score, euclidean = own.sum(), residuals.segments.square().sum()
        share = (lam * (lower - own).abs() / (euclidean + lam * score)).cpu()
        order = share.argsort()
        kept = share[order].cumsum(0) <= tolerance
        marked = torch.ones(len(share), dtype=torch.bool)
        marked[order[kept]] = False
        return marked & (mesh.width > 2.0**-self.depth + 1e-12)


class AdaptiveStages(Stages):
    """`Stages` on meshes: every grid's mesh is refined where its indicators say so."""

    def __init__(
        self,
        metric: AbstractMetric,
        energy: LeastSquares,
        method: Method,
        settings: Settings,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None,
        refinement: Refinement,
    ) -> None:
        super().__init__(metric, energy, method, settings, start, on_step)
        self.refinement = refinement

    def run(self) -> None:
        """Solve on every grid, from coarse to fine, each refined until its indicators are small."""
        path, method, grids = self.path, self.method, self._grids()
        known: list[Known | None] = [None] * len(path)
        for num_points in grids:
            path = refine(path, num_points)
            last = num_points == grids[-1]
            path, known = self._grid(path, method, known, last)
            method = self._continued
        self.path = path

    def _grids(self) -> list[int]:
        grids, coarsest, growth = (
            [self.path.shape[1]],
            self.settings.coarsest,
            self.refinement.growth,
        )
        while coarsest and (fewer := round((grids[0] - 1) / growth) + 1) >= coarsest:
            grids.insert(0, fewer)
        return grids

    def _grid(
        self, path: torch.Tensor, method: Method, known: list[Known | None], last: bool
    ) -> tuple[torch.Tensor, list[Known | None]]:
        """Solve on one grid, for every pair until nothing is left to refine."""
        settings = self.refinement
        tolerance = settings.tolerance if last else settings.coarse_refinement
        small = method.termination.tolerance if last else settings.coarse_tolerance
        method = replace(method, termination=replace(method.termination, tolerance=small))
        pairs = torch.arange(len(path))
        meshes = [Mesh.uniform(path.shape[1] - 1, 1, QUADRATIC)] * len(path)
        path, known = path.clone(), list(known)
        while len(pairs):
            chosen = pairs.tolist()
            evaluation = MeshEvaluation(
                self.least_squares, [meshes[k] for k in chosen], [known[k] for k in chosen]
            )
            done = self._stage(path[pairs.to(path.device)], pairs, method, evaluation)
            path[pairs.to(path.device)] = done.path
            if last:
                self._keep(pairs, done)
            left = []
            for row, pair in enumerate(chosen):
                residuals = done.residuals.every[row]
                known[pair] = (done.path[row].clone(), residuals)
                marked = settings.marked(residuals, self.least_squares.lam, tolerance)
                if marked.any():
                    meshes[pair] = meshes[pair].refined(marked)
                    left.append(pair)
            pairs = torch.tensor(left, dtype=torch.int64)
            method = replace(method, continuation=replace(method.continuation, enabled=False))
        return path, known

    def _keep(self, pairs: torch.Tensor, done: Iteration) -> None:
        """What the solution says of some pairs, from their last iteration."""
        measured, gradient = done.residuals.measure(done.final), done.residuals.gradient(done.final)
        if len(pairs) == len(self.path):
            self.measured, self.gradient, self.stops = measured, gradient, list(done.stops)
            return
        self.gradient[pairs] = gradient
        for item in fields(PathMeasure):
            getattr(self.measured, item.name)[pairs] = getattr(measured, item.name)
        for row, pair in enumerate(pairs.tolist()):
            self.stops[pair] = done.stops[row]

"""Adaptive refinement: a path of few points first, and nodes only where the rule's error is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch

from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.refine import refine
from scoregeo.solver.base import Step
from scoregeo.solver.least_squares.iteration import Iteration, Method
from scoregeo.solver.least_squares.mesh import QUADRATIC, Mesh, coarsened_energy
from scoregeo.solver.least_squares.mesh_evaluation import Known, MeshEvaluation
from scoregeo.solver.least_squares.mesh_residuals import MeshResiduals, PathResiduals
from scoregeo.solver.least_squares.stages import Settings, Stages
from scoregeo.solver.least_squares.termination import OUT_OF_BUDGET, Stop
from scoregeo.solver.verdict import STATIONARY, saddles


@dataclass(frozen=True)
class Refinement:
    """How a mesh is refined.

    Attributes:
        tolerance: share of the energy that the elements' indicators may add up to. The indicator of
            an element is the difference between its integral and that of the next lower order on
            the same nodes, several times its error.
        depth: cuts of an element at most.
        coarsest: points of the first grid, where the start is smooth enough for it.
        growth: segments of a grid over those of the grid before, about.
        smooth: distance from a start to its own interpolation from a coarse grid, as a share of its
            chord, up to which the coarse grid is solved first.
        order, coarse_order: of the first elements on the last grid and on those before.
        coarse_tolerance, coarse_refinement: `Termination.tolerance` and this one's `tolerance` on
            grids before the last.
        damping: greatest damping that a grid takes over from the one before.
        elements: of the last grid's first mesh at least.
    """

    tolerance: float = 0.03
    depth: int = 4
    coarsest: int = 17
    growth: int = 4
    smooth: float = 0.02
    order: int = QUADRATIC
    coarse_order: int = QUADRATIC
    coarse_tolerance: float = 1e-3
    coarse_refinement: float = 0.1
    damping: float = 0.5
    elements: int = 48

    def marked(self, residuals: PathResiduals, lam: float, tolerance: float) -> torch.Tensor:
        """The fewest elements [E] bool such that the others' indicators add up to less than
        `tolerance` of the energy.
        """
        mesh = residuals.mesh
        own = residuals.values().square().sum(1)
        lower = coarsened_energy(mesh, residuals.slopes())
        score, euclidean = own.sum(), residuals.segments.square().sum()
        least = torch.finfo(score.dtype).tiny  # of equal ends all is 0
        share = (lam * (lower - own).abs() / (euclidean + lam * score).clamp_min(least)).cpu()
        order = share.argsort()
        kept = share[order].cumsum(0) <= tolerance
        marked = torch.ones(len(share), dtype=torch.bool)
        marked[order[kept]] = False
        return marked & (mesh.width > 2.0**-self.depth + 1e-12)

    def parts(self, segments: int) -> int:
        """First elements of a segment of the last grid. Long ones need several: along a chord of a
        curved ridge `s . d` vanishes at both ends and in the middle, an element's own nodes.
        """
        return -(-self.elements // segments)

    def grids(self, points: int) -> list[int]:
        """Numbers of points of the grids, `points` last. A path of few points is solved with
        `coarsest` first: the fewer, the more a segment may cross.
        """
        grids = [points]
        while grids[0] > 2 * self.coarsest - 1:
            grids.insert(0, max(round((grids[0] - 1) / self.growth) + 1, self.coarsest))
        if 2 < grids[0] < self.coarsest:
            grids.insert(0, self.coarsest)
        return grids


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
        self.rule = Quadrature("trapezoid", 2)  # what the certificate's is finer than
        everyone = len(start)
        zeros = torch.zeros(everyone, dtype=torch.float64, device=start.device)
        self.damping = zeros + method.damping
        self.known: list[Known | None] = [None] * everyone
        self.stops: list[Stop] = []

    def run(self) -> None:
        """Solve on every grid, from coarse to fine, each refined until its indicators are small."""
        start, everyone = self.path, torch.arange(len(self.path))
        *coarse, points = self.refinement.grids(start.shape[1])
        smooth = torch.zeros(len(start), dtype=torch.bool)
        if coarse:
            smooth = self._smooth(start, coarse[0])
        path, first = refine(start, (*coarse, points)[0]), True
        for num_points in coarse if bool(smooth.any()) else []:
            path = self._grid(refine(path, num_points), everyone[smooth], first, last=False)
            first = False
        path = refine(path, points).clone()
        path[~smooth] = start[~smooth]
        for pairs, fresh in ((everyone[smooth], False), (everyone[~smooth], True)):
            if len(pairs):
                path = self._grid(path, pairs, fresh, last=True)
        self.path = path

    def _smooth(self, start: torch.Tensor, num_points: int) -> torch.Tensor:
        """Which starts a grid of `num_points` represents, [pairs] bool."""
        again = refine(refine(start, num_points), start.shape[1])
        away = (again - start).flatten(2).double().square().sum(2).amax(1)
        chord = (start[:, -1] - start[:, 0]).flatten(1).double().square().sum(1)
        return (away <= self.refinement.smooth**2 * chord).cpu()

    def _grid(
        self, path: torch.Tensor, pairs: torch.Tensor, fresh: bool, last: bool
    ) -> torch.Tensor:
        """`path` with `pairs` solved on its grid; on a pair's first (`fresh`) once more from a
        bent path where that ended at a saddle.
        """
        path = self._solved(path, pairs, fresh, last)
        if not fresh:
            return path
        found, bent, spent = saddles(self.metric, path[pairs], self.energy[pairs], self.rule)
        self.evaluations[pairs] += spent
        if not found.any():
            return path
        again = pairs[found]
        self.damping[again] = self.method.damping
        path[again] = bent[found]
        return self._solved(path, again, fresh, last)

    def _solved(
        self, path: torch.Tensor, pairs: torch.Tensor, fresh: bool, last: bool
    ) -> torch.Tensor:
        """`path` with `pairs` solved on its grid, each until nothing is left to refine."""
        settings, path = self.refinement, path.clone()
        tolerance = settings.tolerance if last else settings.coarse_refinement
        order = settings.order if last else settings.coarse_order
        segments = path.shape[1] - 1
        parts = settings.parts(segments) if last else 1
        meshes = dict.fromkeys(pairs.tolist(), Mesh.uniform(segments, parts, order))
        while len(pairs):
            if not fresh:
                self._resolve(path, pairs, meshes, tolerance)
            evaluation = self._on(meshes, pairs)
            done = self._stage(path[pairs], pairs, self._method(pairs, fresh, last), evaluation)
            path[pairs], fresh = done.path, False
            self.damping[pairs] = done.damping.clamp_max(settings.damping)
            if last:
                self._keep(pairs, done)
            pairs = self._refined(done.path, done.residuals, pairs, meshes, tolerance)
        return path

    def _resolve(
        self, path: torch.Tensor, pairs: torch.Tensor, meshes: dict[int, Mesh], tolerance: float
    ) -> None:
        """Refine before a step is tried: on a coarse mesh it would lead where the rule is blind.
        Each node is evaluated once, and its score carried over.
        """
        while len(pairs):
            residuals, spent = self._on(meshes, pairs).start(path[pairs])
            self.evaluations[pairs] += spent
            pairs = self._refined(path[pairs], residuals, pairs, meshes, tolerance)

    def _refined(
        self,
        path: torch.Tensor,
        residuals: MeshResiduals,
        pairs: torch.Tensor,
        meshes: dict[int, Mesh],
        tolerance: float,
    ) -> torch.Tensor:
        """Refine the meshes of `pairs`, whose paths and residuals these are, where their error is;
        the pairs for which there was something to refine.
        """
        left = []
        for row, pair in enumerate(pairs.tolist()):
            own = residuals.every[row]
            self.known[pair] = (path[row].clone(), own)
            marked = self.refinement.marked(own, self.least_squares.lam, tolerance)
            if marked.any():
                meshes[pair] = meshes[pair].refined(marked)
                left.append(pair)
        return torch.tensor(left, dtype=torch.int64)

    def _on(self, meshes: dict[int, Mesh], pairs: torch.Tensor) -> MeshEvaluation:
        chosen = pairs.tolist()
        return MeshEvaluation(
            self.least_squares, [meshes[k] for k in chosen], [self.known[k] for k in chosen]
        )

    def _method(self, pairs: torch.Tensor, fresh: bool, last: bool) -> Method:
        """Damping from the stage before; continuation where there was none."""
        method, settings = self.method, self.refinement
        tolerance = method.termination.tolerance if last else settings.coarse_tolerance
        return replace(
            method if fresh else self._continued,
            termination=replace(
                method.termination,
                tolerance=tolerance,
                stationary=STATIONARY if last else math.inf,
            ),
            damping=self.damping[pairs],
        )

    def _keep(self, pairs: torch.Tensor, done: Iteration) -> None:
        """What the solution says of some pairs, from their last iteration."""
        measured, gradient = done.residuals.measure(done.final), done.residuals.gradient(done.final)
        if not self.stops:
            size = len(self.path)
            self.stops = [OUT_OF_BUDGET] * size
            self.gradient = gradient.new_zeros(size, *gradient.shape[1:])
            self.measured = PathMeasure(
                *(self.energy.new_zeros(size).to(gradient) for _ in range(3))
            )
        self.gradient[pairs] = gradient
        for item in fields(PathMeasure):
            getattr(self.measured, item.name)[pairs] = getattr(measured, item.name)
        for row, pair in enumerate(pairs.tolist()):
            self.stops[pair] = done.stops[row]

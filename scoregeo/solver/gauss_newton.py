"""The project's solver: damped Gauss-Newton on the graph energy, by default without a backward pass
through the score.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch

from scoregeo._utils.errors import ConfigError, bad_value, check_choice, check_number
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import MOST_SUBNODES, Quadrature
from scoregeo.solver.base import CONVERGED, AbstractSolver, Solution, Step
from scoregeo.solver.certificate import REFINEMENT
from scoregeo.solver.conclude import conclude
from scoregeo.solver.least_squares.adaptive import AdaptiveStages, Refinement
from scoregeo.solver.least_squares.continuation import Continuation
from scoregeo.solver.least_squares.descent import GaussNewtonDescent
from scoregeo.solver.least_squares.iteration import Method
from scoregeo.solver.least_squares.score_jacobian import KEPT
from scoregeo.solver.least_squares.search import LevenbergMarquardt
from scoregeo.solver.least_squares.stages import Settings, Stages
from scoregeo.solver.least_squares.termination import Termination
from scoregeo.solver.parts import within_memory
from scoregeo.solver.serving import refusal

AUTO, ADAPTIVE, NONE = "auto", "adaptive", "none"
# Points from which "auto" refines adaptively: below, a mesh takes several evaluations a point
_MANY = Refinement().elements + 1
# Float64 copies of the quadrature's nodes that a solve takes at most, a closed-form score's own
# among them; measured: 7 to 9
_COPIES = 11
# Parts of a segment that memory is there for at least: those of the certificate
_LEAST_PARTS = REFINEMENT


@dataclass(frozen=True)
class GaussNewton(AbstractSolver):
    """Minimises an energy that is a sum of squares, such as that of `stein`, by Gauss-Newton with
    Levenberg-Marquardt damping of the path Laplacian. Serves metrics that declare such an energy
    (`AbstractMetric.least_squares`) and flat ones.

    On the plain rule an iteration costs `quadrature.evaluations(num_points)` score evaluations a
    pair, in one batch for all pairs; a rejected step costs the same. Each pair has its own damping,
    continuation and stop. Arithmetic is float64 whatever the score's type. Without a network's help
    nothing larger than `[n m, n m]` and a few copies of the path's nodes is kept; pairs that do not
    fit the memory limit are solved one batch after another (`pair_bytes`, `scoregeo.memory_limit`),
    and a network cuts its own batch (`score.chunk`).

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        refinement: "none": the plain rule, `quadrature` with the same `subnodes` everywhere, on
            which a path may tunnel. "adaptive": a path of few points first, then `num_points`; the
            line integral of the square of `d log p / du` by elements of second order
            (`least_squares.mesh`), cut where their error is; scores are carried over. "auto":
            adaptive from 49 points on, unless one of the settings of the plain rule is given
            (`quadrature`, `subnodes`, `max_subnodes`, `coarsest`, `differentiate_score`). With
            fewer points the mesh takes several evaluations a point and step.
        quadrature: "trapezoid" or "simpson".
        subnodes: equal parts a segment is split into for the quadrature; more of them keep the path
            from tunnelling through valleys of the density.
        max_subnodes: adaptive refinement: where the certificate finds that a path tunnels, double
            the parts and solve on from there, up to this many; None: never.
        coarsest: solve first with this many points at least, on a grid coarse by powers of two, and
            double; None: never. Two to three times cheaper from 128 points on; but on a coarse grid
            a path may tunnel, and stay so on a fine one: use it together with `max_subnodes`.
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
            (`score_jacobian`, adjoint Broyden). The start and an accepted step then cost
            three times as much, a rejected one the same. Pairs are evaluated one after another, the
            score's graph held for one at a time. "auto"
            continuation is off: measured on digits, lam raised in steps cost more than it saved.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=100.0)
        >>> a, b = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0, 1.0, 0]]).double()
        >>> solver = scoregeo.GaussNewton(num_points=17, max_subnodes=4)
        >>> found = solver.solve(metric, scoregeo.linear(torch.stack([a, b], 1), 17))
        >>> found.status, bool(found.tunnelled)
        (('converged',), False)
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
    refinement: str = AUTO

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_choice("solver.quadrature", self.quadrature, ("trapezoid", "simpson"))
        check_number(
            "solver.subnodes", self.subnodes, at_least=1, at_most=MOST_SUBNODES, integer=True
        )
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
        check_choice("solver.refinement", self.refinement, (ADAPTIVE, NONE, AUTO))
        if self.refinement == ADAPTIVE and (given := self._plain_settings()):
            raise ConfigError(
                f"solver.refinement = 'adaptive' has a rule of its own: solver.{given[0]} must be"
                " left as it is, or solver.refinement be 'none'."
            )

    def _plain_settings(self) -> list[str]:
        """Settings of the plain rule that differ from their defaults."""
        plain = ("quadrature", "subnodes", "max_subnodes", "coarsest", "differentiate_score")
        return [
            item.name
            for item in fields(self)
            if item.name in plain and getattr(self, item.name) != item.default
        ]

    @property
    def adaptive(self) -> bool:
        """Whether a solve refines adaptively."""
        many = self.num_points >= _MANY and not self._plain_settings()
        return self.refinement == ADAPTIVE or (self.refinement == AUTO and many)

    def check(self, metric: AbstractMetric) -> None:
        if metric.least_squares is None and not metric.is_flat:
            raise refusal("gauss_newton", metric.name, "energy that is a sum of squares")

    @within_memory
    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        self.check(metric)
        energy = metric.least_squares
        if energy is None:
            return _straight(metric, start)
        settings = Settings(
            Quadrature(self.quadrature, self.subnodes),
            self.max_subnodes or self.subnodes,
            self.coarsest,
            self.differentiate_score,
        )
        method = self._method(energy.lam)
        if self.adaptive:
            stages: Stages = AdaptiveStages(
                metric, energy, method, settings, start, on_step, Refinement()
            )
        else:
            stages = Stages(metric, energy, method, settings, start, on_step)
        stages.run()
        return stages.solution()

    def pair_bytes(self, size: int) -> int:
        """A dozen copies of the nodes of the finest quadrature, those that the estimate of the
        score's Jacobian remembers, and the matrices of the normal equations. A mesh that adapts is
        taken to have twice the certificate's nodes.
        """
        least = _LEAST_PARTS * (2 if self.adaptive else 1)
        parts = max(self.subnodes, self.max_subnodes or 1, least)
        nodes = (self.num_points - 1) * parts * (2 if self.quadrature == "simpson" else 1) + 1
        copies = _COPIES + (2 * KEPT if self.differentiate_score else 0)
        return 8 * nodes * (copies * size + 4 * nodes)

    def _method(self, lam: float) -> Method:
        """The parts of an iteration that ends at `lam`."""
        estimated = self.differentiate_score
        auto = self.continuation == AUTO and not estimated
        return Method(
            descent=GaussNewtonDescent(extrapolates=not estimated),
            search=LevenbergMarquardt(estimated),
            continuation=Continuation(lam, None if auto else self.continuation is True),
            termination=Termination(self.tolerance, lam, estimated),
            damping=self.damping,
            max_iterations=self.max_iterations,
        )


def _straight(metric: AbstractMetric, start: torch.Tensor) -> Solution:
    """In a flat metric every start relaxes to the straight line between its ends."""
    began, pairs = time.perf_counter(), len(start)
    zero = torch.zeros(pairs, dtype=torch.int64)
    return conclude(
        metric,
        linear(start[:, [0, -1]], start.shape[1]),
        Quadrature(),
        status=[CONVERGED] * pairs,
        iterations=zero,
        score_evaluations=zero,
        reason=[""] * pairs,
        history=[],
        began=began,
    )

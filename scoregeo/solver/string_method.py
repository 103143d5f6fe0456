"""The string method: geodesics of the pullback metric by forward evaluations of the score alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from scoregeo._utils.errors import ScoreError, check_number
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.least_squares import ScoreChords
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import resample
from scoregeo.solver.base import BUDGET, CONVERGED, STALLED, AbstractSolver, Solution, Step
from scoregeo.solver.conclude import conclude
from scoregeo.solver.parts import within_memory
from scoregeo.solver.serving import refusal

_SHRINK = 0.5  # between two trials of a step
_SHORTEST = 2**-6  # share of a step below which no further trial is made
_RULE = Quadrature("trapezoid", 1)


@dataclass(frozen=True)
class StringMethod(AbstractSolver):
    """Minimises the energy of the score's chords,

        E = (n/2) sum_i ( eps |d_i|^2 + |s_{i+1} - s_i|^2 ),

    by Gauss-Newton with the Jacobian that the score has at an ideal manifold blurred by sigma,
    `J = -N / sigma^2`, N the projection on the normal space of the path. Its step across the path
    is in closed form, and along the path the points are put at equal steps again:

        u_i = N_i ( sigma^2 S_i - eps sigma^4 X_i ) / (1 + eps sigma^4),

    S_i and X_i the score and the point less the linear interpolation of those at the ends. For
    small eps the step is that of the denoiser, `D(x) - x = sigma^2 s`. With the points put at equal
    steps this is the simplified string method (E, Ren and Vanden-Eijnden 2007, J. Chem. Phys. 126,
    164103) on log p_sigma, and its limit a ridge of the density (Ozertem and Erdogmus 2011, JMLR
    12, "principal curve").

    No derivative of the score is taken. At an exact score of a manifold the error of a step falls
    about tenfold an iteration. A learned score that is accurate as a denoiser need not have an
    accurate Jacobian, and minima of its exact energy can lie off the data (see
    `docs/explanation/learned_scores.md`): there the first steps gain most.

    An iteration costs `num_points - 2` score evaluations a pair, `num_points - 2` more for each
    shorter trial where the step does not lower the energy, and the start `num_points`. Pairs are
    evaluated in one batch. A trial at which the score fails is a rejected one.

    Attributes:
        num_points: points of a path, both ends counted, at least 2.
        max_iterations: steps.
        tolerance: converged when a whole step lowers the energy by at most this share of it.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.PullbackMetric(field)
        >>> a, b = torch.tensor([[1.0, 0, 0]]).double(), torch.tensor([[0, 1.0, 0]]).double()
        >>> start = scoregeo.linear(torch.stack([a, b], 1), 33)
        >>> found = scoregeo.StringMethod(num_points=33).solve(metric, start)
        >>> bool((found.path.norm(dim=2) - 1).abs().max() < 0.02)
        True
    """

    num_points: int = 64
    max_iterations: int = 20
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        check_number("solver.num_points", self.num_points, at_least=2, integer=True)
        check_number("solver.max_iterations", self.max_iterations, at_least=1, integer=True)
        check_number("solver.tolerance", self.tolerance, above=0.0, below=1.0)

    def check(self, metric: AbstractMetric) -> None:
        if not metric.has_score_chords:
            raise refusal("string_method", metric.name, "energy of chords of the score")

    @within_memory
    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        self.check(metric)
        began = time.perf_counter()
        run = _Run(self, metric, start)
        run.iterate(on_step)
        return conclude(
            metric,
            run.path,
            _RULE,
            status=run.status,
            iterations=run.iterations,
            score_evaluations=run.evaluations,
            reason=run.reason,
            history=run.history,
            began=began,
        )

    def relax(
        self, metric: AbstractMetric, start: torch.Tensor, ends: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The paths that `solve` would end with if no step were shortened, same shape, without
        measuring them, and the scores at their points, [pairs, points, D] float64.

        `ends` [pairs, 2, D]: the scores at the ends, where they are known. At most
        `(1 + max_iterations) (num_points - 2)` evaluations a pair, and 2 where they are not.
        """
        self.check(metric)
        run = _Run(self, metric, start, shortest=1.0, ends=ends)
        run.iterate(None)
        return run.path, run.scores


class _Run:
    """The state of one solve: it lives as long as `StringMethod.solve`."""

    def __init__(
        self,
        solver: StringMethod,
        metric: AbstractMetric,
        start: torch.Tensor,
        shortest: float = _SHORTEST,
        ends: torch.Tensor | None = None,
    ) -> None:
        pairs = len(start)
        self.shortest = shortest
        self.solver, self.metric, self.chords = solver, metric, metric.score_chords
        self.path = start.detach().clone()
        if ends is None:
            ends = self._scores(self.path[:, [0, -1]])
        self.scores = self._between(ends, self.path)
        self.energy = self._energy(self.path, self.scores)
        self.evaluations = torch.full((pairs,), solver.num_points)
        self.iterations = torch.zeros(pairs, dtype=torch.int64)
        self.status = [BUDGET] * pairs
        self.reason = [f"{solver.max_iterations} iterations are spent"] * pairs
        self.history = [Step(0, self.energy.cpu().clone(), self.evaluations.clone())]
        nothing = self.energy == 0 if solver.num_points > 2 else torch.ones_like(self.energy)
        for pair in nothing.nonzero()[:, 0].tolist():
            self._stop(pair, CONVERGED)

    def iterate(self, on_step: Callable[[Step], None] | None) -> None:
        for iteration in range(1, self.solver.max_iterations + 1):
            active = [pair for pair, status in enumerate(self.status) if status == BUDGET]
            if not active:
                return
            self._iterate(torch.tensor(active, device=self.path.device))
            self.history.append(
                Step(iteration, self.energy.cpu().clone(), self.evaluations.clone())
            )
            if on_step is not None:
                on_step(replace(self.history[-1], path=self.path.clone()))

    def _iterate(self, index: torch.Tensor) -> None:
        """One step of the pairs `index`, shortened where it does not lower a pair's energy."""
        before = self.energy[index]
        origin, step = (
            self.path[index],
            normal_step(self.path[index], self.scores[index], self.chords),
        )
        searching = torch.ones(len(index), dtype=torch.bool, device=index.device)
        share = 1.0
        while bool(searching.any()) and share >= self.shortest:
            rows = searching.nonzero()[:, 0]
            pairs = index[rows]
            trial, scores, energy = self._try(origin[rows], share * step[rows], self.scores[pairs])
            self.evaluations[pairs.cpu()] += self.solver.num_points - 2
            lower = energy < before[rows]
            kept = pairs[lower]
            self.path[kept], self.scores[kept] = trial[lower], scores[lower]
            self.energy[kept] = energy[lower]
            searching[rows[lower]] = False
            share *= _SHRINK
        gained = (before - self.energy[index]).cpu()
        small = (gained <= self.solver.tolerance * before.cpu()).tolist()
        for row, (pair, none) in enumerate(zip(index.tolist(), searching.tolist(), strict=True)):
            self.iterations[pair] += 1
            if none:
                self._stop(pair, STALLED, "no part of the step across the path lowers the energy")
            elif small[row]:
                self._stop(pair, CONVERGED)

    def _try(
        self, origin: torch.Tensor, step: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The paths moved by `step` with their points at equal steps, their scores and energies;
        infinite where the score fails. One pair's bad score does not spoil the others'.
        """
        trial = resample(origin + step.view(origin.shape).to(origin), self.solver.num_points)
        try:
            scores = self._between(known[:, [0, -1]], trial)
        except ScoreError:
            if len(trial) == 1:
                return trial, known, self.energy.new_full((1,), torch.inf)
            parts = [
                self._try(*one)
                for one in zip(origin.split(1), step.split(1), known.split(1), strict=True)
            ]
            first, second, third = zip(*parts, strict=True)
            return torch.cat(first), torch.cat(second), torch.cat(third)
        return trial, scores, self._energy(trial, scores)

    def _between(self, ends: torch.Tensor, path: torch.Tensor) -> torch.Tensor:
        """The score at each point of `path`, that at its ends being known, [pairs, 2, D]."""
        if path.shape[1] == 2:
            return ends
        return torch.cat([ends[:, :1], self._scores(path[:, 1:-1]), ends[:, 1:]], 1)

    def _scores(self, path: torch.Tensor) -> torch.Tensor:
        """The score at each point, [pairs, points, D] float64."""
        with torch.no_grad():
            found = self.chords.field(path.flatten(0, 1))
        return found.reshape(*path.shape[:2], -1).double()

    def _energy(self, path: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        nodes = torch.stack([scores[:, :-1], scores[:, 1:]], 2)
        return self.metric.measure_scores(nodes, path, _RULE).energy

    def _stop(self, pair: int, status: str, reason: str = "") -> None:
        self.status[pair], self.reason[pair] = status, reason


def normal_step(path: torch.Tensor, scores: torch.Tensor, chords: ScoreChords) -> torch.Tensor:
    """The Gauss-Newton step across `path` [pairs, points, *shape] where the score is `scores`
    [pairs, points, D], with the Jacobian `-N / sigma^2`: [pairs, points, D] float64, 0 at the ends.

    The tangent at a point is the direction from its neighbour before to that after it.
    """
    points = path.flatten(2).double()
    variance, weight = chords.field.sigma**2, chords.eps * chords.field.sigma**4
    step = (variance * _bowed(scores) - weight * _bowed(points)) / (1 + weight)
    tangent = torch.nn.functional.normalize(points[:, 2:] - points[:, :-2], dim=2)
    inner = step[:, 1:-1]
    across = inner - (inner * tangent).sum(2, keepdim=True) * tangent
    return torch.nn.functional.pad(across, (0, 0, 1, 1))


def _bowed(values: torch.Tensor) -> torch.Tensor:
    """`values` [pairs, points, D] less the linear interpolation of the first and the last."""
    share = torch.linspace(0, 1, values.shape[1], dtype=values.dtype, device=values.device)
    return values - torch.lerp(values[:, :1], values[:, -1:], share[:, None])

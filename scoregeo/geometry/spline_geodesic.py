"""Geodesics of a graph metric as cubic splines: the boundary-value problem without chords."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.least_squares import LeastSquares

_ITERATIONS = 25
_SMALL_STEP = 1e-6  # of a step to the path, in the norm of the flat energy, at convergence
_WINDOW = 6  # earlier steps that a step is extrapolated from
_MEMORY = 2**29  # bytes held at a time, about
_FIRST_DAMPING, _MORE, _LESS = 1e-3, 8.0, 8.0


@dataclass(frozen=True)
class SplineGeodesic:
    """`path` [pairs, points, *shape]; `momentum` [pairs, *shape] float64 at its first points, over
    unit time; CPU [pairs]: `converged`, and `evaluations` of the score.
    """

    path: torch.Tensor
    momentum: torch.Tensor
    converged: torch.Tensor
    evaluations: torch.Tensor


@torch.no_grad()
def spline_geodesic(metric: LeastSquares, start: torch.Tensor) -> SplineGeodesic:
    """The cubic spline of stationary energy near `start` [pairs, points, *shape], its ends fixed.

        E = int |X'|^2 du / 2 + (lam n / 2) sum_i delta_i^2,
        delta_i = log p(X(u_{i+1})) - log p(X(u_i)),

    over the n segments of the spline X (not-a-knot); delta by Simpson's rule for `s.X'`. Of second
    order in 1/n, by the squares of delta; but a polygon pays for every chord that leaves the ridge
    of a thin shell, an error with a factor of `lam`, which a spline does not.

    Derivatives of delta are scores at the knots, so Gauss-Newton needs no backward pass: `2 n + 1`
    evaluations an iteration, damped (Levenberg-Marquardt) where the energy would rise, at most 25
    iterations: about five where the path is smooth at the knots' spacing, all of them where it
    crosses a ridge thinner than that, which a spline of these knots does not resolve. The momentum
    is `-dE/dx_0` (`scoregeo.geometry.momentum`). A pair whose score is bad on the way does not
    converge.
    """
    size = start[0].numel()
    parts = [_solve(metric, some) for some in start.split(max(1, _MEMORY // (8 * 6 * size)))]
    return SplineGeodesic(
        *(
            torch.cat([getattr(part, name) for part in parts])
            for name in ("path", "momentum", "converged", "evaluations")
        )
    )


def _solve(metric: LeastSquares, start: torch.Tensor) -> SplineGeodesic:
    run = _Run(metric, start)
    for _ in range(_ITERATIONS):
        if not run.active.any():
            break
        run.iterate()
    return SplineGeodesic(
        run.nodes.reshape(start.shape).to(start),
        run.momentum().reshape(start[:, 0].shape),
        run.converged.cpu(),
        run.evaluations.cpu(),
    )


class _Basis:
    """Cardinal splines of `points` knots, [places, points], and their flat energy."""

    def __init__(self, points: int, like: torch.Tensor) -> None:
        self.points, self.like = points, like

    def _spline(self):  # type: ignore[no-untyped-def]
        from scipy.interpolate import make_interp_spline

        knots = np.linspace(0, 1, self.points)
        return make_interp_spline(knots, np.eye(self.points), k=min(3, self.points - 1))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.like.device)

    @cached_property
    def fine(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Values and derivatives at knots and midpoints, [2 n + 1, points]."""
        spline, u = self._spline(), np.linspace(0, 1, 2 * self.points - 1)
        return self._tensor(spline(u)), self._tensor(spline.derivative()(u))

    @cached_property
    def stiffness(self) -> torch.Tensor:
        """`int B_i' B_j' du`, [points, points], exactly: three Gauss points a segment."""
        n = self.points - 1
        nodes, weights = np.polynomial.legendre.leggauss(3)
        u = ((np.arange(n)[:, None] + (nodes + 1) / 2) / n).ravel()
        slopes = self._spline().derivative()(u)
        return self._tensor(slopes.T @ (np.tile(weights / 2 / n, n)[:, None] * slopes))


@dataclass
class _State:
    """At paths [pairs, points, D]: `scores` at the knots, `delta` [pairs, n] and `energy` [pairs],
    infinite where the score is bad.
    """

    scores: torch.Tensor
    delta: torch.Tensor
    energy: torch.Tensor


class _Run:
    """The state of one batch."""

    def __init__(self, metric: LeastSquares, start: torch.Tensor) -> None:
        self.metric, self.like = metric, start
        self.nodes = start.double().flatten(2)
        pairs, points, _ = self.nodes.shape
        self.n, self.basis = points - 1, _Basis(points, start)
        self.stiffness = self.basis.stiffness
        self.inverse = torch.linalg.inv(self.stiffness[1:-1, 1:-1])
        where = start.device
        self.evaluations = torch.zeros(pairs, dtype=torch.int64, device=where)
        self.converged = torch.zeros(pairs, dtype=torch.bool, device=where)
        self.active = torch.ones(pairs, dtype=torch.bool, device=where)
        self.damping = torch.zeros(pairs, dtype=torch.float64, device=where)
        self.past: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.plain = torch.zeros(pairs, dtype=torch.bool, device=where)
        self.state = self._at(self.nodes, torch.arange(pairs, device=where))
        self.active &= self.state.energy.isfinite()

    def _at(self, nodes: torch.Tensor, rows: torch.Tensor) -> _State:
        values, slopes = self.basis.fine
        points, tangents = values @ nodes, slopes @ nodes
        self.evaluations[rows] += points.shape[1]
        scores = self._scores(points)
        along = (scores * tangents).sum(2)
        delta = (along[:, :-1:2] + 4 * along[:, 1::2] + along[:, 2::2]) / (6 * self.n)
        flat = (nodes * (self.stiffness @ nodes)).sum((1, 2))
        energy = (flat + self.metric.lam * self.n * delta.square().sum(1)) / 2
        return _State(scores[:, ::2], delta, energy.nan_to_num(torch.inf))

    def _scores(self, points: torch.Tensor) -> torch.Tensor:
        """[pairs, places, D] float64; NaN for a pair with a bad score."""
        try:
            flat = points.reshape(-1, *self.like.shape[2:]).to(self.like)
            return self.metric.field(flat).double().reshape(points.shape)
        except ScoreError:
            if len(points) == 1:
                return torch.full_like(points, torch.nan)
        return torch.cat([self._scores(one) for one in points.split(1)])

    def iterate(self) -> None:
        """One damped Gauss-Newton step of the active pairs."""
        rows = self.active.nonzero()[:, 0]
        nodes, step = self.nodes[rows], self._step(rows)
        size = (step * (self.stiffness[1:-1, 1:-1] @ step)).sum((1, 2)).clamp_min(0).sqrt()
        scale = (nodes * (self.stiffness @ nodes)).sum((1, 2)).sqrt()
        done = (size <= _SMALL_STEP * scale) & (self.damping[rows] == 0)
        moved = nodes.clone()
        moved[:, 1:-1] += self._extrapolated(rows, nodes[:, 1:-1], step)
        state = self._at(moved, rows)
        old = self.state.energy[rows]
        # Rounding may hide the decrease that a last, small step brings.
        lower = state.energy <= old * (1 + 1e-13)
        won, kept = rows[lower], lower
        self.nodes[won] = moved[kept]
        for name in ("scores", "delta", "energy"):
            getattr(self.state, name)[won] = getattr(state, name)[kept]
        # An extrapolated step that fails is followed by the plain one, that by a damped one.
        lower_or_extrapolated = lower | ~self.plain[rows]
        less = self.damping[rows] / _LESS
        more = (self.damping[rows] * _MORE).clamp_min(_FIRST_DAMPING)
        less = less.where(less > 1e-4, 0.0)
        self.damping[rows] = torch.where(lower_or_extrapolated, less, more)
        self.plain[rows] = ~lower
        self.converged[rows] = done
        self.active[rows] = ~done & (self.damping[rows] < 1e8)

    def _gradient(self, rows: torch.Tensor) -> torch.Tensor:
        """dE/dx at all knots, [rows, points, D]."""
        force = self.metric.lam * self.n * self.state.delta[rows]
        jump = torch.nn.functional.pad(force, (1, 0)) - torch.nn.functional.pad(force, (0, 1))
        return self.stiffness @ self.nodes[rows] + jump[:, :, None] * self.state.scores[rows]

    def _step(self, rows: torch.Tensor) -> torch.Tensor:
        """Of the inner knots, [rows, points - 2, D], by Woodbury's formula from the scores' Gram
        matrix.
        """
        scores = self.state.scores[rows]
        soft = 1 / (1 + self.damping[rows])[:, None, None]
        raised = soft * (self.inverse @ self._gradient(rows)[:, 1:-1])
        kernel = torch.nn.functional.pad(self.inverse, (1, 1, 1, 1)) * soft
        coupled = (kernel * (scores @ scores.mT)).diff(dim=1).diff(dim=2)
        system = coupled + torch.eye(self.n).to(coupled) / (self.metric.lam * self.n)
        change = (torch.nn.functional.pad(raised, (0, 0, 1, 1)) * scores).sum(2).diff(dim=1)
        weight = torch.linalg.solve(system, change[:, :, None])[:, :, 0]
        jump = torch.nn.functional.pad(weight, (1, 0)) - torch.nn.functional.pad(weight, (0, 1))
        return soft * (self.inverse @ (jump[:, :, None] * scores)[:, 1:-1]) - raised

    def _extrapolated(
        self, rows: torch.Tensor, inner: torch.Tensor, step: torch.Tensor
    ) -> torch.Tensor:
        """Anderson's extrapolation of the steps, in the flat energy's norm: Gauss-Newton alone
        converges linearly where paths bend against the density.
        """
        form = self.stiffness[1:-1, 1:-1]
        earlier = [(place[rows] - inner, one[rows] - step) for place, one in self.past]
        whole_place = torch.zeros_like(self.nodes[:, 1:-1])
        whole_step = whole_place.clone()
        whole_place[rows], whole_step[rows] = inner, step
        self.past = [*self.past, (whole_place, whole_step)][-_WINDOW:]
        if not earlier:
            return step
        places = torch.stack([place for place, _ in earlier], 1).flatten(2)
        changes = torch.stack([change for _, change in earlier], 1)
        weighed = (form @ changes).flatten(2)
        changes = changes.flatten(2)
        gram = changes @ weighed.mT
        scale = gram.diagonal(dim1=1, dim2=2).clamp_min(torch.finfo(torch.float64).tiny).rsqrt()
        gram = gram * scale[:, :, None] * scale[:, None]
        target = scale * (weighed @ step.flatten(1)[:, :, None])[:, :, 0]
        solved = torch.linalg.pinv(gram, rtol=1e-8, hermitian=True) @ target[:, :, None]
        weights = scale * solved[:, :, 0]
        less = (weights[:, None] @ (places + changes))[:, 0].view_as(step)
        use = ~self.plain[rows] & (self.damping[rows] == 0)
        return step - less.where(use[:, None, None], 0.0)

    def momentum(self) -> torch.Tensor:
        """[pairs, D]."""
        return -self._gradient(torch.arange(len(self.nodes), device=self.nodes.device))[:, 0]

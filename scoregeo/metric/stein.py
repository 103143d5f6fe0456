"""The paper's metric, from the score of a diffusion model."""

import torch

from scoregeo._utils.errors import check_length
from scoregeo.metric.base import AbstractClosedFormMetric, PathMeasure
from scoregeo.metric.cost import Cost
from scoregeo.metric.differences import path_differences
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.graph import log_density_differences, residuals
from scoregeo.metric.inverse_sum import AbstractNodeInverse, RankOneInverse
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField, check_field


class SteinMetric(AbstractClosedFormMetric):
    """`g(x) = I + lam s(x) s(x)^T`, lam > 0 (Azeglio & Di Bernardo 2025, arXiv 2505.11128).

    It is the metric of the graph `x -> (x, sqrt(lam) log p_sigma(x))` in one more dimension, a
    Monge patch: moving along the score, off the data manifold, costs `1 + lam |s|^2` times as much
    as moving across it. So everything is closed form (Hartmann et al. 2022, "Lagrangian manifold
    Monte Carlo on Monge patches"), with `J = ds/dx` and `W = 1 + lam |s|^2`:

        g^-1 v = v - lam (s.v) s / W,   det g = W,   Gamma(u, v) = lam s (u.J v) / W.

    A learned score is not quite a gradient: `u.J v` is then its symmetric part,
    `(u.J v + v.J u) / 2`.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.SteinMetric(field, lam=10.0)
        >>> x, outward = torch.tensor([[1.1, 0, 0], [1.1, 0, 0]]), torch.eye(3)[:2]
        >>> metric.norm(x.double(), outward.double())  # off the sphere, and along it
        tensor([34.5121,  1.0000], dtype=torch.float64)
    """

    name = "stein"
    parameters = ("lam",)
    has_node_inverse = True
    measures_scores = True

    def __init__(self, field: ScoreField, lam: float) -> None:
        check_field(field, unknown=True)
        check_length("metric.lam", lam)
        self.lam = float(lam)
        self._field = field

    @property
    def field(self) -> ScoreField:
        return self._field

    @property
    def least_squares(self) -> LeastSquares:
        return LeastSquares(self._field, self.lam)

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`u.v + lam (s.u)(s.v)`; one score evaluation a point."""
        s, u, v = self._field(x).flatten(1), u.flatten(1), v.flatten(1)
        return (u * v).sum(1) + self.lam * (s * u).sum(1) * (s * v).sum(1)

    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`v + lam (s.v) s`; one score evaluation a point."""
        s = self._field(x)
        return v + self.lam * _expand((s * v).flatten(1).sum(1), s) * s

    def inverse(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`v - lam (s.v) s / W` (Sherman-Morrison); one score evaluation a point."""
        s = self._field(x)
        weight = self.lam * (s * v).flatten(1).sum(1) / self._stretch(s)
        return v - _expand(weight, s) * s

    def log_volume(self, x: torch.Tensor) -> torch.Tensor:
        """`log(1 + lam |s|^2) / 2`; one score evaluation a point."""
        return 0.5 * (self.lam * self._field(x).double().flatten(1).square().sum(1)).log1p()

    def christoffel(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`lam s (u.J v) / W`; 3 score evaluations a point where u is v (one backward pass), 6
        otherwise.
        """
        s, hessian = self._hessian(x, u, v)
        return _expand(self.lam * hessian / self._stretch(s), s) * s

    @property
    def cost(self) -> Cost:
        return Cost(transport=0)

    def accelerations(
        self, x: torch.Tensor, v: torch.Tensor, carried: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`-lam s (v.J v) / W` and `-lam s (w.J v) / W`: one product with J for both, 3 score
        evaluations.

        `w.J v` is not made symmetric: it keeps inner products along the curve where the score is no
        gradient, too.
        """
        # v.J v is the same by a backward pass, which on small scores takes a tenth of the time.
        s, jv = self._field.vjp(x, v) if carried is None else self._field.jvp(x, v)
        weight = -self.lam / self._stretch(s)

        def along(w: torch.Tensor) -> torch.Tensor:
            return _expand(weight * _dot(w.flatten(1), jv.flatten(1)), s) * s

        return along(v), None if carried is None else along(carried)

    def sectional_curvature(
        self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """Gauss's equation of the graph, `h = sqrt(lam) u.J v`, inner products in g:

            K = (h(u,u) h(v,v) - h(u,v)^2) / (W (<u,u><v,v> - <u,v>^2))

        Two JVPs, 6 score evaluations a point.
        """
        s, ju = self._field.jvp(x, u)
        _, jv = self._field.jvp(x, v)
        s, u, v, ju, jv = (t.double().flatten(1) for t in (s, u, v, ju, jv))
        huu, hvv, huv = _dot(u, ju), _dot(v, jv), (_dot(u, jv) + _dot(v, ju)) / 2
        su, sv = _dot(s, u), _dot(s, v)
        uu, vv, uv = (
            _dot(u, u) + self.lam * su**2,
            _dot(v, v) + self.lam * sv**2,
            _dot(u, v) + self.lam * su * sv,
        )
        area = uu * vv - uv**2
        curved = self.lam * (huu * hvv - huv**2) / (self._stretch(s) * area)
        return curved.where(area > 1e-14 * uu * vv, torch.nan)

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """Energy, length and bound of the chords of the graph.

        The bound is `(|x_n - x_0|^2 + lam (log p(x_n) - log p(x_0))^2) / 2`, its log-density
        difference summed along the path, so that by Cauchy-Schwarz the excess is never negative.
        Differentiable in the path where the score is.
        """
        return self._measure(path_differences(self._field, path, quadrature), path)

    def measure_scores(
        self, scores: torch.Tensor, path: torch.Tensor, quadrature: Quadrature
    ) -> PathMeasure:
        segments = path.flatten(2).diff(dim=1)
        return self._measure(log_density_differences(scores, segments, quadrature), path)

    def _measure(self, delta: torch.Tensor, path: torch.Tensor) -> PathMeasure:
        """From the log-density differences [pairs, n, m] of `path`."""
        flat, delta = path.flatten(2), delta.double()
        segments = flat.diff(dim=1)
        n, parts = delta.shape[1:]
        squares = segments.double().square().sum(2)
        energy = 0.5 * n * (squares.sum(1) + self.lam * parts * delta.square().sum((1, 2)))
        length = (
            (squares[:, :, None] / parts**2 + self.lam * delta.square())
            .clamp_min(0)
            .sqrt()
            .sum((1, 2))
        )
        chord = (flat[:, -1] - flat[:, 0]).double().square().sum(1)
        bound = 0.5 * (chord + self.lam * delta.sum((1, 2)).square())
        return PathMeasure(energy=energy, length=length, lower_bound=bound)

    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """dE/dx_j without a backward pass, as for a true gradient field (`scoregeo.metric.graph`);
        at midpoints by autograd.
        """
        if not quadrature.shares_ends:
            return autograd_gradient(self, path, quadrature)
        lam = torch.full((len(path),), self.lam, dtype=torch.float64, device=path.device)
        return residuals(self._field, path, quadrature).gradient(lam).view_as(path[:, 1:-1])

    def linearise(
        self, x: torch.Tensor, u: torch.Tensor
    ) -> tuple[torch.Tensor, AbstractNodeInverse]:
        """One score evaluation and one backward pass a node, 3 evaluations."""
        velocity = u.detach().double().flatten(2)
        scores, products = (
            part.double().reshape(velocity.shape)
            for part in self._field.vjp(x.detach().flatten(0, 1), u.detach().flatten(0, 1))
        )
        along = (scores * velocity).sum(2, keepdim=True)
        return 2 * self.lam * along * products, RankOneInverse(scores, self.lam)

    def _stretch(self, s: torch.Tensor) -> torch.Tensor:
        """W, [batch]."""
        return 1 + self.lam * s.flatten(1).square().sum(1)

    def _hessian(
        self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The score, and the symmetric part of `u.J v`, [batch]."""
        if u is v:
            s, jv = self._field.vjp(x, v)
            return s, _dot(v.flatten(1), jv.flatten(1))
        s, jv = self._field.jvp(x, v)
        along = _dot(u.flatten(1), jv.flatten(1))
        _, ju = self._field.jvp(x, u)
        return s, (along + _dot(v.flatten(1), ju.flatten(1))) / 2


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(1)


def _expand(weight: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[batch] to [batch, 1, ...], so that it multiplies points."""
    return weight.view(-1, *[1] * (like.dim() - 1)).to(like)

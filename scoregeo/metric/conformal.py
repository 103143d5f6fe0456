"""The density-weighted metric, in which a step costs more where data are rare."""

import numpy as np
import torch

from scoregeo._utils.errors import ConfigError, check_length, check_number
from scoregeo.metric.base import AbstractClosedFormMetric, PathMeasure
from scoregeo.metric.cost import BACKWARD, Cost
from scoregeo.metric.density_factor import DensityFactor, cumulative, mean_of_ends
from scoregeo.metric.differences import path_differences
from scoregeo.metric.energy_gradient import autograd_gradient
from scoregeo.metric.graph import log_density_differences, node_scores
from scoregeo.metric.inverse_sum import AbstractNodeInverse, ScalarInverse
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField, check_field


class ConformalMetric(AbstractClosedFormMetric):
    """`g(x) = (p(x) / p(ref))^(-2 alpha) I`, alpha > 0 (probability density geodesics, Yu et al.
    2025, arXiv 2504.06675).

    With `f = -alpha log(p / p(ref))` this is `e^{2f} I`: angles are Euclidean, lengths are
    multiplied by `e^f`, and `grad f = -alpha s`. The score fixes log p only up to a constant, so
    the scale has to be set by a reference point:

    - on a path it is the path's own first point. Energies and lengths of different pairs are
      therefore in different units, those of paths from the same first point in the same; geodesics
      do not depend on the scale.
    - at a point (`inner`, `apply`, `inverse`, `log_volume`, `sectional_curvature`) it is `anchor`,
      and `log p(x) - log p(anchor)` a Gauss-Legendre integral of the score along the straight line,
      `nodes` evaluations a point, exact to rounding where the score varies smoothly over `1/nodes`
      of that line. `christoffel` needs no scale.

    In high dimension log p varies by hundreds. Where the exponent `t = -2 alpha log(p / p(ref))`
    leaves [-300, 300], the factor continues as `e^300 (1 + t - 300)` (below -300 as the inverse of
    that): finite, continuously differentiable, and still higher where p is lower. Energies that
    large say only that the path crosses a void. A factor that large does not fit float32, so what
    is multiplied by one is float64.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.ConformalMetric(field, alpha=0.1)
        >>> x = torch.tensor([[1.0, 0, 0], [1.3, 0, 0]]).double()
        >>> metric.log_volume(x).diff() > 0  # a step costs more three sigma off the sphere
        tensor([True])
    """

    name = "conformal"
    parameters = ("alpha",)
    has_node_inverse = True
    measures_scores = True

    def __init__(
        self,
        field: ScoreField,
        alpha: float = 1.0,
        anchor: torch.Tensor | None = None,
        nodes: int = 32,
    ) -> None:
        """`anchor` [*shape], None for the origin; `nodes` of the line integral from it."""
        check_field(field, unknown=True)
        check_length("metric.alpha", alpha)
        check_number("metric.nodes", nodes, at_least=1, at_most=1024, integer=True)
        if anchor is not None and not isinstance(anchor, torch.Tensor):
            raise ConfigError(
                f"metric.anchor = {anchor!r} is not allowed: metric.anchor must be null or, in"
                " Python, a tensor."
            )
        if anchor is not None and tuple(anchor.shape) != field.shape:
            raise ConfigError(
                f"metric.anchor has shape {tuple(anchor.shape)}, but points have shape"
                f" {field.shape}."
            )
        self.alpha = float(alpha)
        self._factor = DensityFactor(self.alpha)
        self.anchor = anchor
        self.nodes = int(nodes)
        self._field = field

    @property
    def field(self) -> ScoreField:
        return self._field

    @property
    def cost(self) -> Cost:
        """`nodes` wherever the factor at a point is asked for."""
        n, jvps = self.nodes, 2 * (1 + BACKWARD)
        return Cost(
            n, n, 0, christoffel=1, christoffel_pair=1, transport=1, curvature=n + jvps, unit=n
        )

    def log_density_ratio(self, x: torch.Tensor) -> torch.Tensor:
        """`log p(x) - log p(anchor)`, [batch] float64; `nodes` score evaluations a point.
        Differentiable where the score is.
        """
        abscissas, weights = np.polynomial.legendre.leggauss(self.nodes)
        anchor = torch.zeros_like(x[:1]) if self.anchor is None else self.anchor.to(x)[None]
        u = torch.as_tensor((abscissas + 1) / 2).to(x).view(1, -1, *[1] * (x.dim() - 1))
        way = (x - anchor)[:, None]
        points = anchor[:, None] + u * way
        along = self._field(points.flatten(0, 1)).view(points.shape).flatten(2) * way.flatten(2)
        return (along.double().sum(2) * torch.as_tensor(weights / 2).to(x.device)).sum(1)

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`e^{2f} u.v`, float64; `nodes` score evaluations a point."""
        return self._log_factor_at(x).exp() * (u * v).double().flatten(1).sum(1)

    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`e^{2f} v`, float64; `nodes` score evaluations a point."""
        return _expand(self._log_factor_at(x).exp(), v) * v.double()

    def inverse(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`e^{-2f} v`, float64; `nodes` score evaluations a point."""
        return _expand(self._log_factor_at(x).neg().exp(), v) * v.double()

    def log_volume(self, x: torch.Tensor) -> torch.Tensor:
        """`D f`; `nodes` score evaluations a point."""
        return 0.5 * x.shape[1:].numel() * self._log_factor_at(x)

    def christoffel(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`-alpha ( (s.u) v + (s.v) u - (u.v) s )`; one evaluation a point, at any exponent."""
        s = self._field(x)
        su, sv, uv = ((a * b).flatten(1).sum(1) for a, b in ((s, u), (s, v), (u, v)))
        return -self.alpha * (_expand(su, s) * v + _expand(sv, s) * u - _expand(uv, s) * s)

    def sectional_curvature(
        self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """With a, b a Euclidean orthonormal basis of the plane, `grad f = -alpha s` and
        `Hess f = -alpha J` (its symmetric part):

            K = -e^{-2f} ( Hess f(a,a) + Hess f(b,b) + |grad f|^2 - (grad f.a)^2 - (grad f.b)^2 )

        `nodes + 6` score evaluations a point: the line integral and two JVPs.
        """
        a, b, plane = _orthonormal(u.flatten(1).double(), v.flatten(1).double())
        s, ja = self._field.jvp(x, a.view(x.shape).to(x))
        _, jb = self._field.jvp(x, b.view(x.shape).to(x))
        s, ja, jb = (t.double().flatten(1) for t in (s, ja, jb))
        hessian = -self.alpha * (_dot(a, ja) + _dot(b, jb))
        across = self.alpha**2 * (_dot(s, s) - _dot(s, a) ** 2 - _dot(s, b) ** 2)
        curved = -(hessian + across) * self._log_factor_at(x).neg().exp()
        return curved.where(plane, torch.nan)

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """Energy and length of n segments of m parts; a part's factor is the mean of `w = e^{2f}`
        at its two ends:

            E = (n/2) sum_i |d_i|^2 (1/m) sum_r (w_{i,r} + w_{i,r+1}) / 2,
            length = sum_i |d_i| (1/m) sum_r (sqrt(w_{i,r}) + sqrt(w_{i,r+1})) / 2,

        log p at a part's end summed along the path from its first point, where it is 0, by the rule
        given. Both of order 2. No bound is known: `lower_bound` is 0. Differentiable in the path
        where the score is.
        """
        return self._measure(path_differences(self._field, path, quadrature), path)

    def measure_scores(
        self, scores: torch.Tensor, path: torch.Tensor, quadrature: Quadrature
    ) -> PathMeasure:
        delta = log_density_differences(scores, path.flatten(2).diff(dim=1), quadrature)
        return self._measure(delta, path)

    def _measure(self, delta: torch.Tensor, path: torch.Tensor) -> PathMeasure:
        log_factor = self._factor.logarithm(cumulative(delta))
        squares = path.flatten(2).diff(dim=1).double().square().sum(2)
        energy = 0.5 * squares.shape[1] * (squares * mean_of_ends(log_factor.exp())).sum(1)
        length = (squares.sqrt() * mean_of_ends((log_factor / 2).exp())).sum(1)
        return PathMeasure(energy=energy, length=length, lower_bound=torch.zeros_like(energy))

    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """dE/dx_j without a backward pass, at the cost of `measure`.

        The midpoint rule has no score at the ends of parts: there it is `autograd_gradient`, at
        three times that cost. A node `y = (1 - u) x_i + u x_{i+1}` has `d log p(y) / dy = s(y)`,
        the first point being fixed. So, with W_i the mean factor of segment i and `c_r = 1/m`
        (`1/(2m)` at its two ends),

            dE/dx_j = n ( W_{j-1} d_{j-1} - W_j d_j ) + (n/2) sum_{i,r} |d_i|^2 c_r w'(y_ir) s_ir
            dy_ir/dx_j,   w' = dw / dlog p.

        It is the gradient of E with log p exact at the nodes, and differs from that of the discrete
        E as far as the quadrature does from log p, and the score from a gradient field.
        """
        if not quadrature.shares_ends:
            return autograd_gradient(self, path, quadrature)
        flat = path.detach().flatten(2)
        segments = flat.diff(dim=1)
        with torch.no_grad():
            scores = node_scores(self._field, path.detach(), quadrature)
        parts = quadrature.subnodes
        n = segments.shape[1]
        stride = (len(quadrature.fractions) - 1) // parts
        exponent = cumulative(log_density_differences(scores, segments, quadrature))
        factor = self._factor.logarithm(exponent).exp()
        slope = factor * self._factor.slope(exponent)
        weight = torch.full((parts + 1,), 1 / parts, dtype=torch.float64, device=path.device)
        weight[[0, -1]] = 0.5 / parts
        u = quadrature.fractions[::stride].to(weight)
        d = segments.double()
        pull = 0.5 * d.square().sum(2, keepdim=True) * weight * slope
        ends = scores[:, :, ::stride].double()
        to_right = mean_of_ends(factor)[..., None] * d + ((pull * u)[..., None] * ends).sum(2)
        to_left = -mean_of_ends(factor)[..., None] * d + ((pull * (1 - u))[..., None] * ends).sum(2)
        return n * (to_right[:, :-1] + to_left[:, 1:]).view(len(path), n - 1, *path.shape[2:])

    def linearise(
        self, x: torch.Tensor, u: torch.Tensor
    ) -> tuple[torch.Tensor, AbstractNodeInverse]:
        """`3 nodes` evaluations a node: the line integral, and a backward pass through it."""
        velocity = u.detach().double().flatten(2)
        at = x.detach().flatten(0, 1)
        unit = torch.full_like(at, at.shape[1:].numel() ** -0.5)  # of length 1: g(unit, unit) = w
        weight, slope = self._field.derivative(
            lambda y: self.inner(y, unit, unit), at, len(at) * self.nodes
        )
        slope = velocity.square().sum(2, keepdim=True) * slope.double().reshape(velocity.shape)
        return slope, ScalarInverse(weight.double().view(velocity.shape[:2]))

    def initial_velocity(self, x: torch.Tensor, momentum: torch.Tensor) -> torch.Tensor:
        """The momentum itself: in a path's own unit the metric at its first point is I."""
        return momentum

    def unit(self, x: torch.Tensor) -> torch.Tensor:
        """`e^f` at x: times this a path's length is in units of the anchor, not of its own first
        point. `nodes` score evaluations a point.
        """
        return self.norm(x, torch.ones_like(x)).double() / x.shape[1:].numel() ** 0.5

    def _log_factor_at(self, x: torch.Tensor) -> torch.Tensor:
        """2f at x, from the anchor, [batch] float64; `nodes` score evaluations a point."""
        return self._factor.logarithm(self.log_density_ratio(x))


def _orthonormal(u: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Orthonormal bases of the planes of u and v, [batch, D] twice; where there is one, [batch]."""
    a = torch.nn.functional.normalize(u, dim=1)
    across = v - _dot(a, v)[:, None] * a
    plane = (_dot(u, u) > 0) & (_dot(across, across) > 1e-14 * _dot(v, v))
    return a, torch.nn.functional.normalize(across, dim=1), plane


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(1)


def _expand(weight: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[batch] to [batch, 1, ...], so that it multiplies points."""
    return weight.view(-1, *[1] * (like.dim() - 1))

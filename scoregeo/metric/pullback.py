"""The Euclidean metric of score space, pulled back by the score."""

import torch

from scoregeo._utils.errors import check_length
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.cost import BACKWARD, Cost
from scoregeo.metric.graph import node_scores
from scoregeo.metric.least_squares import ScoreChords
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField, check_field

RELATIVE_EPS = 1e-3  # the default eps, in units of sigma^-4
# Numbers (nodes times dimension) that one backward pass of `gradient` keeps a graph for
GRAPH_NUMBERS = 2**16


class PullbackMetric(AbstractMetric):
    """`g(x) = eps I + J(x)^T J(x)`, J = ds/dx, eps > 0 (Saito & Matsubara 2025, arXiv 2510.05509).

    `J^T J` is the Euclidean metric of score space pulled back by `x -> s(x)`; `eps I` keeps it
    positive definite where J is singular. Near a manifold blurred by sigma, J is about `-1/sigma^2`
    in every normal direction and small along the manifold: all normal directions are penalised,
    where `stein` penalises one. So eps is in 1 / data units^4, to be read against `sigma^-4`; None
    is `1e-3 sigma^-4`: at every noise level a normal step costs about a thousand times a tangential
    one.

    The metric has no closed inverse, and its connection needs second derivatives of the score:
    neither is offered.

    On a path the metric is measured by chords of the score, which need no Jacobian: over a part
    from a to b, `|J (b - a)|^2 ~ |s(b) - s(a)|^2`. Of a quadrature only `subnodes` counts, whatever
    its rule.

    Example:
        >>> import torch, scoregeo
        >>> field = scoregeo.ScoreField(scoregeo.SphereScore(dimension=2, ambient=3), sigma=0.1)
        >>> metric = scoregeo.PullbackMetric(field)
        >>> x, v = torch.eye(3)[[0, 0]].double(), torch.eye(3)[:2].double()
        >>> outward, along = metric.norm(x, v)
        >>> bool(outward > 10 * along)
        True
    """

    name = "pullback"
    parameters = ("eps",)
    has_score_chords = True
    measures_scores = True

    def __init__(self, field: ScoreField, eps: float | None = None) -> None:
        check_field(field, unknown=True)
        if eps is not None:
            check_length("metric.eps", eps)
        self._field = field
        self._eps = eps

    @property
    def field(self) -> ScoreField:
        return self._field

    @property
    def eps(self) -> float:
        """The weight of the Euclidean part, in 1 / data units^4."""
        return RELATIVE_EPS / self._field.sigma**4 if self._eps is None else float(self._eps)

    @property
    def cost(self) -> Cost:
        """Of `inner` and `apply`; there are no closed forms."""
        return Cost(inner=1 + BACKWARD, product=2 * (1 + BACKWARD))

    @property
    def score_chords(self) -> ScoreChords:
        return ScoreChords(self._field, self.eps)

    def evaluations(self, num_points: int, quadrature: Quadrature) -> int:
        """`subnodes (num_points - 1) + 1`: the ends of all parts, whatever the rule."""
        return Quadrature("trapezoid", quadrature.subnodes).evaluations(num_points)

    def scale(self, path: torch.Tensor) -> torch.Tensor:
        """`sigma^-4`, the square of the score's slope across the data."""
        return super().scale(path) / self._field.sigma**4

    def inner(self, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`eps u.v + (J u).(J v)`; one JVP a point (3 score evaluations) where u is v, two
        otherwise.
        """
        _, jv = self._field.jvp(x, v)
        ju = jv if u is v else self._field.jvp(x, u)[1]
        return self.eps * (u * v).flatten(1).sum(1) + (ju * jv).flatten(1).sum(1)

    def apply(self, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """`eps v + J^T (J v)`; one JVP and one VJP a point (6 score evaluations). No gradient flows
        through it.
        """
        with torch.no_grad():
            _, jv = self._field.jvp(x.detach(), v.detach())
        return self.eps * v.detach() + self._field.vjp(x, jv)[1]

    def measure(self, path: torch.Tensor, quadrature: Quadrature) -> PathMeasure:
        """Energy, length and bound of the chords, m = `quadrature.subnodes` parts a segment, n
        segments:

            E = (n/2) sum_i ( eps |d_i|^2 + m sum_r |s_{i,r+1} - s_{i,r}|^2 ),
            length = sum_i sum_r sqrt( eps |d_i|^2 / m^2 + |s_{i,r+1} - s_{i,r}|^2 ),
            bound = ( eps |x_n - x_0|^2 + |s_n - s_0|^2 ) / 2.

        Energy and length are never above those of the continuous path through the points, and of
        order 2 in the parts' size. `n m + 1` score evaluations a path, whatever the rule.
        Differentiable in the path where the score is.
        """
        rule = Quadrature("trapezoid", quadrature.subnodes)
        return self.measure_scores(node_scores(self._field, path, rule), path, rule)

    def measure_scores(
        self, scores: torch.Tensor, path: torch.Tensor, quadrature: Quadrature
    ) -> PathMeasure:
        """The scores are those of the trapezoid rule."""
        parts, scores = quadrature.subnodes, scores.double()
        flat = path.flatten(2)
        squares = flat.diff(dim=1).double().square().sum(2)
        changes = scores.diff(dim=2).square().sum(3)
        n = squares.shape[1]
        energy = 0.5 * n * (self.eps * squares.sum(1) + parts * changes.sum((1, 2)))
        length = (self.eps * squares[:, :, None] / parts**2 + changes).sqrt().sum((1, 2))
        chord = (flat[:, -1] - flat[:, 0]).double().square().sum(1)
        bound = 0.5 * (self.eps * chord + (scores[:, -1, -1] - scores[:, 0, 0]).square().sum(1))
        return PathMeasure(energy=energy, length=length, lower_bound=bound)

    def gradient(self, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
        """dE/dx_j, exact for any score, by one VJP at each node, `J(y)^T` times second differences
        of the score.

        E is a sum over segments, so the path is cut into pieces of about `GRAPH_NUMBERS` numbers
        (one segment at least), each with its own backward pass: memory does not grow with the path.
        A piece of k segments costs `3 (k m + 1)` evaluations."""
        pairs, points = path.shape[:2]
        segments = max(1, GRAPH_NUMBERS // (path.shape[2:].numel() * quadrature.subnodes))
        together = max(1, segments // (points - 1))
        gradient = torch.zeros_like(path, dtype=torch.float64)
        for first in range(0, pairs, together):
            for left in range(0, points - 1, segments):
                nodes = slice(first, first + together), slice(left, left + segments + 1)
                gradient[nodes] += self._piece_gradient(path[nodes], points - 1, quadrature)
        return gradient[:, 1:-1]

    def _piece_gradient(self, piece: torch.Tensor, n: int, quadrature: Quadrature) -> torch.Tensor:
        """Derivative, in all of its points, of what a piece adds to the energy of a path of n
        segments.
        """
        count = len(piece) * self.evaluations(piece.shape[1], quadrature)
        _, gradient = self._field.derivative(lambda y: self.energy(y, quadrature), piece, count)
        # A piece's own energy has the factor of its own number of segments.
        return gradient.double() * (n / (piece.shape[1] - 1))

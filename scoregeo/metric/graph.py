"""The discrete energy of a graph metric `g = I + lam s s^T`, its residuals and their derivatives.

With `phi = sqrt(lam) log p_sigma` the metric is that of the graph `x -> (x, phi(x))`. For a path x_0 .. x_n with
`d_i = x_{i+1} - x_i` and m parts a segment:

    E = (n/2) sum_i ( |d_i|^2 + lam m sum_r delta_ir^2 ),
    delta_ir = log p(x_i + u_b d_i) - log p(x_i + u_a d_i)  ~  sum_q W_rq s_q . d_i

Since delta is a difference of log densities, its derivatives need the score at the part's ends `y_p = (1 - u) x_i + u x_{i+1}`
only: `d delta_p = s_{p+1} . dy_{p+1} - s_p . dy_p`, exact for a gradient field, and without a backward pass through a network.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from scoregeo.metric.base import PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


@lru_cache(maxsize=64)
def interpolation_matrix(segments: int, parts: int) -> torch.Tensor:
    """W [n m + 1, n + 1] float64: the ends of all parts along the polygon, `y_p = sum_j W_pj x_j`, rows summing to 1."""
    position = torch.arange(segments * parts + 1, dtype=torch.float64) / parts
    first = position.floor().clamp_max(segments - 1).long()
    share = position - first
    matrix = torch.zeros(len(position), segments + 1, dtype=torch.float64)
    rows = torch.arange(len(position))
    matrix[rows, first] = 1 - share
    matrix[rows, first + 1] = share
    return matrix


@dataclass(frozen=True)
class Residuals:
    """Log-density differences of a batch of paths and their derivatives; n segments, m parts each, D = prod(shape).

    `segments` [pairs, n, D]: d_i. `delta` [pairs, n m]: one a part, in order. `scores` [pairs, n m + 1, D]: s at the parts' ends
    y_p, so that `d delta_p = s_{p+1} . dy_{p+1} - s_p . dy_p`. `correction` [pairs, n - 1, D] float64: what this leaves out of
    the gradient where the score is no gradient field, at lam 1 (`score_correction`); None: nothing.
    """

    segments: torch.Tensor
    delta: torch.Tensor
    scores: torch.Tensor
    correction: torch.Tensor | None = None

    @property
    def parts(self) -> int:
        """m."""
        return self.delta.shape[1] // self.segments.shape[1]

    def energy(self, lam: torch.Tensor) -> torch.Tensor:
        """E for `lam` [pairs], [pairs] float64."""
        return 0.5 * (self.euclidean_part() + lam.double() * self.score_part())

    def euclidean_part(self) -> torch.Tensor:
        """`n sum |d_i|^2`, [pairs] float64."""
        return self.segments.shape[1] * self.segments.double().square().sum((1, 2))

    def score_part(self) -> torch.Tensor:
        """`n m sum delta^2`, [pairs] float64."""
        return self.delta.shape[1] * self.delta.double().square().sum(1)

    def kinks(self) -> torch.Tensor:
        """`c_p = delta_{p-1} - delta_p` at the parts' inner ends, 0 at the path's own ends, [pairs, n m + 1] float64."""
        return -torch.nn.functional.pad(self.delta.double(), (1, 1)).diff(dim=1) * self._inner()

    def gradient(self, lam: torch.Tensor) -> torch.Tensor:
        """dE / dx_j for the inner points, [pairs, n - 1, D] float64: `n [ d_{j-1} - d_j + lam m sum_p W_pj c_p s_p ]`."""
        n = self.segments.shape[1]
        d = self.segments.double()
        pull = (self.kinks() * self.parts * lam.double()[:, None])[:, :, None] * self.scores.double()
        weights = interpolation_matrix(n, self.parts).to(d.device)
        gradient: torch.Tensor = n * (d[:, :-1] - d[:, 1:] + torch.einsum("pj,bpd->bjd", weights, pull)[:, 1:-1])
        return gradient if self.correction is None else gradient + lam.double()[:, None, None] * self.correction

    def measure(self, lam: torch.Tensor) -> PathMeasure:
        """Energy, length and lower bound (see `SteinMetric.measure`) without a further evaluation, for `lam` [pairs]."""
        squares = self.segments.double().square().sum(2).repeat_interleave(self.parts, 1) / self.parts**2
        delta, weight = self.delta.double(), lam.double()
        length = (squares + weight[:, None] * delta.square()).sqrt().sum(1)
        bound = 0.5 * (self.segments.double().sum(1).square().sum(1) + weight * delta.sum(1).square())
        return PathMeasure(energy=self.energy(lam), length=length, lower_bound=bound)

    def _inner(self) -> torch.Tensor:
        mask = torch.ones(self.delta.shape[1] + 1, dtype=torch.float64, device=self.delta.device)
        mask[0] = mask[-1] = 0
        return mask


def node_scores(field: ScoreField, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
    """Scores at the quadrature's nodes on every segment, [pairs, n, nodes, D].

    One batch of `pairs * quadrature.evaluations(points)` evaluations; ends shared by two segments are evaluated once.
    """
    pairs, points = path.shape[:2]
    flat = path.reshape(pairs, points, -1)
    start, step = flat[:, :-1, None], (flat[:, 1:] - flat[:, :-1])[:, :, None]
    fractions = quadrature.fractions.to(flat)[:, None]
    if not quadrature.shares_ends:
        return field((start + fractions * step).reshape(-1, *path.shape[2:])).reshape(*step.shape[:2], len(fractions), -1)
    inner = (start + fractions[:-1] * step).reshape(pairs, -1, flat.shape[-1])
    nodes = torch.cat([inner, flat[:, -1:]], 1)
    scores = field(nodes.reshape(-1, *path.shape[2:])).reshape(nodes.shape)
    per_segment = len(fractions) - 1
    first = scores[:, :-1].reshape(pairs, points - 1, per_segment, -1)
    last = scores[:, per_segment::per_segment, None]
    return torch.cat([first, last], 2)


def log_density_differences(scores: torch.Tensor, segments: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
    """delta [pairs, n, m] from node scores [pairs, n, nodes, D] and segments [pairs, n, D]."""
    along = torch.einsum("pinq,piq->pin", scores, segments)
    return along @ quadrature.weights.to(along).T


def residuals(field: ScoreField, path: torch.Tensor, quadrature: Quadrature) -> Residuals:
    """Residuals and derivatives of `path` [pairs, points, *shape] for a rule with nodes at the parts' ends (not midpoint)."""
    flat = path.reshape(*path.shape[:2], -1)
    segments = flat[:, 1:] - flat[:, :-1]
    scores = node_scores(field, path, quadrature)
    stride = (len(quadrature.fractions) - 1) // quadrature.subnodes
    firsts = scores[:, :, :-1:stride].flatten(1, 2)
    return Residuals(
        segments=segments,
        delta=log_density_differences(scores, segments, quadrature).flatten(1, 2),
        scores=torch.cat([firsts, scores[:, -1:, -1]], 1),
    )


def score_correction(field: ScoreField, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
    """The exact gradient of `(n m / 2) sum delta^2` less the one that takes the score for a gradient field.

    [pairs, n - 1, D] float64 for `path` [pairs, points, *shape]. By one backward pass: 3 evaluations a node of the rule. For an
    exact score it is of the quadrature's own error.
    """
    with torch.enable_grad():
        inner = path[:, 1:-1].detach().requires_grad_(True)
        joined = torch.cat([path[:, :1].detach(), inner, path[:, -1:].detach()], 1)
        found = residuals(field, joined, quadrature)
        (exact,) = torch.autograd.grad(0.5 * found.score_part().sum(), inner)
    with torch.no_grad():
        one = torch.ones(len(path), dtype=torch.float64, device=path.device)
        return exact.double().flatten(2) - (found.gradient(one) - found.gradient(0 * one)).detach()

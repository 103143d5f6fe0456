"""The discrete energy of a graph metric `g = I + lam s s^T`, its residuals and their derivatives.

With `phi = sqrt(lam) log p_sigma` the metric is that of the graph `x -> (x, phi(x))`. For a path x_0 .. x_n with
`d_i = x_{i+1} - x_i` and m parts a segment:

    E = (n/2) sum_i ( |d_i|^2 + lam m sum_r delta_ir^2 ),
    delta_ir = log p(x_i + u_b d_i) - log p(x_i + u_a d_i)  ~  sum_q W_rq s_q . d_i

Since delta is a difference of log densities, its derivatives need the score at the part's ends only:

    d delta / d x_{i+1} = u_b s_b - u_a s_a,    d delta / d x_i = (1 - u_b) s_b - (1 - u_a) s_a,

exact for a gradient field, and without a backward pass through a network.
"""

from dataclasses import dataclass

import torch

from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


@dataclass(frozen=True)
class Residuals:
    """Log-density differences of a batch of paths and their derivatives; n segments, m parts each, D = prod(shape).

    `segments` [pairs, n, D]: d_i. `delta` [pairs, n, m]. `right`, `left` [pairs, n, m, D]: derivatives in x_{i+1} and x_i.
    """

    segments: torch.Tensor
    delta: torch.Tensor
    right: torch.Tensor
    left: torch.Tensor

    def energy(self, lam: torch.Tensor) -> torch.Tensor:
        """E for `lam` [pairs], [pairs] float64."""
        return 0.5 * (self.euclidean_part() + lam.double() * self.score_part())

    def euclidean_part(self) -> torch.Tensor:
        """`n sum |d_i|^2`, [pairs] float64."""
        return self.segments.shape[1] * self.segments.double().square().sum((1, 2))

    def score_part(self) -> torch.Tensor:
        """`n m sum delta^2`, [pairs] float64."""
        return self.delta.shape[1] * self.delta.shape[2] * self.delta.double().square().sum((1, 2))

    def gradient(self, lam: torch.Tensor) -> torch.Tensor:
        """dE / dx_j for the inner points, [pairs, n - 1, D] float64.

        `n [ d_{j-1} - d_j + lam m (right^T delta)_{j-1} + lam m (left^T delta)_j ]`.
        """
        n, parts = self.delta.shape[1:]
        weight = lam.double()[:, None, None] * parts
        d, delta = self.segments.double(), self.delta.double()
        to_right = d + weight * torch.einsum("pir,pird->pid", delta, self.right.double())
        to_left = -d + weight * torch.einsum("pir,pird->pid", delta, self.left.double())
        return n * (to_right[:, :-1] + to_left[:, 1:])


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
    ends = scores[:, :, ::stride]
    u = quadrature.fractions[::stride].to(flat)[:, None]
    return Residuals(
        segments=segments,
        delta=log_density_differences(scores, segments, quadrature),
        right=u[1:] * ends[:, :, 1:] - u[:-1] * ends[:, :, :-1],
        left=(1 - u[1:]) * ends[:, :, 1:] - (1 - u[:-1]) * ends[:, :, :-1],
    )

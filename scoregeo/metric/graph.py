"""The discrete energy of a graph metric `g = I + lam s s^T`, its residuals and their derivatives.

With `phi = sqrt(lam) log p_sigma` the metric is that of the graph `x -> (x, phi(x))`. For a path
x_0 .. x_n with `d_i = x_{i+1} - x_i` and m parts a segment:

    E = (n/2) sum_i ( |d_i|^2 + lam m sum_r delta_ir^2 ),
    delta_ir = log p(x_i + u_b d_i) - log p(x_i + u_a d_i)  ~  sum_q W_rq s_q . d_i

Since delta is a difference of log densities, its derivatives need the score at the part's ends
`y_p = (1 - u) x_i + u x_{i+1}` only: `d delta_p = s_{p+1} . dy_{p+1} - s_p . dy_p`, exact for a
gradient field, and without a backward pass through a network. A learned score is no gradient field;
the rule's own derivative has the score's Jacobian J in it, and is kept in `Rows`."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from scoregeo.metric.path_measure import PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.boundary import check_dtype
from scoregeo.score.field import ScoreField


@lru_cache(maxsize=64)
def interpolation_matrix(
    segments: int, parts: int, device: torch.device | None = None
) -> torch.Tensor:
    """W [n m + 1, n + 1] float64: the ends of all parts along the polygon, `y_p = sum_j W_pj x_j`,
    rows summing to 1. On `device`, copied there once; None: the CPU.
    """
    if device is not None:
        return interpolation_matrix(segments, parts).to(device)
    position = torch.arange(segments * parts + 1, dtype=torch.float64) / parts
    first = position.floor().clamp_max(segments - 1).long()
    share = position - first
    matrix = torch.zeros(len(position), segments + 1, dtype=torch.float64)
    rows = torch.arange(len(position))
    matrix[rows, first] = 1 - share
    matrix[rows, first + 1] = share
    return matrix


@dataclass(frozen=True)
class Rows:
    """Derivatives of delta, `d delta_ir = first_ir . dx_i + last_ir . dx_{i+1}`; each [pairs, n m,
    D] float64. `parts`: m.
    """

    first: torch.Tensor
    last: torch.Tensor
    parts: int

    def along(self, step: torch.Tensor) -> torch.Tensor:
        """d delta for a move of the inner points [pairs, n - 1, D], [pairs, n m]."""
        first, last = self._neighbours(torch.nn.functional.pad(step, (0, 0, 1, 1)))
        return (self.first * first).sum(2) + (self.last * last).sum(2)

    def transposed(self, weight: torch.Tensor) -> torch.Tensor:
        """`sum_r weight_r d delta_r / dx_j` for the inner points, [pairs, n - 1, D], of weights
        [pairs, n m].
        """
        segments = self.first.shape[1] // self.parts
        total = self.first.new_zeros(len(weight), segments + 1, self.first.shape[2])
        for offset, row in ((0, self.first), (1, self.last)):
            total[:, offset : segments + offset] += (
                (weight[:, :, None] * row).unflatten(1, (segments, self.parts)).sum(2)
            )
        return total[:, 1:-1]

    def _neighbours(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return points[:, :-1].repeat_interleave(self.parts, 1), points[:, 1:].repeat_interleave(
            self.parts, 1
        )


@dataclass(frozen=True)
class Residuals:
    """Log-density differences of a batch of paths and their derivatives; n segments, m parts each,
    D = prod(shape).

    `segments` [pairs, n, D]: d_i. `delta` [pairs, n m]: one a part, in order. `scores` [pairs, n m
    + 1, D]: s at the parts' ends y_p, so that `d delta_p = s_{p+1} . dy_{p+1} - s_p . dy_p`.
    `rows`: the derivatives to use in place of these, for a score that is no gradient field; None:
    none.
    """

    segments: torch.Tensor
    delta: torch.Tensor
    scores: torch.Tensor
    rows: Rows | None = None

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
        """`c_p = delta_{p-1} - delta_p` at the parts' inner ends, 0 at the path's own ends, [pairs,
        n m + 1] float64.
        """
        return -torch.nn.functional.pad(self.delta.double(), (1, 1)).diff(dim=1) * self._inner()

    def gradient(self, lam: torch.Tensor) -> torch.Tensor:
        """dE / dx_j for the inner points, [pairs, n - 1, D] float64:
        `n [ d_{j-1} - d_j + lam m sum_p W_pj c_p s_p ]`.

        With `rows`: `n [ d_{j-1} - d_j + lam m sum_r delta_r d delta_r / dx_j ]`.
        """
        n = self.segments.shape[1]
        d = self.segments.double()
        if self.rows is not None:
            pulled = self.rows.transposed(self.delta.double() * lam.double()[:, None])
            return n * (d[:, :-1] - d[:, 1:] + self.parts * pulled)
        pull = (self.kinks() * self.parts * lam.double()[:, None])[
            :, :, None
        ] * self.scores.double()
        weights = interpolation_matrix(n, self.parts, d.device)
        gradient: torch.Tensor = n * (d[:, :-1] - d[:, 1:] + (weights.mT @ pull)[:, 1:-1])
        return gradient

    def change(self, step: torch.Tensor) -> torch.Tensor:
        """delta's linear change with a `step` of the inner points [pairs, n - 1, D], [pairs, n m]
        float64.
        """
        if self.rows is not None:
            return self.rows.along(step)
        moved = torch.nn.functional.pad(step, (0, 0, 1, 1))
        weights = interpolation_matrix(self.segments.shape[1], self.parts, step.device)
        return (self.scores.double() * (weights @ moved)).sum(2).diff(dim=1)

    def measure(self, lam: torch.Tensor) -> PathMeasure:
        """Energy, length and lower bound (see `SteinMetric.measure`) without a further evaluation,
        for `lam` [pairs].
        """
        squares = (
            self.segments.double().square().sum(2).repeat_interleave(self.parts, 1) / self.parts**2
        )
        delta, weight = self.delta.double(), lam.double()
        length = (squares + weight[:, None] * delta.square()).sqrt().sum(1)
        bound = 0.5 * (
            self.segments.double().sum(1).square().sum(1) + weight * delta.sum(1).square()
        )
        return PathMeasure(energy=self.energy(lam), length=length, lower_bound=bound)

    def _inner(self) -> torch.Tensor:
        mask = torch.ones(self.delta.shape[1] + 1, dtype=torch.float64, device=self.delta.device)
        mask[0] = mask[-1] = 0
        return mask


def quadrature_nodes(path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
    """Points of `path` [pairs, points, *shape] that the rule asks the score at, in order, [pairs,
    evaluations, *shape].

    A node that two segments share is there once.
    """
    flat = path.flatten(2)
    start, step = flat[:, :-1, None], (flat[:, 1:] - flat[:, :-1])[:, :, None]
    fractions = quadrature.fractions_like(flat)[:, None]
    if quadrature.shares_ends:
        fractions = fractions[:-1]
    nodes = (start + fractions * step).flatten(1, 2)
    if quadrature.shares_ends:
        nodes = torch.cat([nodes, flat[:, -1:]], 1)
    return nodes.reshape(*nodes.shape[:2], *path.shape[2:])


def by_segment(values: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
    """Values at the nodes [pairs, evaluations, ...] as those of each segment's own nodes, [pairs,
    n, nodes, ...].
    """
    shared = 1 if quadrature.shares_ends else 0
    per_segment = len(quadrature.fractions) - shared
    segments = (values.shape[1] - shared) // per_segment
    first = values[:, : segments * per_segment].unflatten(1, (segments, per_segment))
    return torch.cat([first, values[:, per_segment::per_segment, None]], 2) if shared else first


def node_scores(field: ScoreField, path: torch.Tensor, quadrature: Quadrature) -> torch.Tensor:
    """Scores at the quadrature's nodes on every segment, [pairs, n, nodes, D].

    One batch of `pairs * quadrature.evaluations(points)` evaluations; ends shared by two segments
    are evaluated once."""
    nodes = quadrature_nodes(path, quadrature)
    scores = check_dtype(field(nodes.flatten(0, 1)), nodes)
    return by_segment(scores.reshape(nodes.shape).flatten(2), quadrature)


def log_density_differences(
    scores: torch.Tensor, segments: torch.Tensor, quadrature: Quadrature
) -> torch.Tensor:
    """delta [pairs, n, m] from node scores [pairs, n, nodes, D] and segments [pairs, n, D]."""
    # Neither product is of all pairs at once: no pair's last digits depend on the others.
    along = (scores @ segments[:, :, :, None]).mT
    return (along * quadrature.weights_like(along)).sum(3)


def residuals(field: ScoreField, path: torch.Tensor, quadrature: Quadrature) -> Residuals:
    """Residuals and derivatives of `path` [pairs, points, *shape] for a rule with nodes at the
    parts' ends (not midpoint).
    """
    return residuals_of(node_scores(field, path, quadrature), path, quadrature)


def residuals_of(scores: torch.Tensor, path: torch.Tensor, quadrature: Quadrature) -> Residuals:
    """`residuals` from scores already known, [pairs, n, nodes, D]."""
    flat = path.flatten(2)
    segments = flat[:, 1:] - flat[:, :-1]
    stride = (len(quadrature.fractions) - 1) // quadrature.subnodes
    firsts = scores[:, :, :-1:stride].flatten(1, 2)
    return Residuals(
        segments=segments,
        delta=log_density_differences(scores, segments, quadrature).flatten(1, 2),
        scores=torch.cat([firsts, scores[:, -1:, -1]], 1),
    )


def jacobian_rows(scores: torch.Tensor, products: torch.Tensor, quadrature: Quadrature) -> Rows:
    """Rows of `delta_ir = sum_q W_rq s(x_i + u_q d_i) . d_i` from the node scores and `J_q^T d_i`,
    both [pairs, n, nodes, D].

    `d delta_ir = sum_q W_rq [ s_q . (dx_{i+1} - dx_i) + J_q^T d_i . ((1 - u_q) dx_i + u_q dx_{i+1})
    ]`, J_q the score's Jacobian at the node.
    """
    wide = scores.new_empty(0, dtype=torch.float64)
    weights, u = quadrature.weights_like(wide), quadrature.fractions_like(wide)

    def sums(matrix: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return torch.einsum("rq,pnqd->pnrd", matrix, values.double()).flatten(1, 2)

    mean = sums(weights, scores)
    return Rows(
        sums(weights * (1 - u), products) - mean,
        sums(weights * u, products) + mean,
        quadrature.subnodes,
    )

"""Parallel transport of a graph metric by rotations of its unit normal: scores alone, no Jacobian.

The metric `I + lam s s^T` is that of the graph `X = (x, phi(x))`, `grad phi = sqrt(lam) s`. A
vector V is lifted to `(V, sqrt(lam) s.V)`, of the same length and orthogonal to the unit normal
`N = (-sqrt(lam) s, 1) / sqrt(1 + lam |s|^2)`. Its transport obeys `V' = -(V.N') N`, which is also
the transport along the curve N(t) of the unit sphere S^D (the Gauss map). Along an arc of a great
circle that is the rotation that takes one end to the other,

    V -> V - (V.M) / (1 + N.M) (N + M),

so a polygon of normals transports isometrically whatever its spacing. What it leaves out is the
holonomy of the area between curve and polygon: of three normals, equal in time, a third of their
triangle (Simpson's rule for the area), a rotation in the triangle's plane. That makes it of fourth
order, one score evaluation a node.

For a score that is no gradient this is the transport of the vectors' lifts: inner products are kept
exactly all the same.
"""

import torch

from scoregeo.metric.least_squares import LeastSquares

# Lifted vectors and normals are [..., D + 1] float64.
_TINY = torch.finfo(torch.float64).tiny


def unit_normals(score: torch.Tensor, lam: float) -> torch.Tensor:
    """`(-sqrt(lam) s, 1) / sqrt(1 + lam |s|^2)` of scores [n, *shape], [n, D + 1] float64."""
    slope = lam**0.5 * score.double().flatten(1)
    return torch.nn.functional.normalize(torch.cat([-slope, torch.ones_like(slope[:, :1])], 1))


def lift(vector: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """`(V, sqrt(lam) s.V)` of vectors [n, D] at the points of `normal` [n, D + 1]."""
    rise = -(vector * normal[:, :-1]).sum(1, keepdim=True) / normal[:, -1:]
    return torch.cat([vector, rise], 1)


def carry(metric: LeastSquares, path: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Vectors [batch, *shape] transported along the polygon of normals at the points of `path`
    [batch, points, *shape], to its last points.

    Isometric; of second order in the points' spacing. One score evaluation a point. Raises
    ScoreError as the score does.
    """
    batch, points = path.shape[:2]
    normals = unit_normals(metric.field(path.flatten(0, 1)), metric.lam).view(batch, points, -1)
    moved = lift(vector.double().flatten(1), normals[:, 0])
    for start, end in zip(normals.unbind(1)[:-1], normals.unbind(1)[1:], strict=True):
        moved = rotate(moved, start, end)
    return moved[:, :-1].reshape(vector.shape).to(vector)


def rotate(vector: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Lifted vectors at the normal `start`, turned to `end` along the great circle."""
    # V.N = 0: with V.(M - N) in place of V.M nothing is left of rounding where the normals agree.
    leaning = (vector * (end - start)).sum(-1, keepdim=True)
    share = leaning / (1 + (start * end).sum(-1, keepdim=True))
    return vector - share * (start + end)


def turn(
    vector: torch.Tensor, first: torch.Tensor, middle: torch.Tensor, last: torch.Tensor
) -> torch.Tensor:
    """Transport over three normals equal in time, of fourth order: two rotations, and in the plane
    of their triangle one by a third of its area.
    """
    moved = rotate(rotate(vector, first, middle), middle, last)
    one, two = (
        chord - (chord * last).sum(-1, keepdim=True) * last
        for chord in (middle - first, last - middle)
    )
    width = one.norm(dim=-1, keepdim=True)
    one = one / width.clamp_min(_TINY)
    two = two - (two * one).sum(-1, keepdim=True) * one
    height = two.norm(dim=-1, keepdim=True)
    two = two / height.clamp_min(_TINY)
    angle = width * height / 6
    along, across = (moved * one).sum(-1, keepdim=True), (moved * two).sum(-1, keepdim=True)
    less, sine = angle.cos() - 1, angle.sin()
    return moved + (less * along - sine * across) * one + (less * across + sine * along) * two


def disagreement(nodes: torch.Tensor) -> torch.Tensor:
    """Of five normals equal in time, [..., 5, D + 1]: the angle by which `turn` over three of them
    and over all differ.

    The norm of the difference of their area bivectors, `sum w_ab c_a ^ c_b` of the four chords c.
    """
    chords = nodes.diff(dim=-2)
    gram = chords @ chords.mT
    a, b = torch.triu_indices(4, 4, 1, device=nodes.device)
    weights = gram.new_tensor([4.0, -1.0, -1.0, -1.0, -1.0, 4.0]) / 6
    products = (
        gram[..., a[:, None], a] * gram[..., b[:, None], b]
        - gram[..., a[:, None], b] * gram[..., b[:, None], a]
    )
    return (weights[:, None] * weights * products).sum((-2, -1)).clamp_min(0).sqrt()

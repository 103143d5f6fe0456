"""The rotation group SO(3) as matrices in R^9: dimension three, codimension six, constant
curvature.
"""

import math

import numpy as np
import torch

from scoregeo._utils.errors import check_above, check_number
from scoregeo._utils.memory import check_count
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of


class RotationGroup(AbstractDataset):
    """Rotation matrices, row by row, uniform (Haar); points [9], float64, all at distance sqrt(3)
    from the origin.

    Geodesics are `R exp(t hat(w))`, of length `sqrt(2) |w|`; sectional curvature 1/8 in every
    plane.
    `Pairs.truth` [pairs, 3] is w, axis times angle, in the first end's own frame.
    """

    def __init__(self, num_pairs: int = 8, min_angle: float = 0.5, max_angle: float = 2.0) -> None:
        """Settings of the group `dataset`.

        Args:
            num_pairs: pairs drawn from the seed.
            min_angle, max_angle: of the rotation that leads from the first end to the second,
                radians, within (0, pi).

        Raises: ConfigError for anything else.
        """
        check_count("dataset.num_pairs", num_pairs, 18, "so many pairs")
        check_number("dataset.min_angle", min_angle, above=0.0, below=math.pi)
        check_number("dataset.max_angle", max_angle, below=math.pi)
        check_above("dataset.max_angle", max_angle, "dataset.min_angle", min_angle)
        self.num_pairs, self.min_angle, self.max_angle = (
            num_pairs,
            float(min_angle),
            float(max_angle),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (9,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    def pairs(self, seed: int) -> Pairs:
        source = generator(seed, "pairs")
        first = self._uniform(self.num_pairs, source)
        axis = torch.randn(self.num_pairs, 3, generator=source, dtype=self.dtype)
        angle = torch.rand(self.num_pairs, 1, generator=source, dtype=self.dtype)
        turn = (
            axis
            / axis.norm(dim=1, keepdim=True)
            * (self.min_angle + (self.max_angle - self.min_angle) * angle)
        )
        second = (first.view(-1, 3, 3) @ torch.matrix_exp(hat(turn))).flatten(1)
        names = tuple(f"pair{i:03d}" for i in range(self.num_pairs))
        return Pairs(first, second, names, ("all",) * self.num_pairs, turn)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        return self._uniform(count, generator(seed, "sample"))

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return self._along(pairs, torch.linspace(0, 1, num_points, dtype=self.dtype)[None])

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        return self._along(
            pairs,
            1
            + reach_of(reach, pairs)[:, None] * torch.linspace(0, 1, num_points, dtype=self.dtype),
        )

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        return math.sqrt(2) * self._turn(pairs).norm(dim=1)

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """Frobenius distance to the nearest rotation, `U diag(1, 1, det U V^T) V^T` (Kabsch 1976;
        Umeyama 1991).
        """
        u, s, v = torch.linalg.svd(points.unflatten(-1, (3, 3)))
        s = s.clone()
        s[..., 2] *= torch.sign(torch.linalg.det(u) * torch.linalg.det(v))
        return (s - 1).norm(dim=-1)

    def quadrature(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Euler angles z-y-z: equal steps in the outer two, Gauss-Legendre nodes in the cosine of
        the inner one.
        """
        outer = max(8, math.ceil(2 * math.pi * math.sqrt(2) / spacing))
        inner = max(4, math.ceil(math.pi * math.sqrt(2) / spacing))
        cosine, weight = np.polynomial.legendre.leggauss(inner)
        turn = torch.arange(outer, dtype=self.dtype) * (2 * math.pi / outer)
        tilt = torch.from_numpy(np.arccos(cosine))
        about_z, about_y = (
            torch.zeros(outer, 3, dtype=self.dtype),
            torch.zeros(inner, 3, dtype=self.dtype),
        )
        about_z[:, 2], about_y[:, 1] = turn, tilt
        z, y = torch.matrix_exp(hat(about_z)), torch.matrix_exp(hat(about_y))
        nodes = torch.einsum("aij,bjk,ckl->abcil", z, y, z).reshape(-1, 9)
        share = torch.from_numpy(weight / 2) / outer**2
        return nodes, share[None, :, None].expand(outer, inner, outer).reshape(-1)

    def _turn(self, pairs: Pairs) -> torch.Tensor:
        """Axis times angle from the first end to the second, in the first end's frame."""
        if pairs.truth is not None:
            return pairs.truth
        from scipy.spatial.transform import Rotation

        first, second = pairs.first.view(-1, 3, 3), pairs.second.view(-1, 3, 3)
        return torch.from_numpy(Rotation.from_matrix((first.mT @ second).numpy()).as_rotvec())

    def _along(self, pairs: Pairs, fractions: torch.Tensor) -> torch.Tensor:
        turn = fractions[..., None] * self._turn(pairs)[:, None]
        return (pairs.first.view(-1, 1, 3, 3) @ torch.matrix_exp(hat(turn))).flatten(-2)

    def _uniform(self, count: int, source: torch.Generator) -> torch.Tensor:
        """From uniform unit quaternions (Shoemake 1992)."""
        from scipy.spatial.transform import Rotation

        quaternion = torch.randn(count, 4, generator=source, dtype=self.dtype)
        return torch.from_numpy(Rotation.from_quat(quaternion.numpy()).as_matrix()).flatten(1)


def hat(vector: torch.Tensor) -> torch.Tensor:
    """The skew matrix of a cross product, `hat(w) u = w x u`: [..., 3] to [..., 3, 3]."""
    a, b, c = vector.unbind(-1)
    zero = torch.zeros_like(a)
    rows = [torch.stack(row, -1) for row in ((zero, -c, b), (c, zero, -a), (-b, a, zero))]
    return torch.stack(rows, -2)

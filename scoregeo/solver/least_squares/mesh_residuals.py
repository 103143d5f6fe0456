"""Residuals of paths that have a mesh of elements each, and Gauss-Newton's step on them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from scoregeo.metric.path_measure import PathMeasure
from scoregeo.solver.laplacian import inverse_laplacian
from scoregeo.solver.least_squares.mesh import NODES, Mesh, Placed


@dataclass(frozen=True)
class PathResiduals:
    """Of one path: its `mesh`, `segments` d_i [n, D] float64, and `scores` [nodes, D] float64.

    The energy is `(n/2) ( sum_i |d_i|^2 + lam sum_r value_r^2 )` (`Mesh`).
    """

    mesh: Mesh
    segments: torch.Tensor
    scores: torch.Tensor

    @property
    def _mesh(self) -> Placed:
        """The mesh, where the path is."""
        return self.mesh.on(self.segments.device)

    def slopes(self) -> torch.Tensor:
        """`f = s . d_i` at each element's nodes, [E, 3]."""
        mesh = self._mesh
        own = self.scores[mesh.nodes]
        return (own @ self.segments[mesh.segment][:, :, None])[:, :, 0]

    def values(self) -> torch.Tensor:
        """The residuals, [E, 3], zero beyond an element's order."""
        return _times(self._mesh.values, self.slopes())

    def along(self, step: torch.Tensor) -> torch.Tensor:
        """Linear change of the residuals with a move of the inner points [n - 1, D], [E, 3]."""
        moved = torch.nn.functional.pad(step, (0, 0, 1, 1))
        at, own = self._mesh.segment, self.scores[self._mesh.nodes]
        first, last = self._mesh.derivatives
        return _times(first, (own @ moved[at][:, :, None])[:, :, 0]) + _times(
            last, (own @ moved[at + 1][:, :, None])[:, :, 0]
        )

    def transposed(self, weight: torch.Tensor) -> torch.Tensor:
        """The transpose of `along`: `sum_r weight_r d value_r / dx_j`, [n - 1, D]."""
        total = self.segments.new_zeros(self.mesh.segments + 1, self.segments.shape[1])
        at, own = self._mesh.segment, self.scores[self._mesh.nodes]
        for offset, matrix in enumerate(self._mesh.derivatives):
            share = _times(matrix.mT, weight)
            total.index_add_(0, at + offset, (share[:, None] @ own)[:, 0])
        return total[1:-1]

    def pull(self) -> torch.Tensor:
        """`d_{j-1} - d_j`, [n - 1, D]."""
        return self.segments[:-1] - self.segments[1:]

    def gradient(self, lam: torch.Tensor) -> torch.Tensor:
        """dE / dx_j of the inner points, [n - 1, D]:
        `n ( d_{j-1} - d_j + lam sum_r value_r d value_r / dx_j )`.
        """
        return self.mesh.segments * (self.pull() + lam * self.transposed(self.values()))

    def step(self, lam: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
        """Solve `n [ tau T (x) I + lam B^T B ] step = -gradient`, tau = 1 + damping, B the
        residuals' derivatives; [n - 1, D].

        With `K = (tau T)^-1 (x) I`, the multipliers `mu = lam (value + B step)` solve
        `(I / lam + B K B^T) mu = value - B K pull`, of one row a residual, and
        `step = -K (pull + B^T mu)`. B is made of scores, so that `B K B^T` comes of their Gram
        matrix: O(nodes^2 D + rows^3) arithmetic, no memory beyond `rows^2`.
        """
        mesh, tau = self._mesh, 1 + damping
        inner = inverse_laplacian(self.mesh.segments, self.segments.device)[1:-1, 1:-1]
        pull = self.pull()
        kept = mesh.rows
        left = (self.values() - self.along(inner @ pull / tau)).flatten()[kept]
        system = (lam / tau) * self._coupling()[kept][:, kept]
        system.diagonal().add_(1.0)
        factor, _ = torch.linalg.cholesky_ex(system)
        solved = torch.cholesky_solve(lam * left[:, None], factor)[:, 0]
        multiplier = left.new_zeros(len(mesh.segment) * NODES)
        multiplier[kept] = solved
        return -(inner @ (pull + self.transposed(multiplier.view(-1, NODES)))) / tau

    def _coupling(self) -> torch.Tensor:
        """`B (T^-1 (x) I) B^T`, [3 E, 3 E]."""
        index, at = self._mesh.nodes, self._mesh.segment
        green = inverse_laplacian(self.mesh.segments, self.segments.device)
        gram = (self.scores @ self.scores.mT)[index.flatten()][:, index.flatten()]
        size = len(at)
        blocks = gram.view(size, NODES, size * NODES)
        halves = [matrix @ blocks for matrix in self._mesh.derivatives]
        total = gram.new_zeros(size, NODES, size, NODES)
        for a, half in enumerate(halves):
            for b, matrix in enumerate(self._mesh.derivatives):
                part = half.view(size, NODES, size, NODES).permute(2, 0, 1, 3) @ matrix.mT[:, None]
                weight = green[at + a][:, at + b]
                total += part.permute(1, 2, 0, 3) * weight[:, None, :, None]
        return total.view(size * NODES, size * NODES)

    def predicted(self, lam: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Energy of the linearised residuals after `step`, []."""
        segments = self.segments + torch.nn.functional.pad(step, (0, 0, 1, 1)).diff(dim=0)
        values = self.values() + self.along(step)
        return 0.5 * self.mesh.segments * (segments.square().sum() + lam * values.square().sum())

    def measure(self, lam: torch.Tensor) -> PathMeasure:
        """Energy, length (of the root mean square speed on each element) and lower bound, [1]."""
        width = self._mesh.width
        squares = self.segments.square().sum(1)[self._mesh.segment]
        values = self.values()
        length = (width * (width * squares + lam * values.square().sum(1))).sqrt().sum()
        change = (width.sqrt() * values[:, 0]).sum()
        bound = 0.5 * (self.segments.sum(0).square().sum() + lam * change.square())
        energy = self.predicted(lam, torch.zeros_like(self.segments[1:]))
        return PathMeasure(energy[None], length[None], bound[None])


class MeshResiduals:
    """Residuals of a batch of paths, each on a mesh of its own, in place of `Residuals`.

    Every path is worked on by itself, so that no pair's last digits depend on the others.
    """

    def __init__(self, every: Sequence[PathResiduals]) -> None:
        self.every = list(every)

    def at(self, index: torch.Tensor) -> "MeshResiduals":
        """Those of some pairs, by their numbers or a mask."""
        numbers = index.nonzero()[:, 0] if index.dtype == torch.bool else index
        return MeshResiduals([self.every[number] for number in numbers.tolist()])

    def put(self, index: torch.Tensor, source: "MeshResiduals") -> None:
        """Write `source` over the pairs `index`."""
        for number, one in zip(index.tolist(), source.every, strict=True):
            self.every[number] = one

    def energy(self, lam: torch.Tensor) -> torch.Tensor:
        """E for `lam` [pairs], [pairs] float64."""
        return 0.5 * (self.euclidean_part() + lam.double() * self.score_part())

    def euclidean_part(self) -> torch.Tensor:
        """`n sum |d_i|^2`, [pairs] float64."""
        return torch.stack([one.mesh.segments * one.segments.square().sum() for one in self.every])

    def score_part(self) -> torch.Tensor:
        """`n sum value^2`, [pairs] float64."""
        return torch.stack([one.mesh.segments * one.values().square().sum() for one in self.every])

    def gradient(self, lam: torch.Tensor) -> torch.Tensor:
        """[pairs, n - 1, D] float64."""
        return torch.stack([one.gradient(own) for one, own in zip(self.every, lam, strict=True)])

    def step(self, lam: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
        """Gauss-Newton's, [pairs, n - 1, D] float64."""
        every = zip(self.every, lam, damping, strict=True)
        return torch.stack([one.step(*own) for one, *own in every])

    def predicted(self, lam: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Energy of the linearised residuals after `step`, [pairs]."""
        every = zip(self.every, lam, step, strict=True)
        return torch.stack([one.predicted(*own) for one, *own in every])

    def measure(self, lam: torch.Tensor) -> PathMeasure:
        """[pairs] each."""
        every = [one.measure(own) for one, own in zip(self.every, lam, strict=True)]
        return PathMeasure(
            **{
                item.name: torch.cat([getattr(one, item.name) for one in every])
                for item in fields(PathMeasure)
            }
        )


def _times(matrices: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """`[E, 3, 3] @ [E, 3]`."""
    return (matrices @ vectors[:, :, None])[:, :, 0]

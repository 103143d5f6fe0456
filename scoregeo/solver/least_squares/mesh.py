"""A path's segments split into elements, each with its own width and order: the rule that adaptive
refinement works on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch

TRAPEZOID, LINEAR, QUADRATIC = 0, 1, 2  # orders of an element
NODES = 3  # of an element: first, middle, last; the middle has no weight below QUADRATIC

# Rows: mean, slope and curvature of f over an element from its values at the first, middle and last
# node, its Legendre coefficients c_k / sqrt(2 k + 1): int_0^1 f^2 is the sum of their squares.
_THIRD, _FIFTH = 3**-0.5, 5**-0.5
_COEFFICIENTS = torch.tensor(
    [
        [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.5, 0.0, 0.5], [-0.5 * _THIRD, 0.0, 0.5 * _THIRD], [0.0, 0.0, 0.0]],
        [
            [1 / 6, 4 / 6, 1 / 6],
            [-0.5 * _THIRD, 0.0, 0.5 * _THIRD],
            [_FIFTH / 3, -2 * _FIFTH / 3, _FIFTH / 3],
        ],
    ],
    dtype=torch.float64,
)
# Derivatives at the three nodes of the polynomial through the values there, per width
_DIFFERENCES = torch.tensor(
    [
        [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]],
        [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]],
        [[-3.0, 4.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -4.0, 3.0]],
    ],
    dtype=torch.float64,
)
_FRACTIONS = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)


class Placed(NamedTuple):
    """What residuals need of a mesh, on one device (`Mesh`)."""

    segment: torch.Tensor
    node_segment: torch.Tensor  # `Mesh.node_positions`
    node_u: torch.Tensor
    nodes: torch.Tensor  # `Mesh.index`
    width: torch.Tensor
    rows: torch.Tensor
    quadratic: torch.Tensor  # `Mesh.order` is QUADRATIC
    values: torch.Tensor
    derivatives: tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Mesh:
    """Elements of one path, in order along it; E elements on n segments.

    `segment` [E] int64; `first`, `width` [E] float64, the element's start and length in its
    segment's parameter u in [0, 1]; `order` [E] int64, `TRAPEZOID`, `LINEAR` or `QUADRATIC`. With
    `f = s(x_i + u d_i) . d_i = d log p / du`, interpolated on each element by a polynomial p of its
    order through its nodes,

        E = (n/2) ( sum_i |d_i|^2 + lam sum_e int_e p^2 du ).

    `TRAPEZOID` leaves out the slope: `int_e` is `delta^2 / width`, delta the trapezoid rule of f,
    which is the energy of `Quadrature("trapezoid", m)` on m equal elements a segment. That a chord
    from one flank of a ridge to the other costs nothing by that rule, and a third of its ends' f^2
    by `LINEAR`, is all the difference between them.
    """

    segments: int
    segment: torch.Tensor
    first: torch.Tensor
    width: torch.Tensor
    order: torch.Tensor

    @staticmethod
    def uniform(segments: int, parts: int = 1, order: int = QUADRATIC) -> "Mesh":
        """`parts` equal elements of one order on every segment."""
        return Mesh(
            segments,
            torch.arange(segments).repeat_interleave(parts),
            (torch.arange(parts, dtype=torch.float64) / parts).repeat(segments),
            torch.full((segments * parts,), 1 / parts, dtype=torch.float64),
            torch.full((segments * parts,), order),
        )

    def refined(self, chosen: torch.Tensor) -> "Mesh":
        """The elements `chosen` [E] bool made finer, their nodes kept: below `QUADRATIC` by a node
        in the middle, else cut in two.
        """
        cut = chosen & (self.order == QUADRATIC)
        count = 1 + cut.long()
        at = torch.arange(len(count)).repeat_interleave(count)
        second = torch.zeros(len(at), dtype=torch.bool)
        second[1:] = at[1:] == at[:-1]
        width = self.width[at] / count[at]
        return Mesh(
            self.segments,
            self.segment[at],
            self.first[at] + second * width,
            width,
            torch.where(chosen, QUADRATIC, self.order)[at],
        )

    @property
    def evaluations(self) -> int:
        """Nodes, of which neighbouring elements share one."""
        return int(self.order.clamp_min(1).sum()) + 1

    @cached_property
    def index(self) -> torch.Tensor:
        """Numbers of each element's nodes along the path, [E, 3]; the middle one of an element
        without is its first.
        """
        steps = self.order.clamp_min(1)
        start = steps.cumsum(0) - steps
        return torch.stack([start, start + (steps == 2).long(), start + steps], 1)

    @cached_property
    def fractions(self) -> torch.Tensor:
        """u of each element's nodes, [E, 3]."""
        return self.first[:, None] + self.width[:, None] * _FRACTIONS

    def nodes(self, path: torch.Tensor) -> torch.Tensor:
        """Points of one flat path [n + 1, D] at the nodes, in order, [nodes, D]; those at its own
        points to the last bit.
        """
        placed = self.on(path.device)
        first, u = path[placed.node_segment], placed.node_u.to(path.dtype)
        x = first + u[:, None] * (path[placed.node_segment + 1] - first)
        return torch.cat([x, path[-1:]])

    @cached_property
    def node_positions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Segment and u of every node but the last, [nodes - 1] each."""
        used = torch.ones(len(self.order), 2, dtype=torch.bool)
        used[:, 1] = self.order == QUADRATIC
        return self.segment[:, None].expand(-1, 2)[used], self.fractions[:, :2][used]

    @cached_property
    def positions(self) -> torch.Tensor:
        """The nodes' share of the path's parameter, from 0 to 1, [nodes]."""
        segment, u = self.node_positions
        return torch.cat([segment + u, u.new_full((1,), self.segments)]) / self.segments

    @cached_property
    def values(self) -> torch.Tensor:
        """R [E, 3, 3], such that `R f` are an element's residuals: `|R f|^2 = int_e p^2 du`."""
        return _COEFFICIENTS[self.order] * self.width.sqrt()[:, None, None]

    @cached_property
    def derivatives(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A, B [E, 3, 3]: the residuals of element e change by
        `sum_q s_q . (A_rq dx_i + B_rq dx_{i+1})`, s_q the scores at its nodes.

        From `df_q = s_q . (dx_{i+1} - dx_i) + (J_q d_i) . ((1 - u_q) dx_i + u_q dx_{i+1})`, for a
        symmetric Jacobian J, and `J_q d_i = ds / du` by differences of the scores themselves.
        """
        slope = _DIFFERENCES[self.order] / self.width[:, None, None]
        u = self.fractions
        before = self.values @ ((1 - u)[:, :, None] * slope) - self.values
        after = self.values @ (u[:, :, None] * slope) + self.values
        return before, after

    @cached_property
    def rows(self) -> torch.Tensor:
        """Numbers in [0, 3 E) of the residuals that an element has: one more than its order."""
        kept = torch.arange(NODES)[None] <= self.order[:, None]
        return kept.flatten().nonzero()[:, 0]

    def on(self, device: torch.device) -> Placed:
        """The mesh on `device`, copied there once."""
        if device not in self._placed:
            (node_segment, node_u), (before, after) = self.node_positions, self.derivatives
            self._placed[device] = Placed(
                segment=self.segment.to(device),
                node_segment=node_segment.to(device),
                node_u=node_u.to(device),
                nodes=self.index.to(device),
                width=self.width.to(device),
                rows=self.rows.to(device),
                quadratic=(self.order == QUADRATIC).to(device),
                values=self.values.to(device),
                derivatives=(before.to(device), after.to(device)),
            )
        return self._placed[device]

    @cached_property
    def _placed(self) -> dict[torch.device, Placed]:
        return {}

    def known(
        self, points: torch.Tensor, mesh: "Mesh", others: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Which nodes, `points` [nodes, D], are nodes `others` of another `mesh` too, at the same
        share of the path and the same place to the last bit: their numbers here and there.
        """
        there = torch.searchsorted(mesh.positions, self.positions - 1e-9)
        there = there.clamp_max(len(others) - 1)
        same = (mesh.positions[there] - self.positions).abs() < 1e-9
        same &= (others[there.to(others.device)] == points).all(1).cpu()
        return same.nonzero()[:, 0], there[same]


def coarsened_energy(mesh: Mesh, f: torch.Tensor) -> torch.Tensor:
    """`int_e` of each element by the next lower order on the same nodes, [E]: of a `QUADRATIC` one
    by two `LINEAR` halves, of a `LINEAR` one by `TRAPEZOID`. f: [E, 3], on any device.
    """
    a, b, c = f.unbind(1)
    halves = (a * a + a * b + 2 * b * b + b * c + c * c) / 6
    placed = mesh.on(f.device)
    return placed.width * torch.where(placed.quadratic, halves, (a + c).square() / 4)


def total_evaluations(meshes: Sequence[Mesh]) -> torch.Tensor:
    """`evaluations` of each, int64."""
    return torch.tensor([mesh.evaluations for mesh in meshes])

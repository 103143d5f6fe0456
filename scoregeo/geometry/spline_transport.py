"""Transport of a graph metric along cubic splines, by rotations of its normal, with adaptive
bisection.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.geometry.rolling import disagreement, lift, turn, unit_normals
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED

_ORDER_GAIN = 16  # by which a cell's two halves are better than the cell, at fourth order
_NARROWEST = 1 / 64  # cells narrower than this share of the time have the tolerance of this one
_LAST_WIDTH = 1e-3  # of a cell that still meets a bad score, in the time
_FLOOR_WIDTH = 1e-9  # below it the normal is taken to jump: one rotation
_MEMORY = 2**28  # bytes of normals held at a time, about

# (rows [n], times [n]) to points [n, *shape]
Curve = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Rolled:
    """`vector` [batch, points, D] float64, NaN at times beyond `reached` [batch]; `status` and
    score `evaluations` [batch].
    """

    vector: torch.Tensor
    status: tuple[str, ...]
    reached: torch.Tensor
    evaluations: torch.Tensor


def rows_at_once(points: int, size: int) -> int:
    """Paths whose normals are held together."""
    return max(1, _MEMORY // (8 * 5 * points * (size + 1)))


def roll_along(
    metric: LeastSquares,
    curve: Curve,
    times: torch.Tensor,
    vector: torch.Tensor,
    tolerance: float,
    max_evaluations: int,
) -> Rolled:
    """`vector` [batch, D] transported along `curve`, smooth between the `times` [points] from 0
    to 1.

    Each interval is a cell of five normals (4 evaluations); a cell over which `turn` by three and
    by five of them differ by more than the tolerance, its share of an angle in radians for the
    whole curve, is bisected (4 more). A cell with a bad score is bisected down to a thousandth of
    the time.
    """
    run = _Run(metric, curve, len(vector), max_evaluations)
    cells = run.first(times)
    while len(cells.rows):
        cells = run.advance(cells, tolerance)
    return run.compose(times, vector)


@dataclass(frozen=True)
class _Cells:
    """Intervals of time of the rows: `start`, `stop` [cells], `nodes` [cells, 5, D + 1]."""

    rows: torch.Tensor
    start: torch.Tensor
    stop: torch.Tensor
    nodes: torch.Tensor

    def __getitem__(self, which: torch.Tensor) -> "_Cells":
        return _Cells(self.rows[which], self.start[which], self.stop[which], self.nodes[which])


class _Run:
    """The state of one transport."""

    def __init__(self, metric: LeastSquares, curve: Curve, batch: int, budget: int) -> None:
        self.metric, self.curve, self.batch, self.budget = metric, curve, batch, budget
        self.status = [CONVERGED] * batch
        self.evaluations = torch.zeros(batch, dtype=torch.int64)
        self.done: list[_Cells] = []

    def first(self, times: torch.Tensor) -> _Cells:
        """One cell an interval."""
        segments = len(times) - 1
        rows = torch.arange(self.batch)
        if 4 * segments + 1 > self.budget:
            self.status = [BUDGET] * self.batch
            rows = rows[:0]
        quarters = torch.arange(4) / 4
        inner = times[:-1, None] + quarters.to(times) * times.diff()[:, None]
        nodes = self._normals(
            rows.repeat_interleave(4 * segments + 1),
            torch.cat([inner.flatten(), times[-1:]]).repeat(len(rows)),
        )
        nodes = nodes.view(len(rows), 4 * segments + 1, nodes.shape[-1])
        index = 4 * torch.arange(segments)[:, None] + torch.arange(5)
        return _Cells(
            rows.repeat_interleave(segments),
            times[:-1].repeat(len(rows)),
            times[1:].repeat(len(rows)),
            nodes[:, index].flatten(0, 1),
        )

    def advance(self, cells: _Cells, tolerance: float) -> _Cells:
        """Keep the cells that are fine enough; the halves of the others."""
        width = cells.stop - cells.start
        bad = cells.nodes.isnan().flatten(1).any(1)
        allowed = _ORDER_GAIN * tolerance * width.clamp_min(_NARROWEST)
        fine = (disagreement(cells.nodes).cpu() <= allowed) | (width < _FLOOR_WIDTH)
        bad = bad.cpu()
        fine &= ~bad
        self.done.append(cells[fine])
        # Beyond a row's first bad cell nothing is reached.
        wall = torch.full((self.batch,), torch.inf, dtype=torch.float64)
        wall.scatter_reduce_(0, cells.rows[bad], cells.start[bad], "amin")
        for row in wall.isfinite().nonzero()[:, 0].tolist():
            self.status[row] = FAILED
        left = cells[~fine & (cells.start <= wall[cells.rows]) & ~(bad & (width < _LAST_WIDTH))]
        needed = 4 * torch.bincount(left.rows, minlength=self.batch)
        dear = self.evaluations + needed > self.budget
        for row in (dear & (needed > 0)).nonzero()[:, 0].tolist():
            self.status[row] = BUDGET
        return self._halves(left[~dear[left.rows]])

    def _halves(self, cells: _Cells) -> _Cells:
        eighths = torch.tensor([1, 3, 5, 7], dtype=torch.float64) / 8
        times = cells.start[:, None] + eighths * (cells.stop - cells.start)[:, None]
        new = self._normals(cells.rows.repeat_interleave(4), times.flatten())
        new = new.view(len(cells.rows), 4, cells.nodes.shape[-1])
        nodes = cells.nodes.new_empty(len(cells.rows), 9, cells.nodes.shape[-1])
        nodes[:, ::2], nodes[:, 1::2] = cells.nodes, new
        middle = (cells.start + cells.stop) / 2
        return _Cells(
            cells.rows.repeat(2),
            torch.cat([cells.start, middle]),
            torch.cat([middle, cells.stop]),
            torch.cat([nodes[:, :5], nodes[:, 4:]]),
        )

    def _normals(self, rows: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Unit normals [n, D + 1], NaN where the score is bad."""
        points = self.curve(rows, times)
        self.evaluations += torch.bincount(rows, minlength=self.batch)
        try:
            return unit_normals(self.metric.field(points), self.metric.lam)
        except ScoreError:
            shape = (len(points), points[0].numel() + 1)
            if len(points) == 1:
                return torch.full(shape, torch.nan, dtype=torch.float64, device=points.device)
        # By halves: few of the points are bad.
        half = len(points) // 2
        return torch.cat(
            [self._normals(rows[part], times[part]) for part in (slice(half), slice(half, None))]
        )

    def compose(self, times: torch.Tensor, vector: torch.Tensor) -> Rolled:
        """Turn the vectors over the cells in turn, as far as they join."""
        every = torch.full((self.batch, len(times), vector.shape[1]), torch.nan).to(vector)
        every[:, 0] = vector
        reached = torch.zeros(self.batch, dtype=torch.float64)
        rows = torch.cat([cells.rows for cells in self.done]) if self.done else None
        if rows is None:
            return Rolled(every, tuple(self.status), reached, self.evaluations)
        start, stop, nodes = (
            torch.cat([getattr(cells, name) for cells in self.done])
            for name in ("start", "stop", "nodes")
        )
        order = (rows + start / 2).argsort()  # by row, then by time
        counts = torch.bincount(rows, minlength=self.batch)
        first = counts.cumsum(0) - counts
        moved: torch.Tensor | None = None
        for k in range(int(counts.max())):
            active = (counts > k).nonzero()[:, 0]
            cell = order[first[active] + k]
            joined = start[cell] == reached[active]
            active, cell = active[joined], cell[joined]
            five = nodes[cell.to(nodes.device)].unbind(1)
            if moved is None:
                moved = torch.zeros(self.batch, nodes.shape[-1]).to(nodes)
                moved[active] = lift(vector[active], five[0])
            turned = turn(turn(moved[active], *five[:3]), *five[2:])
            moved[active] = turned
            reached[active] = stop[cell]
            at = torch.searchsorted(times, stop[cell])
            there = times[at] == stop[cell]
            every[active[there], at[there]] = turned[there, :-1]
        return Rolled(every, tuple(self.status), reached, self.evaluations)

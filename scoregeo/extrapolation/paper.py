"""The paper's way past the end of a geodesic: steps along the last velocity, turned back to the
data by the score.
"""

import time
from dataclasses import dataclass

import torch

from scoregeo._utils.errors import ConfigError, ScoreError, check_number
from scoregeo.extrapolation.base import COMPLETE, FAILED, AbstractExtrapolation, Continuation
from scoregeo.metric.base import AbstractMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import arc_length, resample
from scoregeo.score.field import ScoreField

# Of the score: below it, the part across the path is rounding, and would be scaled up to a
# direction
_ACROSS = 1e-6
# Of a step: what is left of a length after whole steps, below which no further step is made
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Paper(AbstractExtrapolation):
    """Score-corrected steps along the last velocity, after Azeglio & Di Bernardo 2025 (arXiv
    2505.11128), extrapolation.

    With h the path's mean spacing, x its second end and v the unit vector along its last segment,
    each step does

        s = score(x + h v)
        c = s - (s.v) v,    c <- c / |c|                    (0 where |c| is at most 1e-6 |s|)
        d = (v + score_weight c) / |v + score_weight c|
        x <- x + h d
        v <- (momentum v + (1 - momentum) d) / |..|

    until `reach` times the path's Euclidean length is gone, the last step shortened to fit. One
    score evaluation a step, that is `ceil(reach * (points - 1))` a pair. The metric is not used,
    only the score it is made of.

    The idea is the paper's: continue along the last velocity, keep part of the earlier direction,
    and let a scaled score, rid of what it says about the speed, hold the point at the data. What it
    takes to run it is choice, and these choices are ours:
    - h is the spacing of the path, and the speed never changes (v and d are unit vectors);
    - the score is read at the predicted point x + h v, one step ahead, not at x;
    - the score's part along v is removed, so that the walk neither stops at a mode nor is pulled
      back along its own way;
    - what is left is scaled to length 1: its direction counts, its size does not. So the walk
      zigzags about the ridge of the density by about `score_weight` h, and turns by at most
      `(1 - momentum) atan(score_weight)` a step: on a path that bends more than that it leaves the
      data;
    - `momentum` and `score_weight` have no value that theory gives. The defaults are the best of a
      small grid on the sphere, at 64 points; rotated digits at 49 points turn by 0.3 a step and
      need a `score_weight` of 0.5, also found on a grid.
    It is no geodesic: nothing is conserved, and the result depends on h.

    Attributes:
        momentum: share of the earlier direction kept, within [0, 1).
        score_weight: length of the correction, in units of the step, at least 0; 0 goes straight
            on.
    """

    momentum: float = 0.25
    score_weight: float = 0.1
    of_metric = False

    def __post_init__(self) -> None:
        check_number("extrapolation.paper.momentum", self.momentum, at_least=0.0, below=1.0)
        check_number("extrapolation.paper.score_weight", self.score_weight, at_least=0.0)

    def check(self, metric: AbstractMetric) -> None:
        """Every metric will do: it is not asked."""

    @torch.no_grad()
    def extend(
        self,
        metric: AbstractMetric,
        path: torch.Tensor,
        reach: torch.Tensor,
        num_points: int,
        rule: Quadrature,
    ) -> Continuation:
        """Raises ConfigError where the metric has no score."""
        if metric.field is None:
            raise ConfigError(
                f"extrapolation.paper needs a score; metric = {metric.name!r} was made without one."
            )
        began = time.perf_counter()
        wanted = reach.to(path.device).double() * (path.shape[1] - 1)  # in steps
        walk = _Walk(self, metric.field, path, wanted)
        rows = [
            resample(row[None, : count + 1], num_points)
            for row, count in zip(walk.points, walk.steps.tolist(), strict=True)
        ]
        none = walk.points.new_empty(0, num_points, *path.shape[2:])
        return Continuation(
            path=torch.cat([none, *rows]).to(path.dtype),
            status=tuple(FAILED if stopped else COMPLETE for stopped in walk.stopped.tolist()),
            reached=(walk.gone / wanted).clamp(0, 1).cpu(),
            score_evaluations=walk.evaluations.cpu(),
            seconds=time.perf_counter() - began,
        )


class _Walk:
    """The state of one call: `points` [pairs, most steps + 1, *shape] float64, of which the first
    `steps + 1` of a row count.
    """

    def __init__(
        self, method: Paper, field: ScoreField, path: torch.Tensor, wanted: torch.Tensor
    ) -> None:
        self.method, self.field, self.dtype = method, field, path.dtype
        pairs, count = path.shape[:2]
        most = int(max((wanted - _ROUNDING).ceil().tolist(), default=0))
        last = (path[:, -1] - path[:, -2]).double().flatten(1)
        self.spacing = (arc_length(path) / (count - 1))[:, None]
        self.velocity = _unit(last)
        # At least two points, so that a path whose first step fails is one that stays where it is.
        self.points = path[:, -1:].double().repeat(1, most + 1, *[1] * (path.dim() - 2))
        self.steps = torch.ones(pairs, dtype=torch.int64, device=path.device)
        self.gone = torch.zeros_like(wanted)
        self.stopped = torch.zeros(pairs, dtype=torch.bool, device=path.device)
        self.evaluations = torch.zeros(pairs, dtype=torch.int64, device=path.device)
        for number in range(1, most + 1):
            part = (wanted - self.gone).clamp_max(1.0)
            active = ((part > _ROUNDING) & ~self.stopped).nonzero()[:, 0]
            self._step(active, part[active][:, None], number)

    def _step(self, rows: torch.Tensor, part: torch.Tensor, number: int) -> None:
        here, velocity = self.points[rows, number - 1].flatten(1), self.velocity[rows]
        step = part * self.spacing[rows]
        score, finite = self._score(here + step * velocity)
        self.evaluations[rows] += 1
        self.stopped[rows] = ~finite
        across = score - (score * velocity).sum(1, keepdim=True) * velocity
        heard = across.norm(dim=1, keepdim=True) > _ACROSS * score.norm(dim=1, keepdim=True)
        across = _unit(across.where(heard, torch.zeros_like(across)))
        direction = _unit(velocity + self.method.score_weight * across)
        there = (here + step * direction).view(-1, *self.points.shape[2:])
        kept = rows[finite]
        self.points[kept, number] = there[finite]
        self.velocity[kept] = _unit(
            self.method.momentum * velocity + (1 - self.method.momentum) * direction
        )[finite]
        self.steps[kept] = number
        self.gone[kept] += part[finite, 0]

    def _score(self, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores [rows, D] float64 at points [rows, D], and which of them are finite; the others
        are 0.
        """
        points = flat.to(self.dtype).view(-1, *self.points.shape[2:])
        try:
            return self.field(points).double().flatten(1), torch.ones(
                len(points), dtype=torch.bool, device=flat.device
            )
        except ScoreError:
            if len(points) == 1:
                return torch.zeros_like(flat), torch.zeros(1, dtype=torch.bool, device=flat.device)
        # One bad point makes the whole batch an error: ask for each alone.
        parts = [self._score(one) for one in flat.split(1)]
        return torch.cat([value for value, _ in parts]), torch.cat([finite for _, finite in parts])


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    """Rows scaled to length 1; a row of zeros stays one."""
    norm = vectors.norm(dim=1, keepdim=True)
    return vectors / norm.where(norm > 0, torch.ones_like(norm))

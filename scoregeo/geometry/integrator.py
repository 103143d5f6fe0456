"""Adaptive integration of a batch of ordinary differential equations; one element's bad score does
not spoil the others'.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED

# (rows of the batch, time, their states [rows, size]) to the states' derivatives; raises ScoreError
# as scores do.
Derivative = Callable[[torch.Tensor, float, torch.Tensor], torch.Tensor]

_CALLS_A_STEP = 15  # twelve stages of the step and three of its dense output
# Calls after which an element is given up whose budget, at its pace, would end below this share of
# the time
_PACED, _HOPELESS = 1000, 0.01
_SMALLEST_STEP = 1e-3  # share of the time at which a step that still meets a bad score is given up


@dataclass(frozen=True)
class Trajectory:
    """States of a batch at equal times of [0, 1].

    `states` [batch, points, size] float64, CPU, NaN at times beyond `reached`. `status`: converged,
    out_of_budget or failed. `reached` [batch] float64: the time up to which the element was
    integrated. `calls` [batch] int64: of the derivative. `why`: what an element's last ScoreError
    said, or that it was given up for its pace; "" otherwise."""

    states: torch.Tensor
    status: tuple[str, ...]
    reached: torch.Tensor
    calls: torch.Tensor
    why: tuple[str, ...]


def integrate(
    derivative: Derivative,
    start: torch.Tensor,
    points: int,
    *,
    rtol: float,
    atol: float,
    max_calls: int,
    stops: bool = False,
) -> Trajectory:
    """Integrate `y' = derivative` from `start` [batch, size] over [0, 1] by the order 8(5,3) method
    of Dormand and Prince.

    The batch is one system, so its derivative is called once for all. scipy's error norm is a root
    mean square over that system: with both tolerances divided by sqrt(batch) each element meets
    them by itself. An element whose derivative is bad (ScoreError, or not finite) is taken out and
    continues alone from its last accepted state, in ever shorter steps; once these are below a
    thousandth of the time it has failed and keeps what was reached. `max_calls` bounds the
    derivative's calls an element; one that after a thousand of them is so slow that all would bring
    it to less than a hundredth of the time is out of budget then. `stops`: end a step at each of
    the `points` times, where the derivative is not smooth.
    """
    run = _Run(derivative, start, points, rtol, atol, max_calls, stops)
    every = _Group(torch.arange(len(start)), 0.0, start.detach().cpu().double(), None, 1.0)
    waiting = [every] if len(start) else []
    while waiting:
        waiting.extend(run.advance(waiting.pop()))
    return Trajectory(run.states, tuple(run.status), run.reached, run.calls, tuple(run.why))


@dataclass(frozen=True)
class _Group:
    """Elements integrated as one system: `rows`, at `time`, `state` [rows, size]; sizes of the next
    and the longest step.
    """

    rows: torch.Tensor
    time: float
    state: torch.Tensor
    step: float | None
    longest: float


class _BadRows(Exception):
    """Raised through the stepper where the derivative of some of a group's elements is bad."""

    def __init__(self, bad: torch.Tensor) -> None:
        super().__init__()
        self.bad = bad


class _Run:
    """The state of one integration: it lives as long as `integrate`."""

    def __init__(
        self,
        derivative: Derivative,
        start: torch.Tensor,
        points: int,
        rtol: float,
        atol: float,
        max_calls: int,
        stops: bool,
    ) -> None:
        batch, size = start.shape
        self.derivative, self.stops = derivative, stops
        self.rtol, self.atol, self.max_calls = rtol, atol, max_calls
        self.times = np.linspace(0.0, 1.0, points)
        self.states = torch.full((batch, points, size), torch.nan, dtype=torch.float64)
        self.states[:, 0] = start.detach().cpu().double()
        self.status, self.why = [CONVERGED] * batch, [""] * batch
        self.reached = torch.zeros(batch, dtype=torch.float64)
        self.calls = torch.zeros(batch, dtype=torch.int64)

    def advance(self, group: _Group) -> list[_Group]:
        """Integrate a group to the end, or to where it must be split; the groups that are left."""
        bounds = self.times[self.times > group.time].tolist() if self.stops else [1.0]
        for bound in bounds:
            left, group = self._advance_to(group, bound)
            if group.time < bound:
                return left
        return []

    def _advance_to(self, group: _Group, bound: float) -> tuple[list[_Group], _Group]:
        """Integrate a group to the time `bound`: where it came to, and, if that is before, the
        groups that are left.
        """
        from scipy.integrate import DOP853

        rows, shape = group.rows, group.state.shape
        here, tried = group, group.longest
        tighten = len(rows) ** -0.5
        try:
            stepper = DOP853(
                lambda t, y: (
                    self._call(rows, t, torch.from_numpy(y.copy()).view(shape)).reshape(-1).numpy()
                ),
                group.time,
                group.state.reshape(-1).numpy(),
                bound,
                rtol=max(self.rtol * tighten, 1e-13),  # scipy's own floor is 2e-14
                atol=self.atol * tighten,
                first_step=None if group.step is None else min(group.step, bound - group.time),
                max_step=group.longest,
            )
            while stepper.status == "running":
                calls = int(self.calls[rows].max())
                if calls + _CALLS_A_STEP > self.max_calls:
                    return self._stop(rows, BUDGET, ""), here
                share = here.time * self.max_calls / max(calls, 1)
                if calls >= _PACED and share < _HOPELESS:
                    why = f"at its pace it would end at {share:.2g} of the time"
                    return self._stop(rows, BUDGET, why), here
                if stepper.step() is not None:  # a message: no step is short enough
                    raise _BadRows(torch.ones(len(rows), dtype=torch.bool))
                self._record(rows, stepper, shape)
                size = float(stepper.t - here.time)
                here = _Group(
                    rows,
                    float(stepper.t),
                    torch.from_numpy(stepper.y.copy()).view(shape),
                    size,
                    group.longest,
                )
                tried = min(
                    group.longest, 10 * size
                )  # the stepper lengthens a step at most tenfold
        except _BadRows as caught:
            return self._split(here, caught.bad, min(tried, bound - here.time)), here
        return [], here

    def _split(self, here: _Group, bad: torch.Tensor, tried: float) -> list[_Group]:
        """Healthy elements continue together, each bad one alone in steps a quarter of the one
        `tried`.
        """
        good = ~bad
        left = (
            [_Group(here.rows[good], here.time, here.state[good], here.step, here.longest)]
            if good.any()
            else []
        )
        if tried / 4 < _SMALLEST_STEP:
            self._stop(here.rows[bad], FAILED)
            return left
        for row in bad.nonzero()[:, 0].tolist():
            left.append(
                _Group(
                    here.rows[row : row + 1],
                    here.time,
                    here.state[row : row + 1],
                    tried / 4,
                    tried / 4,
                )
            )
        return left

    def _stop(self, rows: torch.Tensor, status: str, why: str | None = None) -> list[_Group]:
        """These rows end here; `why` (None: their last ScoreError) is the reason."""
        for row in rows.tolist():
            self.status[row] = status
            if why is not None:
                self.why[row] = why
        return []

    def _record(self, rows: torch.Tensor, stepper: "DOP853", shape: torch.Size) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Keep the states at the times inside the step just made."""
        inside = np.nonzero((self.times > stepper.t_old) & (self.times < stepper.t))[0]
        if len(inside):
            dense = stepper.dense_output()(self.times[inside])
            self.states[rows[:, None], torch.from_numpy(inside)] = (
                torch.from_numpy(dense.T.copy()).view(-1, *shape).transpose(0, 1)
            )
        state = torch.from_numpy(stepper.y.copy()).view(shape)
        self.states[rows[:, None], torch.from_numpy(np.nonzero(self.times == stepper.t)[0])] = (
            state[:, None]
        )
        self.reached[rows] = float(stepper.t)

    def _call(self, rows: torch.Tensor, time: float, state: torch.Tensor) -> torch.Tensor:
        self.calls[rows] += 1
        try:
            value = self.derivative(rows, time, state)
        except ScoreError as error:
            value = torch.full_like(state, torch.nan)
            self._note(rows, error)
            if len(rows) > 1:
                self.calls[rows] += 1
                for row in range(len(rows)):
                    one = slice(row, row + 1)
                    try:
                        value[one] = self.derivative(rows[one], time, state[one])
                    except ScoreError as error:
                        self._note(rows[one], error)
        finite = value.isfinite().all(1)
        if not finite.all():
            raise _BadRows(~finite)
        return value

    def _note(self, rows: torch.Tensor, error: ScoreError) -> None:
        """Keep what was said of one element alone; of several it is asked one by one."""
        if len(rows) == 1:
            self.why[int(rows)] = str(error)

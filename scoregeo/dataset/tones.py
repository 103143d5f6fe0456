"""Windowed tones of every pitch and phase: a flat surface whose codimension is the frame's."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from scoregeo._utils.errors import (
    ConfigError,
    bad_value,
    check_above,
    check_choice,
    check_distinct,
    check_length,
    check_number,
)
from scoregeo._utils.memory import check_count
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, reach_of
from scoregeo.dataset.sound import Sound
from scoregeo.dataset.window import Window

FLAT = 1e-3  # relative: beyond it, straight lines in pitch and phase are not the geodesics


class Tones(AbstractDataset):
    """`x_i = w_i cos(2 pi f t_i + phi)` with `t_i = (i - (n - 1) / 2) / rate`, uniform in area on
    low <= f <= high and all phases; points [n], float64.

    The window is scaled to `sum w^2 = 2`, so that a frame's norm is 1. For many cycles in a frame
    the metric is `g_phi,phi = sum w^2 / 2 = 1`, `g_ff = (2 pi)^2 sum t^2 w^2 / 2`, `g_f,phi = 0`
    (`metric` has the exact one): the surface is a flat cylinder, isometric to
    [low, high] / `hertz` x circle. Geodesics are straight in (f, phi): the pitch glides evenly in
    Hz. `Pairs.truth` [pairs, 2, 2] holds (f, phi) of both ends, the second's phase so that the
    shortest way is straight.
    """

    def __init__(
        self,
        samples: int = 512,
        rate: float = 8000.0,
        window: str = "hann",
        low: float = 300.0,
        high: float = 800.0,
        intervals: Sequence[float] = (100.0, 400.0, 700.0),
        pairs_per_interval: int = 2,
        max_phase: float = 2.0,
        room: float = 0.0,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            samples: n, of a frame. rate: samples a second. window: "hann" or "gauss".
            low, high: pitches, Hz, below rate / 2.
            intervals: cents between the ends' pitches, up or down; each a group of pairs.
            pairs_per_interval: of each, drawn from the seed.
            max_phase: radians that the ends' phases differ by at most, within (0, pi).
            room: how far past the second end a pair can be continued within the pitches, as a share
                of its interval.

        Raises: ConfigError for anything else, for frames with too few cycles for the metric to be
            flat within 0.1 %, and for intervals that do not fit between low and high.
        """
        check_number("dataset.samples", samples, at_least=16, integer=True)
        check_length("dataset.rate", rate)
        check_choice("dataset.window", window, ("hann", "gauss"))
        check_number("dataset.low", low, above=0.0)
        check_number("dataset.high", high, below=rate / 2)
        check_above("dataset.high", high, "dataset.low", low)
        check_count("dataset.pairs_per_interval", pairs_per_interval, 2 * samples, "so many pairs")
        check_number("dataset.max_phase", max_phase, above=0.0, below=math.pi)
        check_number("dataset.room", room, at_least=0.0)
        self.window = Window(samples, float(rate), window)
        self.low, self.high = float(low), float(high)
        self.pairs_per_interval, self.max_phase, self.room = pairs_per_interval, max_phase, room
        curved = max(self.window.departure(f) for f in (self.low, self.high))
        if curved > FLAT:
            raise ConfigError(
                f"dataset.low = {low:g}, dataset.high = {high:g} Hz are too near 0 or half the rate"
                f" for {samples} samples at {rate:g} Hz: the metric departs from a flat one by"
                f" {curved:.1g}, more than {FLAT:g}; take longer frames."
            )
        if not isinstance(intervals, (list, tuple)) or not intervals:
            raise bad_value("dataset.intervals", intervals, "a list of cents, such as [100, 700]")
        for i, cents in enumerate(intervals):
            check_number(f"dataset.intervals[{i}]", cents, above=0.0)
            if not self._starts(cents):
                raise bad_value(
                    f"dataset.intervals[{i}]",
                    cents,
                    f"cents that fit between {low:g} and {high:g} Hz, {self.hertz:.1f} Hz away from"
                    f" both, with dataset.room = {room:g}",
                )
        check_distinct("dataset.intervals", intervals)
        self.intervals = tuple(float(cents) for cents in intervals)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.window.samples,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    @property
    def sound(self) -> Sound:
        return Sound(self.window.rate, torch.from_numpy(self.window.values), self.low, self.high)

    @property
    def hertz(self) -> float:
        """Hz that are one data unit."""
        return self.window.hertz

    def pairs(self, seed: int) -> Pairs:
        source = generator(seed, "pairs")
        rows, names, groups = [], [], []
        for cents in self.intervals:
            for number in range(self.pairs_per_interval):
                side, place, phase, turn = torch.rand(4, generator=source, dtype=self.dtype)
                starts = self._starts(cents)
                ratio, least, most = starts[int(float(side) * len(starts))]
                first = least + float(place) * (most - least)
                begin = 2 * math.pi * float(phase)
                end = begin + self.max_phase * (2 * float(turn) - 1)
                rows.append([[first, begin], [first * ratio, end]])
                names.append(f"{cents:g}cents_{number:03d}")
                groups.append(f"{cents:g} cents")
        truth = torch.tensor(rows, dtype=self.dtype)
        ends = self.embed(truth)
        return Pairs(ends[:, 0], ends[:, 1], tuple(names), tuple(groups), truth)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        source = generator(seed, "sample")
        draw = torch.rand(count, 2, generator=source, dtype=self.dtype)
        pitch = self.low + (self.high - self.low) * draw[:, 0]
        return self.embed(torch.stack([pitch, 2 * math.pi * draw[:, 1]], 1))

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor:
        return self._along(pairs, torch.linspace(0, 1, num_points, dtype=self.dtype)[None])

    def true_continuation(
        self, pairs: Pairs, reach: float | torch.Tensor, num_points: int
    ) -> torch.Tensor:
        """Raises ConfigError where it leaves the pitches of the data."""
        reaches = reach_of(reach, pairs)[:, None]
        first, second = self._coordinates(pairs)[..., 0].unbind(1)
        last = second + reaches[:, 0] * (second - first)
        if bool(((last < self.low) | (last > self.high)).any()):
            raise ConfigError(
                f"reach = {float(reaches.max()):g} leads out of the pitches between"
                f" {self.low:g} and {self.high:g} Hz: dataset.room must be at least as much."
            )
        steps = torch.linspace(0, 1, num_points, dtype=self.dtype)
        return self._along(pairs, 1 + reaches * steps)

    def true_length(self, pairs: Pairs) -> torch.Tensor:
        step = self._coordinates(pairs).diff(dim=1)[:, 0]
        return torch.hypot(step[:, 0] / self.hertz, step[:, 1])

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        return (points - self.embed(self.nearest(points)).to(points)).norm(dim=-1)

    def nearest(self, points: torch.Tensor) -> torch.Tensor:
        """(f, phi) [batch, 2] of the nearest tones: the peak of the spectrum `sum_i x_i w_i
        exp(-2 pi i f t_i)` of points [batch, n], and its phase; up to what the metric departs from
        a flat one.
        """
        found = self.window.peak(points.detach().cpu().double().numpy(), self.low, self.high)
        return torch.from_numpy(np.stack([found.frequency, found.phase], -1))

    def curvature(self, points: torch.Tensor) -> torch.Tensor:
        return points.new_zeros(len(points))

    def quadrature(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Those of `pitches` times equal steps in phase."""
        pitch, weight = self.pitches(spacing)
        phases = max(8, math.ceil(2 * math.pi / spacing))
        phase = torch.arange(phases, dtype=self.dtype) * (2 * math.pi / phases)
        weights = (weight[:, None] / phases).expand(len(pitch), phases)
        return self.embed(torch.cartesian_prod(pitch, phase)), weights.reshape(-1)

    def pitches(self, spacing: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Gauss-Legendre nodes between low and high, Hz, at most `spacing` data units apart, and
        their weights, which add up to one.
        """
        span = (self.high - self.low) / self.hertz
        count = max(4, math.ceil(math.pi / 2 * span / spacing))
        node, weight = np.polynomial.legendre.leggauss(count)
        pitch = self.low + (self.high - self.low) * (node + 1) / 2
        return torch.from_numpy(pitch), torch.from_numpy(weight / 2)

    def metric(self, coordinates: torch.Tensor) -> torch.Tensor:
        """The exact pullback of the Euclidean metric, [..., 2, 2], at (f, phi) [..., 2]; f in Hz.

        g_ab = sum_i v_a v_b w_i^2 sin^2(2 pi f t_i + phi),  v = (2 pi t_i, 1)
        """
        return torch.from_numpy(self.window.metric(coordinates.numpy()))

    def embed(self, coordinates: torch.Tensor) -> torch.Tensor:
        """Tones [..., n] of (f, phi) [..., 2]; f in Hz."""
        return torch.from_numpy(self.window.tone(coordinates.numpy()))

    def _starts(self, cents: float) -> list[tuple[float, float, float]]:
        """Ratios of the pitches, up and down, and between which the first may then lie, Hz."""
        found: list[tuple[float, float, float]] = []
        if cents > 1200 * math.log2(self.high / self.low):  # its ratio may be beyond float64
            return found
        for ratio in (2 ** (cents / 1200), 2 ** (-cents / 1200)):
            last = ratio + self.room * (ratio - 1)
            if last <= 0:
                continue
            shares = (1.0, ratio, last)
            least = max((self.low + self.hertz) / share for share in shares)
            most = min((self.high - self.hertz) / share for share in shares)
            if least <= most:
                found.append((ratio, least, most))
        return found

    def _coordinates(self, pairs: Pairs) -> torch.Tensor:
        if pairs.truth is not None:
            return pairs.truth
        found = self.nearest(pairs.ends.flatten(0, 1)).unflatten(0, (-1, 2))
        step = found[:, 1, 1] - found[:, 0, 1]
        turn = torch.remainder(step + math.pi, 2 * math.pi) - math.pi
        return torch.stack(
            [found[:, 0], torch.stack([found[:, 1, 0], found[:, 0, 1] + turn], 1)], 1
        )

    def _along(self, pairs: Pairs, fractions: torch.Tensor) -> torch.Tensor:
        ends = self._coordinates(pairs)
        return self.embed(ends[:, :1] + fractions[..., None] * ends.diff(dim=1))

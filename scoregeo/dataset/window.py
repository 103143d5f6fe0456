"""Tones under a window: their metric in pitch and phase, and the one that is nearest to a frame."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_GAUSS = 10.0  # samples of a Gaussian window over its standard deviation
_STEPS = 8  # of Newton's method


@dataclass(frozen=True)
class Peak:
    """Of spectra: where they are greatest, Hz, and the phase there, radians, [batch] each."""

    frequency: np.ndarray
    phase: np.ndarray


@dataclass(frozen=True)
class Window:
    """`w_i` at `t_i = (i - (n - 1) / 2) / rate`, symmetric, scaled to `sum w^2 = 2`.

    `kind`: "hann" (`cos^2(pi i' / n)`, i' from the middle) or "gauss" (of standard deviation n /
    10 samples)."""

    samples: int
    rate: float
    kind: str

    @cached_property
    def times(self) -> np.ndarray:
        """t_i, seconds, [samples]."""
        return (np.arange(self.samples) - (self.samples - 1) / 2) / self.rate

    @cached_property
    def values(self) -> np.ndarray:
        """w_i, [samples]."""
        place = self.times * self.rate / self.samples  # within half of the frame
        shape = np.cos(math.pi * place) ** 2
        if self.kind == "gauss":
            shape = np.exp(-((_GAUSS * place) ** 2) / 2)
        return np.asarray(shape * math.sqrt(2 / (shape**2).sum()))

    @cached_property
    def hertz(self) -> float:
        """`1 / sqrt(g_ff)`, `g_ff = (2 pi)^2 sum t^2 w^2 / 2`: Hz that are as far as one radian."""
        return 1 / (2 * math.pi * math.sqrt(float((self.times**2 * self.values**2).sum()) / 2))

    def tone(self, coordinates: np.ndarray) -> np.ndarray:
        """`w cos(2 pi f t + phi)` [..., samples] of (f, phi) [..., 2]."""
        return np.asarray(self.values * np.cos(self._angle(coordinates)))

    def metric(self, coordinates: np.ndarray) -> np.ndarray:
        """The exact metric in (f, phi), [..., 2, 2]."""
        weight = (self.values * np.sin(self._angle(coordinates))) ** 2
        slope = np.stack([2 * math.pi * self.times, np.ones(self.samples)])
        return np.asarray(np.einsum("...i,ai,bi->...ab", weight, slope, slope))

    def departure(self, frequency: float) -> float:
        """The most that the exact metric departs from the flat one at a pitch, over all phases, in
        units of the flat one.

        With `sin^2 a = (1 - cos 2a) / 2` each entry departs by `sum u cos(2 a) / 2`, u its weight:
        at most half of the spectrum of u at 2 f.
        """
        turn = np.exp(4j * math.pi * frequency * self.times)
        unit = 2 * math.pi * self.times * self.hertz
        return max(abs(float(abs((self.values**2 * unit**k * turn).sum()))) / 2 for k in range(3))

    def peak(self, frames: np.ndarray, low: float, high: float) -> Peak:
        """Where `|X(f)|`, `X(f) = sum_i x_i w_i exp(-2 pi i f t_i)`, of frames [batch, samples] is
        greatest between two pitches, and `arg X` there: a grid, then Newton's method.
        """
        grid = np.linspace(low, high, max(8, math.ceil((high - low) / (0.2 * self.hertz))))
        weighted = frames * self.values
        spectrum = weighted @ np.exp(-2j * math.pi * np.outer(self.times, grid))
        found = grid[np.abs(spectrum).argmax(1)]
        cell = float(grid[1] - grid[0])
        lowest, highest = np.maximum(found - cell, low), np.minimum(found + cell, high)
        for _ in range(_STEPS):
            turned = weighted * np.exp(-2j * math.pi * found[:, None] * self.times)
            zero, one, two = ((turned * (-2j * math.pi * self.times) ** k).sum(1) for k in range(3))
            slope = 2 * (zero.conj() * one).real
            bend = 2 * (zero.conj() * two).real + 2 * np.abs(one) ** 2
            step = np.where(bend < 0, -slope / np.where(bend < 0, bend, 1.0), np.sign(slope) * cell)
            found = np.clip(found + step, lowest, highest)
        value = (weighted * np.exp(-2j * math.pi * found[:, None] * self.times)).sum(1)
        return Peak(found, np.angle(value))

    def _angle(self, coordinates: np.ndarray) -> np.ndarray:
        pitch, phase = coordinates[..., :1], coordinates[..., 1:]
        return np.asarray(2 * math.pi * pitch * self.times + phase)

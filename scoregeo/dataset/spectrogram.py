"""Log-frequency spectrograms: points made of a waveform's power in bands of equal cents."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from scoregeo._utils.errors import DataError

_PADDED = 4  # spectra are taken of windows this many times as long, with zeros

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LogSpectrogram:
    """`frames` spectra, `hop` seconds apart, of Hann windows of `span` seconds, in `bands` Gaussian
    bands of `width` cents (standard deviation), `step` cents apart from `low` Hz on.

    A point [bands * frames], a band's frames together, has `1 + 2 L / range` for the level L of
    each band and frame: dB below the loudest of the data. Values are in [-1, 1]; -1 is `range` dB
    down or more.
    """

    rate: float = 16000.0
    low: float = 233.0819
    step: float = 50.0
    width: float = 35.0
    bands: int = 96
    frames: int = 8
    hop: float = 0.0625
    span: float = 0.256
    range: float = 60.0

    @property
    def size(self) -> int:
        """Numbers in a point."""
        return self.bands * self.frames

    @property
    def cents(self) -> Array:
        """Middles of the bands above `low`, [bands]."""
        return self.step * np.arange(self.bands, dtype=np.float64)

    @property
    def samples(self) -> int:
        """Of a waveform, from the start of the first window to the end of the last."""
        return round(self.span * self.rate) + self.starts[-1]

    @property
    def starts(self) -> list[int]:
        """First sample of each window."""
        return [round(frame * self.hop * self.rate) for frame in range(self.frames)]

    def power(self, wave: Array, rate: float) -> Array:
        """Power in each band, [bands, frames], of the first `samples` of a waveform: the
        energy of its spectral lines, weighted.

        Raises DataError for another rate, a shorter waveform, and one that is not finite, silent or
        clipped (beyond 1).
        """
        wave = np.asarray(wave, dtype=np.float64)
        if rate != self.rate:
            raise DataError(f"a waveform has {rate:g} samples a second, not {self.rate:g}.")
        if wave.ndim != 1 or len(wave) < self.samples:
            raise DataError(
                f"a waveform has the shape {wave.shape}; one channel of at least {self.samples}"
                f" samples at {self.rate:g} Hz is expected."
            )
        wave = wave[: self.samples]
        peak = np.abs(wave).max()
        if not 0 < peak < 1:
            what = "silent" if peak == 0 else "clipped" if peak >= 1 else "not finite"
            raise DataError(f"a waveform is {what} (peak {peak:g}); samples are within -1 and 1.")
        window = np.hanning(round(self.span * self.rate))
        pieces = np.stack([wave[start : start + len(window)] * window for start in self.starts])
        lines = np.abs(np.fft.rfft(pieces, _PADDED * len(window)) / window.sum()) ** 2
        bank = self.bank(np.linspace(0, self.rate / 2, lines.shape[1]))
        found: Array = bank @ lines.T
        return found

    def point(self, power: Array, loudest: float) -> Array:
        """Points [..., size] of powers [..., bands, frames]; `loudest`: the power at 0 dB."""
        level = 10 * np.log10(np.maximum(power / loudest, 1e-30))
        scaled: Array = 1 + 2 * np.clip(level, -self.range, 0) / self.range
        return scaled.reshape(*power.shape[:-2], self.size)

    def level(self, points: torch.Tensor) -> torch.Tensor:
        """dB below the loudest, [..., bands, frames], float64, of points [..., size].

        Raises DataError for points of another size, or not finite.
        """
        if points.shape[-1:] != (self.size,) or not bool(points.isfinite().all()):
            raise DataError(
                f"spectrograms are {list(points.shape)}; [..., {self.size}] finite numbers are"
                f" expected, {self.bands} bands of {self.frames} frames."
            )
        return (points.double().unflatten(-1, (self.bands, self.frames)) - 1) * (self.range / 2)

    def bank(self, hertz: Array) -> Array:
        """Weights [bands, lines] of spectral lines at `hertz` [lines]."""
        with np.errstate(divide="ignore"):
            away = 1200 * np.log2(hertz / self.low) - self.cents[:, None]
        found: Array = np.exp(-0.5 * (away / self.width) ** 2)
        return found

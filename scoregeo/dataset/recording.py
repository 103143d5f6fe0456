"""Recordings of a note in WAV files, as log-frequency spectrograms."""

import math
import warnings
from pathlib import Path

import numpy as np

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file
from scoregeo.dataset.spectrogram import Array, LogSpectrogram

BEFORE = 0.03  # seconds of a recording before its onset
ONSET = 0.1  # of the peak: the onset is where a recording first reaches it
SLOWEST = 8000  # samples a second, for the highest band
LONGEST = 2**26  # bytes of a file
_CLIPPED = 4  # samples in a row at a peak that is the format's largest value


def recording_point(path: Path, layout: LogSpectrogram) -> Array:
    """The spectrogram [layout.size] of a recording, 0 dB its own loudest band.

    The first window begins 30 ms before the onset, where the recording first reaches a tenth of its
    peak; silence follows one that is too short. Raises DataError, as `read_recording`.
    """
    wave, rate = read_recording(path)
    onset = int((np.abs(wave) >= ONSET * np.abs(wave).max()).argmax())
    lead = round(BEFORE * rate)
    wave = np.concatenate([np.zeros(lead), wave])[onset:]  # `lead` before the onset
    if len(wave) < layout.span * rate:
        raise DataError(
            f"{path} is {len(wave) / rate - BEFORE:.2g} s long from its onset: at least"
            f" {layout.span - BEFORE:.2g} s are needed."
        )
    wave = _resampled(wave, rate, round(layout.rate))[: layout.samples]
    wave = np.pad(wave, (0, layout.samples - len(wave)))
    power = layout.power(0.5 * wave / np.abs(wave).max(), layout.rate)
    return layout.point(power, float(power.max()))


def read_recording(path: Path) -> tuple[Array, int]:
    """A WAV file's samples, the mean of its channels, within -1 and 1, and how many a second.

    Raises DataError, naming the file, where it is missing, no WAV file of samples (8 to 32 bits, or
    floating-point), longer than 64 MiB, below 8,000 samples a second, not finite, silent or
    clipped.
    """
    from scipy.io import wavfile

    if not is_file(path):
        raise DataError(f"{path} does not exist: a WAV file is expected there.")
    if path.stat().st_size > LONGEST:
        raise DataError(f"{path} has more than {LONGEST // 2**20} MiB: cut one note out of it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of chunks beside the samples
            rate, samples = wavfile.read(path)
    except Exception as error:  # scipy raises what the bytes lead it to
        raise DataError(
            f"{path} is no WAV file that can be read ({type(error).__name__}: {error}). Other"
            " formats: ffmpeg -i IN OUT.wav"
        ) from error
    if rate < SLOWEST:
        raise DataError(f"{path} has {rate} samples a second: at least {SLOWEST} are needed.")
    wave = samples.astype(np.float64)
    if samples.dtype.kind in "iu":
        bits = np.iinfo(samples.dtype)
        middle = 2.0 ** (8 * samples.itemsize - 1)
        wave = (wave - (middle if bits.min == 0 else 0)) / middle
    clipped = _clipped(wave)
    wave = wave if wave.ndim == 1 else wave.mean(1)
    peak = float(np.abs(wave).max()) if wave.size else 0.0
    if not math.isfinite(peak):
        raise DataError(f"{path} holds samples that are not finite.")
    if peak == 0:
        raise DataError(f"{path} is silent.")
    if clipped:
        raise DataError(
            f"{path} is clipped: {_CLIPPED} samples in a row have the largest value there is."
            " Record it at a lower level."
        )
    return wave, int(rate)


def _clipped(wave: Array) -> bool:
    """Whether any channel of [samples] or [samples, channels] stays at a peak near 1."""
    level = np.abs(wave)
    if not level.size or not level.max() >= 0.99:
        return False
    top = level == level.max(0)
    held = top[: len(top) - _CLIPPED + 1].copy()
    for shift in range(1, _CLIPPED):
        held &= top[shift : len(top) - _CLIPPED + 1 + shift]
    return bool((held & (level.max(0) >= 0.99)).any())


def _resampled(wave: Array, rate: int, wanted: int) -> Array:
    """At another rate, by a polyphase filter."""
    from scipy.signal import resample_poly

    if rate == wanted:
        return wave
    common = math.gcd(rate, wanted)
    found: Array = resample_poly(wave, wanted // common, rate // common)
    return found

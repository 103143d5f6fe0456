"""Recordings of a note in WAV files, as log-frequency spectrograms."""

import logging
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file
from scoregeo.dataset.pitch import pitch
from scoregeo.dataset.spectrogram import Array, LogSpectrogram

log = logging.getLogger(__name__)

BEFORE = 0.03  # seconds of a recording before its onset
ONSET = 0.25  # of the note's level: the onset is where a recording first reaches it
HELD = 0.03  # seconds: a note sounds in three such spans in a row
_CLICK = 1e-3  # of the peak: a level below it is no note's
PITCHES = (50.0, 4000.0)  # Hz, between which a recording's pitch is looked for
SLOWEST, FASTEST = 8000, 384_000  # samples a second: for the highest band; of sound cards
LONGEST = 2**26  # bytes of a file
_SILENT = 1e-9  # of 1: rounding
# Samples in a row at a peak that is the format's largest value; a sine of 8 bits has some
_CLIPPED, _CLIPPED_BYTES = 4, 24


@dataclass(frozen=True)
class Recording:
    """One note: its spectrogram [layout.size], 0 dB its own loudest band, and its pitch in Hz."""

    point: Array
    pitch: float


def recorded_note(path: Path, layout: LogSpectrogram) -> Recording:
    """The note of a recording: from 30 ms before its `onset` on, with silence after one that is
    shorter than the windows. The pitch, between 50 and 4,000 Hz, is the median over windows by
    autocorrelation.

    Raises DataError, as `read_recording`, where nothing sounds for 0.09 s, and for less than one
    window after the onset.
    """
    wave, rate = read_recording(path)
    begin = onset(wave, rate)
    if begin is None:
        raise DataError(f"{path} holds no note: nothing in it sounds for {3 * HELD:g} s.")
    lead = round(BEFORE * rate)
    wave = np.concatenate([np.zeros(lead), wave])[begin:]  # `lead` before the onset
    if len(wave) < layout.span * rate:
        raise DataError(
            f"{path} is {len(wave) / rate - BEFORE:.2g} s long from its onset: at least"
            f" {layout.span - BEFORE:.2g} s are needed."
        )
    wave = _resampled(wave, rate, round(layout.rate))[: layout.samples]
    wave = np.pad(wave, (0, layout.samples - len(wave)))
    wave *= 0.5 / np.abs(wave).max()
    power = layout.power(wave, layout.rate)
    return Recording(layout.point(power, float(power.max())), _pitch(wave, layout))


def onset(wave: Array, rate: int) -> int | None:
    """The sample at which a note begins: the first of at least L / 4 from where three spans of
    30 ms in a row have a root mean square of L / 4 each.

    L, the note's level, is the largest value of the least of three such spans. So a click of 30 ms
    or less, whatever its height, is passed over where it ends 60 ms or more before the note. None
    where L is below a thousandth of the peak.
    """
    step = rate // 1000  # spans are taken a millisecond apart
    blocks = np.pad(np.square(wave), (0, -len(wave) % step)).reshape(-1, step).mean(1)
    span = round(HELD * rate / step)
    mean = np.convolve(np.pad(blocks, (0, 3 * span)), np.full(span, 1 / span), "valid")
    spans = [mean[shift : shift + len(blocks)] for shift in (0, span, 2 * span)]
    held = np.sqrt(np.min(spans, axis=0))
    level = float(held.max())
    if level < _CLICK * np.abs(wave).max():
        return None
    begin = step * int((held >= ONSET * level).argmax())
    return begin + int((np.abs(wave[begin:]) >= ONSET * level).argmax())


def _pitch(wave: Array, layout: LogSpectrogram) -> float:
    """The median over the windows of `layout` that have a hundredth of the loudest one's power."""
    window = torch.hann_window(round(layout.span * layout.rate), dtype=torch.float64)
    pieces = torch.from_numpy(wave).unfold(0, len(window), 1)[layout.starts] * window
    power = pieces.square().sum(-1)
    heard = pieces[power >= 0.01 * power.max()]
    return float(pitch(heard, layout.rate, window, *PITCHES).median())


def read_recording(path: Path) -> tuple[Array, int]:
    """A WAV file's samples, the mean of its channels without their mean over time, and how many a
    second.

    Raises DataError, naming the file, where it is missing, no WAV file of samples (8 to 32 bits, or
    floating-point), larger than 64 MiB, of fewer than 8,000 or more than 384,000 samples a second,
    empty, not finite, silent or clipped.
    """
    if not is_file(path):
        raise DataError(f"{path} is not there, or is no file: a WAV file is expected.")
    if path.stat().st_size > LONGEST:
        raise DataError(f"{path} has more than {LONGEST // 2**20} MiB: cut one note out of it.")
    rate, samples = _samples(path)
    if not SLOWEST <= rate <= FASTEST:
        raise DataError(
            f"{path} has {rate:,} samples a second: {SLOWEST:,} to {FASTEST:,} are expected."
        )
    if not samples.size:
        raise DataError(f"{path} holds no samples.")
    wave = samples.astype(np.float64)
    if samples.dtype.kind in "iu":
        middle = 2.0 ** (8 * samples.itemsize - 1)
        wave = (wave - (middle if samples.dtype.kind == "u" else 0)) / middle
    if not np.isfinite(wave).all():
        raise DataError(f"{path} holds samples that are not finite.")
    if _clipped(wave, _CLIPPED_BYTES if samples.itemsize == 1 else _CLIPPED):
        raise DataError(
            f"{path} is clipped: its largest samples stand in a row. Record it at a lower level."
        )
    wave = wave if wave.ndim == 1 else wave.mean(1)
    wave = wave - wave.mean()
    if float(np.abs(wave).max()) < _SILENT:
        raise DataError(f"{path} is silent" + (", its channels together." * (samples.ndim > 1)))
    return wave, rate


def _samples(path: Path) -> tuple[int, np.ndarray]:
    """What a WAV file says: samples a second, and the samples [samples] or [samples, channels].
    Warns of a file that ends before what its header says.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", wavfile.WavFileWarning)
            rate, samples = wavfile.read(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise DataError(
            f"{path} is no WAV file that can be read ({error}). Other formats: ffmpeg -i IN OUT.wav"
        ) from error
    except Exception as error:  # what damaged bytes lead scipy to
        raise DataError(f"{path} is damaged, or no WAV file.") from error
    if any("EOF" in str(one.message) for one in said):
        log.warning("%s is cut off: it ends before what its header says.", path)
    return int(rate), samples


def _clipped(wave: Array, row: int) -> bool:
    """Whether any channel of [samples] or [samples, channels] stays at a peak near 1 or beyond it
    for so many samples.
    """
    level = np.abs(wave)
    top = level == level.max(0)
    held = top[: max(0, len(top) - row + 1)].copy()
    for shift in range(1, row):
        held &= top[shift : len(top) - row + 1 + shift]
    return bool((held & (level.max(0) >= 0.99)).any())


def _resampled(wave: Array, rate: int, wanted: int) -> Array:
    """At another rate, by a polyphase filter."""
    from scipy.signal import resample_poly

    if rate == wanted:
        return wave
    common = math.gcd(rate, wanted)
    found: Array = resample_poly(wave, wanted // common, rate // common)
    return found

"""Paths of waveforms as sound files, as players in a page, and as figures of their spectra."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_whole
from scoregeo.dataset.pitch import pitch
from scoregeo.dataset.sound import Sound
from scoregeo.report.names import method_name
from scoregeo.report.picture import data_uri
from scoregeo.report.style import TRUTH, as_array, drawing, new_figure, save_figure

SOUNDS = "sounds"
MOST = 25  # frames of a path in one file
_FADE = 0.002  # seconds, at both ends of a frame
_PEAK = 0.9  # of full scale
_FLOOR = -40.0  # dB below the loudest
_SHOWN = 0.008  # seconds of a frame with a pitch, on either side of its middle


@dataclass(frozen=True)
class Players:
    """Sounds of one pair: method and data URI of each."""

    pair: str
    sounds: tuple[tuple[str, str], ...]


def write_sounds(folder: Path, rows: Mapping[str, Any], rate: float, bits: int = 16) -> list[Path]:
    """Write `METHOD.wav` of each path [points, samples]: at most `MOST` of its frames, evenly
    chosen, one after the other with short fades; 16 or 8 bits, one channel. One gain for all
    methods, so that levels compare. Gives the paths.

    Raises DataError for frames that are not finite, or silent in all methods.
    """
    joined = {name: _joined(as_array(frames, name, 2), rate) for name, frames in rows.items()}
    peak = max((float(np.abs(wave).max()) for wave in joined.values()), default=0.0)
    if not np.isfinite(peak) or peak <= 0:
        raise DataError(f"{folder.name}: frames are silent or not finite (peak {peak:g}).")
    written = []
    for name, wave in joined.items():
        scaled = wave * (_PEAK / peak)
        if bits == 16:
            samples = np.rint(scaled * 32767).astype("<i2")
        else:
            samples = np.rint(128 + 127 * scaled).astype("u1")  # as WAV has 8 bits
        path = folder / f"{name}.wav"
        write_whole(path, _Wave(samples, round(rate)).write)
        written.append(path)
    return written


def read_players(folder: Path, methods: Sequence[str] = ()) -> list[Players]:
    """The sounds below `folder`, `PAIR/METHOD.wav`, for a page; `methods`: their order."""
    place = {name: number for number, name in enumerate(dict.fromkeys(methods))}
    found = []
    for pair in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = sorted(pair.glob("*.wav"), key=lambda path: (place.get(path.stem, 99), path.stem))
        sounds = tuple((file.stem, data_uri(file.read_bytes(), "audio/wav")) for file in files)
        found += [Players(pair.name, sounds)] if sounds else []
    return found


def sound_figure(
    out: Path,
    rows: Mapping[str, Any],
    sound: Sound,
    *,
    title: str = "",
    formats: Sequence[str] = ("pdf", "png"),
) -> list[Path]:
    """One pair: a column a method, the spectra of its frames along the path above, their waveforms
    below. Where frames have a pitch, its track is drawn into the spectra, the truth's dotted.

    `rows`: method to frames [points, samples].
    """
    paths = {name: as_array(frames, name, 2) for name, frames in rows.items()}
    if not paths:
        raise DataError("sound_figure: no path to draw.")
    low, high = (sound.low, sound.high) if sound.window is not None else (0.0, 0.1 * sound.rate)
    margin = 0.15 * (high - low)
    spectra = {name: _spectra(path, sound) for name, path in paths.items()}
    loudest = max(float(values.max()) for _, values in spectra.values())
    tracks = {name: _track(path, sound) for name, path in paths.items()}
    with drawing({"axes.grid": False}):
        figure = new_figure(1.35 + 1.45 * len(paths), 3.9)
        axes = figure.subplots(2, len(paths), sharex=True, sharey="row", squeeze=False)
        for column, name in enumerate(paths):
            above, below = axes[0, column], axes[1, column]
            hertz, values = spectra[name]
            extent = (0, 1, hertz[0], hertz[-1])
            look: Any = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
            decibels = np.maximum(10 * np.log10(values / loudest + 1e-12), _FLOOR)
            above.imshow(decibels.T, cmap="magma", vmin=_FLOOR, vmax=0, extent=extent, **look)
            for track, line in ((tracks[name], "-"), (tracks.get(TRUTH), ":")):
                if track is not None:
                    at = np.linspace(0, 1, len(track))
                    above.plot(at, track, line, color="#56B4E9" if line == "-" else "white", lw=1.2)
            above.set_ylim(max(low - margin, 0), high + margin)
            above.set_title(method_name(name).replace(" (", "\n("), fontsize=8)
            wave, span = _shown(paths[name], sound)
            most = float(np.abs(wave).max()) or 1.0
            below.imshow(wave.T, cmap="RdBu_r", vmin=-most, vmax=most, extent=(0, 1, *span), **look)
        axes[0, 0].set_ylabel("frequency (Hz)")
        axes[1, 0].set_ylabel("time (ms)")
        figure.supxlabel("fraction of the path", fontsize=9)
        if title:
            figure.suptitle(title, fontsize=10)
        return save_figure(figure, out, formats)


@dataclass(frozen=True)
class _Wave:
    """Samples of 16 or 8 bits, and how many a second."""

    samples: NDArray[Any]
    rate: int

    def write(self, path: Path) -> None:
        from scipy.io import wavfile

        wavfile.write(path, self.rate, self.samples)


def _joined(frames: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    count = min(MOST, len(frames))
    chosen = frames[np.rint(np.linspace(0, len(frames) - 1, count)).astype(int)]
    fade = min(round(_FADE * rate), frames.shape[1] // 2)
    ramp = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / max(fade, 1)) ** 2
    shape = np.ones(frames.shape[1])
    shape[:fade], shape[len(shape) - fade :] = ramp, ramp[::-1]
    return (chosen * shape).ravel()


def _spectra(path: NDArray[np.float64], sound: Sound) -> tuple[NDArray[Any], NDArray[Any]]:
    """Frequencies, Hz, and power [points, frequencies]; circular frames as they are, windowed ones
    padded to four times their length.
    """
    size = (1 if sound.window is None else 4) * path.shape[1]
    return np.fft.rfftfreq(size, 1 / sound.rate), np.abs(np.fft.rfft(path, size)) ** 2


def _track(path: NDArray[np.float64], sound: Sound) -> NDArray[np.float64] | None:
    if sound.window is None:
        return None
    found = pitch(torch.from_numpy(path), sound.rate, sound.window, sound.low, sound.high)
    return np.asarray(found.numpy())


def _shown(path: NDArray[np.float64], sound: Sound) -> tuple[NDArray[Any], tuple[float, float]]:
    """The middle of frames that have a pitch, else the whole, turned so that the first one's peak
    is in the middle; and from when to when, ms.
    """
    samples = path.shape[1]
    if sound.window is None:
        turned = np.roll(path, samples // 2 - int(np.abs(path[0]).argmax()), axis=1)
        return turned, (-500 * samples / sound.rate, 500 * samples / sound.rate)
    half = min(round(_SHOWN * sound.rate), samples // 2)
    part = path[:, samples // 2 - half : samples // 2 + half]
    return part, (-1000 * half / sound.rate, 1000 * half / sound.rate)

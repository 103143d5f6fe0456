"""Paths of log-frequency spectrograms: sound by the algorithm of Griffin and Lim, and figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import write_whole
from scoregeo._utils.flat_picture import flat_picture
from scoregeo.dataset.sound import Sound
from scoregeo.dataset.spectrogram import Array, LogSpectrogram
from scoregeo.evaluation.sound import heard_pitch
from scoregeo.report.names import method_name
from scoregeo.report.sound import SOUNDS, write_sounds
from scoregeo.report.style import TRUTH, as_array, drawing, new_figure, save_figure

RATE = 8000.0  # of sound files; the highest band is at 3.6 kHz
NOTES = 4  # of a path in one file
_FROM, _FOR = 0.06, 0.25  # seconds of a spectrogram that are heard
_WINDOW = 0.128  # seconds, of the resynthesis
_OVERLAP = 4  # windows over one sample
_SHARPEN, _PHASES = 40, 30  # iterations of Richardson and Lucy, of Griffin and Lim
_COLOURS = 96  # of a figure
_TICKS = (250, 500, 1000, 2000)  # Hz


def waveform(points: torch.Tensor, layout: LogSpectrogram, rate: float = RATE) -> Array:
    """Waveforms [count, samples] of spectrograms [count, size], as long as those they were made of.

    Spectral lines that give the bands' powers by the iteration of Richardson and Lucy, levels in
    dB interpolated in time, phases by Griffin and Lim (1984) from evenly advancing ones with random
    starts. What is at the floor is silent.
    """
    from scipy.signal import istft, stft

    size = round(_WINDOW * rate)
    step = size // _OVERLAP
    how: dict[str, Any] = {"fs": rate, "nperseg": size, "noverlap": size - step}
    hertz = np.linspace(0, rate / 2, size // 2 + 1)
    level = layout.level(points).clamp(-layout.range, 0).numpy()
    power = np.where(level > -layout.range, 10 ** (level / 10), 0.0)  # [count, bands, frames]
    lines = _lines(power, layout.bank(hertz))
    count = round(layout.samples / layout.rate * rate)
    moments = np.arange(count // step + 2) * step / rate
    middles = np.array(layout.starts) / layout.rate + layout.span / 2
    decibels = 10 * np.log10(lines + 1e-12)
    loud = np.apply_along_axis(lambda one: np.interp(moments, middles, one), -1, decibels)
    size_of = 10 ** (loud / 20)  # [count, lines, moments]
    start = np.random.default_rng(0).uniform(0, 2 * np.pi, len(hertz))
    turn = np.exp(1j * (2 * np.pi * hertz[:, None] * moments + start[:, None]))
    spectrum = size_of * turn
    for _ in range(_PHASES):
        again = stft(istft(spectrum, **how)[1], **how)[2][..., : len(moments)]
        spectrum = size_of * np.exp(1j * np.angle(again))
    found: Array = istft(spectrum, **how)[1][..., :count]
    return found


def write_morph(
    folder: Path, pair: str, rows: Mapping[str, Any], sound: Sound, title: str
) -> list[Path]:
    """`sounds/PAIR/METHOD.wav`, `NOTES` points of each path one after the other, 8 bits; and the
    figure `spectra_PAIR`. `rows`: method to points [points, size]. Gives the figure.

    Raises DataError where all are silent.
    """
    layout = sound.spectrogram
    assert layout is not None
    waves = {}
    for name, path in rows.items():
        own = torch.from_numpy(as_array(path, name, 2))
        chosen = torch.linspace(0, len(own) - 1, NOTES).round().long()
        begin = round(_FROM * RATE)
        waves[name] = waveform(own[chosen], layout)[:, begin : begin + round(_FOR * RATE)]
    write_sounds(folder / SOUNDS / pair, waves, RATE, bits=8)
    return spectra_figure(folder / "figures" / f"spectra_{pair}", rows, sound, title)


def spectra_figure(out: Path, rows: Mapping[str, Any], sound: Sound, title: str) -> list[Path]:
    """A column a method: the bands' mean levels along the path above, with the pitch drawn into
    them, the truth's dotted; the spectrogram halfway below.
    """
    from PIL import Image

    layout = sound.spectrogram
    if layout is None or not rows:
        raise DataError("spectra_figure: no path of spectrograms to draw.")
    paths = {name: torch.from_numpy(as_array(path, name, 2)) for name, path in rows.items()}
    tracks = {name: heard_pitch(path, sound) for name, path in paths.items()}
    top = layout.step * layout.bands
    look: Any = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -layout.range}
    with drawing({"axes.grid": False, "savefig.dpi": 110}):
        figure = new_figure(1.2 + 1.1 * len(paths), 3.6)
        axes = figure.subplots(2, len(paths), sharey=True, squeeze=False)
        for column, name in enumerate(paths):
            level = layout.level(paths[name]).numpy()
            above, below = axes[:, column]
            above.imshow(level.mean(-1).T, vmax=0, extent=(0, 1, 0, top), **look)
            for track, line in ((tracks[name], "-"), (tracks.get(TRUTH), ":")):
                if track is not None:
                    cents = 1200 * np.log2(track.numpy() / layout.low)
                    colour = "#56B4E9" if line == "-" else "white"
                    above.plot(np.linspace(0, 1, len(cents)), cents, line, color=colour, lw=1.2)
            length = layout.frames * layout.hop
            below.imshow(level[len(level) // 2], vmax=0, extent=(0, length, 0, top), **look)
            above.set_title(method_name(name).replace(" (", "\n("), fontsize=7)
            above.set_yticks(
                [1200 * np.log2(hertz / layout.low) for hertz in _TICKS],
                [str(hertz) for hertz in _TICKS],
            )
            above.set_xlabel("fraction of path" if column == 0 else "", fontsize=7)
            below.set_xlabel("halfway (s)" if column == 0 else "", fontsize=7)
        axes[0, 0].set_ylabel("frequency (Hz)")
        if title:
            figure.suptitle(title, fontsize=9)
        (written,) = save_figure(figure, out, ("png",))
    # A third of the bytes; rare colours, such as the line of the pitch, stay.
    few = flat_picture(written).quantize(_COLOURS, Image.Quantize.MAXCOVERAGE)
    write_whole(written, lambda path: few.save(path, format="PNG"))
    return [written]


def _lines(power: Array, bank: Array) -> Array:
    """Powers of spectral lines, at least 0, [count, lines, frames], whose sums in the bands are
    `power` [count, bands, frames].
    """
    weight = bank.sum(0)[:, None]
    known = weight > 1e-6
    lines = np.where(known, power.mean(1, keepdims=True), 0.0)
    for _ in range(_SHARPEN):
        ratio = power / np.maximum(bank @ lines, 1e-15)
        lines = np.where(known, lines * (bank.T @ ratio) / np.maximum(weight, 1e-6), 0.0)
    return lines

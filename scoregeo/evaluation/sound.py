"""What is heard in frames of sound: pitch, how much of a frame is one tone, level, delay.

Frames are float tensors [..., samples]. Nothing here knows where they come from.
"""

import math

import torch

from scoregeo.dataset.pitch import FINER, pitch, vertex
from scoregeo.dataset.sound import Sound
from scoregeo.dataset.spectrogram import LogSpectrogram
from scoregeo.evaluation import spectrogram

_PADDED = 8  # spectra are taken of frames this many times as long, with zeros


def heard_pitch(frames: torch.Tensor, sound: Sound) -> torch.Tensor | None:
    """Pitch of frames of any kind, Hz, [...]; None of frames that have none."""
    if sound.spectrogram is not None:
        return spectrogram.pitch(frames, sound.spectrogram, sound.low, sound.high)
    if sound.window is None:
        return None
    return pitch(frames, sound.rate, sound.window, sound.low, sound.high)


def tone_share(
    frames: torch.Tensor, rate: float, window: torch.Tensor, low: float, high: float
) -> torch.Tensor:
    """Largest share of a frame's energy in one windowed tone, [...], of any phase and of a pitch
    between low and high: `max_f 2 |sum_i x_i w_i exp(-2 pi i f t_i)|^2 / (sum x^2 sum w^2)`.

    1 of a windowed tone with many cycles, 1/2 of two of equal strength that are far apart. On a
    grid of pitches an eighth of a frame's spectral lines apart, which loses 0.5 % at most.
    """
    x, w = frames.double(), window.double()
    size = _PADDED * x.shape[-1]
    spectrum = torch.fft.rfft(x * w, size).abs().square()
    first, last = math.ceil(low * size / rate), math.floor(high * size / rate)
    energy = x.square().sum(-1) * w.square().sum()
    return 2 * spectrum[..., first : last + 1].amax(-1) / energy


def level_dip(paths: torch.Tensor, layout: LogSpectrogram | None = None) -> torch.Tensor:
    """How far the level of frames [..., points, samples] falls below that of the quieter end, dB,
    [...]: of the root mean squares, the largest fall along the path; 0 where it does not fall.
    `layout`: of spectrograms.
    """
    if layout is None:
        level = paths.double().square().mean(-1).sqrt()
    else:
        level = spectrogram.amplitude(paths, layout)
    quieter = torch.minimum(level[..., 0], level[..., -1])
    return 20 * (quieter / level.amin(-1)).log10()


def delay(frames: torch.Tensor, reference: torch.Tensor, rate: float) -> torch.Tensor:
    """Circular delay of frames against `reference` [..., samples], seconds, in (-T / 2, T / 2] with
    T the length of a frame, [...]: the greatest of their circular cross-correlation (Knapp and
    Carter 1976), between samples by its own spectrum, and a parabola.
    """
    samples = frames.shape[-1]
    product = torch.fft.rfft(frames.double()) * torch.fft.rfft(reference.double()).conj()
    found = torch.fft.irfft(product, samples * FINER)
    lag = found.argmax(-1)
    size = found.shape[-1]
    around = torch.stack([found.roll(1, -1), found, found.roll(-1, -1)], -1)
    at = torch.gather(around, -2, lag[..., None, None].expand(*lag.shape, 1, 3))[..., 0, :]
    shift = vertex(at)
    away = torch.remainder(lag + shift + size / 2, size) - size / 2
    return away / (rate * FINER)

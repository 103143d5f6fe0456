"""Pitch of a windowed waveform, by autocorrelation."""

import math

import torch

FINER = 8  # lags and delays a sample, between which a parabola is laid
_NEARLY = 0.9  # of the greatest correlation: the first lag that has as much is the period


def pitch(
    frames: torch.Tensor, rate: float, window: torch.Tensor, low: float, high: float
) -> torch.Tensor:
    """Pitch of windowed frames, Hz, [...]; one over the lag, between 1 / high and 1 / low, of the
    first nearly greatest peak of `r(lag) / r_w(lag)`, the autocorrelations of frame and window
    (Boersma 1993, "Accurate short-term analysis of the fundamental frequency").

    The correlation is interpolated between samples by its own spectrum, and its peak by a parabola.
    Of a windowed tone with many cycles the quotient is `cos(2 pi f lag)`, and the pitch exact but
    for the parabola's error, below 0.01 cents for 10 samples a period. Frames of silence have NaN.
    """
    own = _autocorrelation(frames.double())
    ratio = own / _autocorrelation(window.double())
    step = 1 / (rate * FINER)
    first, last = math.floor(1 / (high * step)), math.ceil(1 / (low * step))
    part = ratio[..., first - 1 : last + 2]
    middle = part[..., 1:-1]
    peaks = (middle >= part[..., :-2]) & (middle >= part[..., 2:])
    peaks[..., 0], peaks[..., -1] = False, False  # of lags that are out of range
    heights = torch.where(peaks, middle, -math.inf)
    best = heights.amax(-1, keepdim=True)
    # Without a peak the correlation only rises or falls: the greatest value at an edge.
    heights = torch.where(best > 0, heights, middle)
    enough = heights >= _NEARLY * heights.amax(-1, keepdim=True)
    lag = enough.double().argmax(-1)
    shift = _parabola(part, lag + 1)
    found = 1 / ((first + lag + shift) * step)
    return torch.where(frames.double().square().sum(-1) > 0, found, math.nan)


def vertex(three: torch.Tensor) -> torch.Tensor:
    """Where the parabola through three values [..., 3] at -1, 0, 1 is greatest, within half a
    step.
    """
    before, here, after = three.unbind(-1)
    bend = before - 2 * here + after
    shift = (before - after) / (2 * torch.where(bend < 0, bend, -torch.inf))
    return shift.clamp(-0.5, 0.5)


def _autocorrelation(frames: torch.Tensor) -> torch.Tensor:
    """At lags of an eighth of a sample, from 0 up to a frame, not circular."""
    samples = frames.shape[-1]
    power = torch.fft.rfft(frames, 2 * samples).abs().square()
    return torch.fft.irfft(power, 2 * samples * FINER)[..., : samples * FINER]


def _parabola(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Of the parabola through `values` at index - 1, index, index + 1: where it is greatest,
    relative to index, within half a step.
    """
    at = torch.stack([values.gather(-1, (index + k)[..., None])[..., 0] for k in (-1, 0, 1)], -1)
    return vertex(at)

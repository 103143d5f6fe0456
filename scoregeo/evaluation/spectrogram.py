"""What is heard in log-frequency spectrograms: pitch, one series of partials, brightness, level.

Points are tensors [..., size] of a `LogSpectrogram`; results are float64 [...].
"""

import math

import torch

from scoregeo.dataset.spectrogram import LogSpectrogram

_GRID = 5.0  # cents between the pitches that are tried
_PARTIALS = 12
_NEAR = 75.0  # cents about a partial that are taken for its own


def pitch(points: torch.Tensor, layout: LogSpectrogram, low: float, high: float) -> torch.Tensor:
    """Pitch, Hz, between `low` and `high` or a band outside: the fundamental of the strongest
    harmonic series.

    Of levels averaged over the frames, the series whose bands sum to the most, partial h weighted
    by `1 / sqrt(h)`; then the vertex of the parabola through the levels, in dB, of the power in the
    fundamental's band and its neighbours. Within 0.06 cents of a sine's: bands are Gaussian. NaN of
    silence.
    """
    level = layout.level(points)
    heard = level.mean(-1) / layout.range + 1
    cents = layout.step * torch.arange(layout.bands, dtype=heard.dtype)
    start, end = (1200 * math.log2(hertz / layout.low) for hertz in (low, high))
    tried = torch.arange(start - layout.step, end + layout.step, _GRID, dtype=heard.dtype)
    comb = torch.zeros(len(tried), layout.bands, dtype=heard.dtype)
    for partial in range(1, _PARTIALS + 1):
        away = cents - tried[:, None] - 1200 * math.log2(partial)
        comb += torch.exp(-0.5 * (away / layout.width) ** 2) / math.sqrt(partial)
    coarse = tried[(heard @ comb.T).argmax(-1)]
    decibels = 10 * _power(level).mean(-1).log10()
    band = (coarse / layout.step).round().long().clamp(1, layout.bands - 2)
    band = (band + _about(decibels, band).argmax(-1) - 1).clamp(1, layout.bands - 2)
    before, here, after = _about(decibels, band).unbind(-1)
    bend = before - 2 * here + after
    shift = (before - after) / (2 * torch.where(bend < 0, bend, -torch.inf))
    found = layout.low * 2 ** (layout.step * (band + shift.clamp(-0.5, 0.5)) / 1200)
    return torch.where(heard.amax(-1) > 0, found, math.nan)


def harmonic_share(
    points: torch.Tensor, layout: LogSpectrogram, low: float, high: float
) -> torch.Tensor:
    """Share of the power within 75 cents of a multiple of the pitch, in [0, 1]: 0.97 of one series
    without noise, whose bands are Gaussian, half of that of two.
    """
    power = _power(layout.level(points)).sum(-1)
    cents = layout.step * torch.arange(layout.bands, dtype=power.dtype)
    above = cents - 1200 * (pitch(points, layout, low, high) / layout.low).log2()[..., None]
    nearest = 1200 * (2 ** (above / 1200)).round().clamp_min(1).log2()
    return (power * ((above - nearest).abs() <= _NEAR)).sum(-1) / power.sum(-1)


def centroid(points: torch.Tensor, layout: LogSpectrogram) -> torch.Tensor:
    """Spectral centroid, cents above the lowest band: the bands' mean, weighted by power."""
    power = _power(layout.level(points)).sum(-1)
    cents = layout.step * torch.arange(layout.bands, dtype=power.dtype)
    return (power * cents).sum(-1) / power.sum(-1)


def departure(feature: torch.Tensor) -> torch.Tensor:
    """Mean distance of a feature [..., points] from a straight course between its ends, [...]."""
    share = torch.linspace(0, 1, feature.shape[-1], dtype=feature.dtype)
    course = torch.lerp(feature[..., :1], feature[..., -1:], share)
    return (feature - course)[..., 1:-1].abs().mean(-1)


def amplitude(points: torch.Tensor, layout: LogSpectrogram) -> torch.Tensor:
    """Root of the mean power, relative to that of the loudest band of the data."""
    return _power(layout.level(points)).mean((-2, -1)).sqrt()


def spectral_distance(
    points: torch.Tensor, other: torch.Tensor, layout: LogSpectrogram
) -> torch.Tensor:
    """Log-spectral distance: root mean square over bands and frames of the difference in dB."""
    return (layout.level(points) - layout.level(other)).square().mean((-2, -1)).sqrt()


def _about(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Values [..., bands] at index - 1, index, index + 1, [..., 3]."""
    return values.gather(-1, index[..., None] + torch.arange(-1, 2))


def _power(level: torch.Tensor) -> torch.Tensor:
    return 10 ** (level / 10)

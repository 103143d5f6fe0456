"""Measures of spectrograms on sums of cosines, whose values are known."""

import math

import numpy as np
import pytest
import torch

from scoregeo.dataset.spectrogram import LogSpectrogram
from scoregeo.evaluation.sound import level_dip
from scoregeo.evaluation.spectrogram import (
    amplitude,
    centroid,
    departure,
    harmonic_share,
    pitch,
    spectral_distance,
)
from scoregeo.report.spectrogram import waveform

LAYOUT = LogSpectrogram()
RANGE = (255.0, 535.0)
TIME = np.arange(LAYOUT.samples) / LAYOUT.rate


def spectra(*sounds: dict[float, float]) -> torch.Tensor:
    """Points of sums of cosines, amplitude by Hz; 0 dB is one of amplitude 0.25."""
    waves = [sum(a * np.cos(2 * np.pi * f * TIME + f) for f, a in one.items()) for one in sounds]
    loudest = LAYOUT.power(0.25 * np.cos(2 * np.pi * 440 * TIME), LAYOUT.rate).max()
    return torch.from_numpy(
        np.stack([LAYOUT.point(LAYOUT.power(np.asarray(w), LAYOUT.rate), loudest) for w in waves])
    )


def series(hertz: float, *sizes: float) -> dict[float, float]:
    return {hertz * (k + 1): size for k, size in enumerate(sizes) if size}


def test_the_pitch_of_known_sounds() -> None:
    hertz = 262 * 2 ** (np.arange(0, 1200, 37) / 1200)
    true = torch.from_numpy(hertz)
    for sizes, most in (((0.2,), 0.1), ((0.05, 0.2, 0.1, 0.1), 1), ((0.1, 0, 0.1, 0, 0.1), 0.2)):
        found = pitch(spectra(*(series(f, *sizes) for f in hertz)), LAYOUT, *RANGE)
        assert (1200 * (found / true).log2()).abs().max() < most
    assert pitch(torch.full((2, 768), -1.0), LAYOUT, *RANGE).isnan().all()


def test_the_share_of_one_series() -> None:
    """A Gaussian band has 97 % of its power within 75 cents; a major third has half of that."""
    one, other = series(300, 0.1, 0.05, 0.05), series(380, 0.1, 0.05, 0.05)
    share = harmonic_share(spectra(one, one | other), LAYOUT, *RANGE)
    within = math.erf(75 / (LAYOUT.width * math.sqrt(2)))
    assert float(share[0]) == pytest.approx(within, abs=0.01)
    assert float(share[1]) == pytest.approx(within / 2, abs=0.04)


def test_centroid_level_and_distance() -> None:
    low = LAYOUT.low * 2 ** (10 * 50 / 1200)  # the middle of a band
    points = spectra({low: 0.1}, {low * 2: 0.1}, {low: 0.1, low * 2: 0.1}, {low: 0.05})
    where = centroid(points, LAYOUT)
    assert (where[:3] - torch.tensor([500.0, 1700.0, 1100.0])).abs().max() < 15
    fall = amplitude(points[0], LAYOUT) / amplitude(points[3], LAYOUT)
    assert float(fall) == pytest.approx(2, rel=1e-3)
    path = torch.stack([points[0], points[3], points[0]])
    assert float(level_dip(path, LAYOUT)) == pytest.approx(20 * math.log10(2), abs=0.01)
    assert float(spectral_distance(points[0], points[0] + 0.1, LAYOUT)) == pytest.approx(3)
    even, late = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 3.0]]).double()
    assert float(departure(even)) == pytest.approx(0) and float(departure(late)) == 1.5


def test_sounds_made_of_spectrograms_have_their_pitch() -> None:
    """Griffin and Lim's waveform, made into a spectrogram again: its lines are 50 cents apart at
    270 Hz.
    """
    hertz = (270.0, 370.0, 500.0)
    points = spectra(*(series(f, 0.1, 0.1, 0.05, 0.02) for f in hertz))
    waves = waveform(points, LAYOUT, LAYOUT.rate)
    assert waves.shape == (3, LAYOUT.samples)
    power = [LAYOUT.power(0.5 * wave / np.abs(wave).max(), LAYOUT.rate) for wave in waves]
    again = torch.from_numpy(np.stack([LAYOUT.point(one, one.max()) for one in power]))
    cents = 1200 * (pitch(again, LAYOUT, *RANGE) / torch.tensor(hertz)).log2()
    assert cents.abs().max() < 15

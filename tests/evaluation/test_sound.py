"""Measures of sound on tones of known pitch, and on mixtures whose values are known."""

import math

import pytest
import torch

from scoregeo.dataset.chirps import Chirps
from scoregeo.dataset.pitch import pitch
from scoregeo.dataset.tones import Tones
from scoregeo.evaluation.sound import delay, level_dip, tone_share

PITCHES = torch.linspace(305, 795, 120, dtype=torch.float64)


def tones(data: Tones, hertz: torch.Tensor) -> torch.Tensor:
    phases = torch.linspace(0, 20, len(hertz), dtype=torch.float64)
    return data.embed(torch.stack([hertz, phases], 1))


def heard(data: Tones) -> tuple[float, torch.Tensor, float, float]:
    sound = data.sound
    assert sound.window is not None
    return sound.rate, sound.window, sound.low, sound.high


@pytest.mark.parametrize("window", ["hann", "gauss"])
def test_the_pitch_of_known_tones(window: str) -> None:
    data = Tones(window=window)
    x = tones(data, PITCHES)
    cents = 1200 * (pitch(x, *heard(data)) / PITCHES).log2()
    assert cents.abs().max() < 0.01
    # Neither level nor a little noise matters.
    torch.testing.assert_close(pitch(1e-4 * x, *heard(data)), pitch(x, *heard(data)))
    source = torch.Generator().manual_seed(0)
    noisy = x + 0.01 / math.sqrt(512) * torch.randn(x.shape, generator=source, dtype=x.dtype)
    assert (1200 * (pitch(noisy, *heard(data)) / PITCHES).log2()).abs().max() < 2


def test_a_tone_is_heard_an_octave_lower_no_more_than_higher() -> None:
    """One period and two are equally good lags of 700 Hz, and both are allowed."""
    data = Tones(low=300.0, high=800.0)
    x = tones(data, torch.tensor([620.0, 700.0, 780.0], dtype=torch.float64))
    assert (pitch(x, *heard(data)) > 600).all()


def test_silence_and_tones_out_of_range() -> None:
    data = Tones()
    assert pitch(torch.zeros(2, 512), *heard(data)).isnan().all()
    low = tones(Tones(low=200.0), torch.tensor([250.0], dtype=torch.float64))
    assert 295 < float(pitch(low, *heard(data))) < 310 or float(pitch(low, *heard(data))) > 700


def test_the_share_of_one_tone() -> None:
    data = Tones()
    x = tones(data, PITCHES)
    share = tone_share(x, *heard(data))
    assert share.min() > 0.995 and share.max() < 1 + 1e-6
    far = tones(data, torch.tensor([400.0, 700.0], dtype=torch.float64))
    mixtures = torch.stack([far.sum(0), 2 * far[0] + far[1]])
    expected = torch.tensor([1 / 2, 4 / 5], dtype=torch.float64)
    torch.testing.assert_close(tone_share(mixtures, *heard(data)), expected, atol=5e-3, rtol=0)


def test_the_fall_of_level_of_a_mean_of_two_tones() -> None:
    """The mean of orthogonal frames of one norm has 1 / sqrt(2) of it: 3.01 dB."""
    data = Tones()
    far = tones(data, torch.tensor([400.0, 700.0], dtype=torch.float64))
    u = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    line = (1 - u) * far[0] + u * far[1]
    assert float(level_dip(line)) == pytest.approx(20 * math.log10(math.sqrt(2)), abs=1e-5)
    assert float(level_dip(far)) == pytest.approx(0, abs=1e-6)
    louder = torch.linspace(1, 2, 5, dtype=torch.float64)[:, None] * far[0]
    assert float(level_dip(louder)) == 0


def test_known_delays() -> None:
    data = Chirps()
    tau = torch.tensor([0.0, 1e-4, 1.23e-3, -0.02, 0.0311], dtype=torch.float64)
    frames, reference = data.at(tau + 0.05), data.at(torch.full((5,), 0.05, dtype=torch.float64))
    assert (delay(frames, reference, data.rate) - tau).abs().max() < 1e-8
    mirrored = delay(reference, frames, data.rate)
    assert (mirrored + tau).abs().max() < 1e-8

"""dataset=notes: shipped spectrograms, ends and truth, what is held out, bad input."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import read_json, save_tensors, sha256, write_json
from scoregeo.dataset import notes
from scoregeo.dataset.notes import ASSETS, CARD, INSTRUMENTS, LAYOUT, SPECTROGRAMS, Notes
from scoregeo.evaluation.spectrogram import pitch


def test_every_note_has_its_pitch() -> None:
    """The estimate is the bend's pitch but for the tuning of each instrument's sample."""
    data = Notes()
    bent = 10.0 * (torch.arange(121) - 60)
    heard = pitch(data.notes, LAYOUT, data.sound.low, data.sound.high)
    error = 1200 * (heard / 369.9944).log2() - bent
    tuning = error.median(1, keepdim=True).values
    assert tuning.abs().max() < 4
    assert (error - tuning).abs().max() < 3
    facts = read_json(ASSETS / CARD)["instruments"]
    said = torch.tensor([facts[name]["tuning"] for name in INSTRUMENTS], dtype=torch.float64)
    torch.testing.assert_close(tuning[:, 0], said, atol=0.05, rtol=0)


@pytest.mark.parametrize("seed", [0, 1])
def test_ends_and_truth_of_one_instrument(seed: int) -> None:
    data = Notes(intervals=[100, 400], pairs_per_group=4)
    pairs = data.pairs(seed)
    assert pairs.groups == ("100 cents",) * 4 + ("400 cents",) * 4
    assert pairs.truth is not None
    (one, start), (same, end) = pairs.truth.unbind(1)[0].T, pairs.truth.unbind(1)[1].T
    assert torch.equal(one, same)
    assert torch.equal((end - start).abs(), torch.tensor([10] * 4 + [40] * 4))
    assert bool((start % 2 == 0).all()) and bool((end % 2 == 0).all())
    heard = pitch(pairs.ends, LAYOUT, data.sound.low, data.sound.high)
    cents = 1200 * heard.log2().diff(dim=1)[:, 0].abs()
    wanted = torch.tensor([100.0] * 4 + [400.0] * 4, dtype=cents.dtype)
    torch.testing.assert_close(cents, wanted, atol=5, rtol=0)
    path = data.true_path(pairs, 2001)
    assert path is not None
    step = 1 if end[4] > start[4] else -1
    way = data.notes[one[4], torch.arange(int(start[4]), int(end[4]) + step, step)]
    assert len(way) == 41 and torch.equal(way[0], pairs.first[4])
    length = float(way.diff(dim=0).norm(dim=1).sum())
    assert float(torch.cdist(way, path[4]).amin(1).max()) < length / 2000
    found = data.true_length(pairs)
    assert found is not None and float(found[4]) == pytest.approx(length)
    assert float(data.distance(pairs.first).max()) < 1e-6


def test_two_instruments_at_one_pitch() -> None:
    data = Notes(pairs="instruments", pairs_per_group=2)
    pairs = data.pairs(0)
    assert pairs.groups[:3] == ("flute to clarinet", "flute to clarinet", "clarinet to oboe")
    assert len(pairs) == 12 and pairs.names[0] == "flute-to-clarinet_000"
    heard = pitch(pairs.ends, LAYOUT, data.sound.low, data.sound.high)
    assert (1200 * heard.log2().diff(dim=1)).abs().max() < 10
    assert (pairs.first - pairs.second).norm(dim=1).min() > 4
    assert data.true_path(pairs, 5) is None and data.true_length(pairs) is None
    assert len(Notes(pairs="instruments", instruments=["oboe", "violin"]).pairs(0)) == 4


def test_what_score_and_graph_know() -> None:
    data = Notes(sample_step=4, intervals=[400])
    known, unseen = data.sample(9999, 0), data.held_out(9999, 0)
    assert len(known) == data.sample_size == 6 * 31 and len(unseen) == 6 * 90
    assert float(torch.cdist(known, unseen).min()) > 0.5
    assert len(data.sample(50, 3).unique(dim=0)) == 50
    ends = data.pairs(0).ends.flatten(0, 1)
    assert float(torch.cdist(ends, known).amin(1).max()) < 1e-6
    assert "3 of 4 pitches" in data.note
    with pytest.raises(ConfigError, match="sample_step = 1"):
        Notes(sample_step=1).held_out(5, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs": "chords"}, r"dataset.pairs = 'chords'.*pitches"),
        ({"instruments": []}, "at least 1 names"),
        ({"pairs": "instruments", "instruments": ["flute"]}, "at least 2 names"),
        ({"instruments": ["kazoo"]}, r"instruments\[0\] = 'kazoo'.*marimba"),
        ({"intervals": [30]}, r"intervals\[0\] = 30.*multiple of 20"),
        ({"intervals": [1300]}, r"intervals\[0\] = 1300"),
        ({"sample_step": 7}, "divisor of 120"),
        ({"instruments": ["flute", "flute"]}, "instruments = .* without repetitions"),
        ({"intervals": [100, 100]}, "intervals = .* without repetitions"),
        (
            {"instruments": ["flute"], "intervals": [700, 1200], "pairs_per_group": 2},
            "pairs_per_group = 2 .* at most 1, the different pairs of 1200 cents",
        ),
        ({"pairs": "instruments", "pairs_per_group": 62}, "at most 61, the different pairs there"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Notes(**settings)


def test_pairs_that_are_drawn_again_are_named(caplog: pytest.LogCaptureFixture) -> None:
    data = Notes(instruments=["flute"], intervals=[1100], pairs_per_group=6)
    truth = [sorted(map(tuple, ends)) for ends in data.pairs(0).truth.tolist()]  # type: ignore[union-attr]
    again = sum(one in truth[:i] for i, one in enumerate(truth))
    assert again > 1 and f"{again} pairs are there again" in caplog.text
    assert "1100cents_flute_005 is 1100cents_flute_00" in caplog.text
    caplog.clear()
    Notes(pairs_per_group=2).pairs(0)
    assert not caplog.text


def test_altered_notes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "notes"
    shutil.copytree(ASSETS, copy)
    monkeypatch.setattr(notes, "ASSETS", copy)
    content = bytearray((copy / SPECTROGRAMS).read_bytes())
    content[-1] ^= 1
    (copy / SPECTROGRAMS).write_bytes(content)
    with pytest.raises(DataError, match=r"altered \(SHA-256"):
        Notes().sample(1, 0)
    for values, message in (
        (torch.zeros(6, 121, 768, dtype=torch.uint8), "an instrument is silent"),
        (torch.ones(6, 121, 767, dtype=torch.uint8), r"\[6, 121, 767\]; uint8"),
    ):
        save_tensors(copy / SPECTROGRAMS, {"notes": values})
        write_json(copy / CARD, {"sha256": sha256(copy / SPECTROGRAMS)})
        with pytest.raises(DataError, match=message):
            Notes().sample(1, 0)


def test_waveforms_and_spectrograms_that_are_refused() -> None:
    tone = 0.5 * np.cos(2 * np.pi * 440 * np.arange(LAYOUT.samples) / 16000)
    assert LAYOUT.point(LAYOUT.power(tone, 16000.0), 1.0).shape == (768,)
    for wave, rate, message in (
        (tone, 44100.0, "has 44100 samples a second, not 16000"),
        (tone[:-1], 16000.0, "at least 11096 samples"),
        (np.stack([tone, tone]), 16000.0, "one channel"),
        (0 * tone, 16000.0, "silent"),
        (4 * tone, 16000.0, r"clipped \(peak 2\)"),
        (tone * np.nan, 16000.0, "not finite"),
    ):
        with pytest.raises(DataError, match=message):
            LAYOUT.power(wave, rate)
    with pytest.raises(DataError, match=r"\[2, 767\]; \[\.\.\., 768\]"):
        LAYOUT.level(torch.zeros(2, 767))
    with pytest.raises(DataError, match="finite numbers"):
        LAYOUT.level(torch.full((768,), torch.nan))

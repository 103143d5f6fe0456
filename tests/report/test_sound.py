"""Sound files of paths, read again by another reader, their players and figures."""

import base64
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo.dataset.chirps import Chirps
from scoregeo.dataset.tones import Tones
from scoregeo.report.sound import MOST, read_players, sound_figure, write_sounds


def rows(points: int = 30) -> tuple[Tones, dict[str, torch.Tensor]]:
    data = Tones(samples=128, rate=4000.0, intervals=(400,), pairs_per_interval=1)
    pairs = data.pairs(0)
    u = torch.linspace(0, 1, points, dtype=torch.float64)[:, None]
    line = (1 - u) * pairs.first + u * pairs.second
    return data, {"truth": data.true_path(pairs, points)[0], "lerp": line}


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 4000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def test_files_hold_the_frames_at_one_gain(tmp_path: Path) -> None:
    _, paths = rows()
    written = write_sounds(tmp_path / "a", paths, 4000.0)
    assert [path.name for path in written] == ["truth.wav", "lerp.wav"]
    truth, lerp = map(read, written)
    assert len(truth) == len(lerp) == MOST * 128
    assert max(np.abs(truth).max(), np.abs(lerp).max()) == round(0.9 * 32767)
    # The middle of the first frame, which both share, up to the rounding; its edges fade.
    inside = slice(16, 112)
    own = paths["truth"][0, inside].numpy()
    scale = (truth[inside] @ own) / (own @ own)
    np.testing.assert_allclose(truth[inside], scale * own, atol=1, rtol=0)
    np.testing.assert_array_equal(truth[:128], lerp[:128])
    joins = truth.reshape(MOST, 128)[:, [0, -1]]
    assert np.abs(joins).max() < 0.01 * np.abs(truth).max()
    # The middle frame of the mean of two tones is quieter than the truth's.
    middle = slice(12 * 128, 13 * 128)
    assert (lerp[middle] ** 2).sum() < 0.7 * (truth[middle] ** 2).sum()


def test_silence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="silent"):
        write_sounds(tmp_path / "a", {"lerp": torch.zeros(3, 16)}, 4000.0)
    with pytest.raises(DataError, match="not finite"):
        write_sounds(tmp_path / "a", {"lerp": torch.full((3, 16), torch.nan)}, 4000.0)
    assert not list(tmp_path.rglob("*.wav"))


def test_players_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    _, paths = rows(4)
    for pair in ("b", "a"):
        write_sounds(tmp_path / pair, paths | {"another": paths["lerp"]}, 4000.0)
    found = read_players(tmp_path, ["truth", "lerp", "truth", "lerp"])
    assert [one.pair for one in found] == ["a", "b"]
    assert [method for method, _ in found[0].sounds] == ["truth", "lerp", "another"]
    kind, _, content = found[0].sounds[1][1].partition(",")
    assert kind == "data:audio/wav;base64"
    assert base64.b64decode(content) == (tmp_path / "a" / "lerp.wav").read_bytes()
    assert read_players(tmp_path / "none") == []


def test_figures_of_tones_and_chirps(tmp_path: Path) -> None:
    data, paths = rows(6)
    chirps = Chirps(samples=128, rate=2000.0, num_pairs=1)
    own = {"truth": chirps.true_path(chirps.pairs(0), 5)[0]}
    for name, frames, sound in (("tones", paths, data.sound), ("chirps", own, chirps.sound)):
        (written,) = sound_figure(tmp_path / name, frames, sound, formats=("png",))
        assert written.stat().st_size > 5000
    with pytest.raises(DataError, match="no path"):
        sound_figure(tmp_path / "x", {}, data.sound)

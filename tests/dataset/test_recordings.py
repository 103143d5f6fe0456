"""dataset=recordings: what a WAV file becomes, a run on two of them, bad input."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.notes import LAYOUT
from scoregeo.dataset.recording import BEFORE, HELD, onset, recorded_note
from scoregeo.dataset.recordings import Recordings
from scoregeo.evaluation.spectrogram import pitch
from tests.commands import QUICK, run_here


def note(hertz: float, rate: int, seconds: float = 0.9, silence: float = 0.0) -> np.ndarray:
    """Six partials that begin at once and fade, after silence."""
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.cos(2 * np.pi * k * hertz * time) / k for k in range(1, 7)) * np.exp(-2 * time)
    return np.concatenate([np.zeros(round(silence * rate)), 0.3 * np.asarray(wave)])


def write(path: Path, wave: np.ndarray, rate: int, kind: str = "float64") -> Path:
    if kind == "uint8":
        wave = np.rint(127 * wave + 128)
    elif kind != "float64":
        wave = np.rint(wave * (np.iinfo(kind).max))
    wavfile.write(path, rate, wave.astype(kind))
    return path


@pytest.fixture
def plain(tmp_path: Path) -> torch.Tensor:
    return torch.from_numpy(
        recorded_note(write(tmp_path / "plain.wav", note(300, 16000), 16000), LAYOUT).point
    )


def test_a_recording_is_the_spectrogram_of_its_samples(plain: torch.Tensor) -> None:
    wave = np.concatenate([np.zeros(round(BEFORE * 16000)), note(300, 16000)])
    power = LAYOUT.power(wave, 16000)
    # The mean over time is taken off, a thousandth of the peak: a step as small at the onset.
    np.testing.assert_allclose(plain, LAYOUT.point(power, power.max()), atol=1e-4)
    assert float(plain.max()) == 1
    assert float(pitch(plain, LAYOUT, 240, 1000)) == pytest.approx(300, rel=2e-4)  # 0.3 cents


@pytest.mark.parametrize(
    ("rate", "kind", "gain", "silence", "decibels"),
    [
        (16000, "float64", 0.01, 0.0, 1e-9),
        (16000, "float64", 1.0, 0.4, 1e-3),  # another mean
        (16000, "int32", 1.0, 0.0, 1e-4),
        (16000, "int16", 1.0, 0.0, 0.01),  # steps of 2^-15, 80 dB below the peak
        (16000, "uint8", 1.0, 0.0, 0.5),  # steps of 2^-7, about 50 dB below the peak in all bands
        (44100, "float64", 1.0, 0.0, 1.0),  # the onset's step is filtered
        (48000, "float64", 1.0, 0.0, 1.0),
        (8000, "float64", 1.0, 0.0, 2.0),  # without the partials above 4,000 Hz
    ],
)
def test_level_silence_format_and_rate_are_no_matter(
    rate: int,
    kind: str,
    gain: float,
    silence: float,
    decibels: float,
    plain: torch.Tensor,
    tmp_path: Path,
) -> None:
    wave = gain * note(300, rate, silence=silence)
    found = recorded_note(write(tmp_path / "other.wav", wave, rate, kind), LAYOUT).point
    loud = plain.numpy() > -1 / 3  # less than 40 dB below the loudest
    assert np.abs(LAYOUT.range / 2 * (found - plain.numpy()))[loud].max() < decibels


def test_channels_are_averaged(plain: torch.Tensor, tmp_path: Path) -> None:
    wave = note(300, 16000)
    both = np.stack([1.5 * wave, 0.5 * wave], 1)
    found = recorded_note(write(tmp_path / "both.wav", both, 16000), LAYOUT).point
    np.testing.assert_allclose(found, plain, atol=1e-9)


@pytest.mark.parametrize(("hertz", "kind"), [(50, "int16"), (250, "uint8")])
def test_a_full_sine_is_not_clipped(hertz: int, kind: str, tmp_path: Path) -> None:
    sine = np.cos(2 * np.pi * hertz * np.arange(48000) / 48000)
    path = write(tmp_path / "full.wav", sine * (1 if kind == "int16" else 127 / 128), 48000, kind)
    assert recorded_note(path, LAYOUT).point.max() == 1


def test_a_constant_is_taken_off(plain: torch.Tensor, tmp_path: Path) -> None:
    wave = note(300, 16000, silence=1.0) + 0.1
    found = recorded_note(write(tmp_path / "dc.wav", wave, 16000), LAYOUT).point
    assert np.abs(found - plain.numpy()).max() < 1e-3


@pytest.mark.parametrize("hertz", [76.0, 112.0, 224.0, 236.0])
def test_low_notes_are_measured_at_the_lowest_band_or_a_partial(hertz: float) -> None:
    wave = np.concatenate([np.zeros(480), note(hertz, 16000)])
    power = LAYOUT.power(wave, 16000)
    point = torch.from_numpy(LAYOUT.point(power, power.max()))
    for low, high in ((240, 1000), (233.1, 241)):
        assert 220 < float(pitch(point, LAYOUT, low, high)) < 1100


@pytest.mark.parametrize(
    ("name", "place", "height", "length"),
    [
        ("before", 0.05, 1.0, 1),
        ("long", 0.05, 1.0, 0.03),
        ("loud", 0.2, 30.0, 0.002),
        ("near", 0.235, 1.0, 0.005),
        ("after", 0.9, 30.0, 0.002),
        ("faint", 0.1, 0.05, 0.01),
    ],
)
def test_a_click_is_no_onset(
    name: str, place: float, height: float, length: float, plain: torch.Tensor, tmp_path: Path
) -> None:
    wave = note(300, 16000, silence=0.3)
    start = round(place * 16000)
    stop = start + max(1, round(length * 16000) if length < 1 else 1)
    click = wave.copy()
    click[start:stop] += height * np.where(np.arange(stop - start) % 2, -1, 1)
    assert onset(click, 16000) == onset(wave, 16000) == round(0.3 * 16000)
    if name == "after":
        return  # it is heard at the end of the note
    point = recorded_note(write(tmp_path / f"{name}.wav", click / 40, 16000), LAYOUT).point
    assert np.abs(point - plain.numpy()).max() < 1e-3


def test_the_onset_is_where_the_level_is_first_a_quarter() -> None:
    rate, rise = 16000, 0.5
    time = np.arange(rate) / rate
    wave = np.clip(time / rise, 0, 1) * np.cos(2 * np.pi * 400 * time)
    # The first span's root mean square is a quarter of the level where its middle is at a quarter
    # of the rise; steps of 1 ms, and the next maximum of the wave.
    assert onset(wave, rate) == pytest.approx(rate * (0.25 * rise - HELD / 2), abs=rate / 500)
    assert onset(np.concatenate([np.zeros(rate), wave]), rate) == rate + (onset(wave, rate) or 0)


@pytest.mark.parametrize("hertz", [60.0, 112.0, 240.0, 523.0, 990.0, 1400.0, 2500.0])
def test_the_pitch_of_a_recording(hertz: float, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", note(hertz, 48000, silence=0.1), 48000)
    # Within 5 cents: a fading note is not the steady tone that the method is exact for.
    assert recorded_note(path, LAYOUT).pitch == pytest.approx(hertz, rel=0.003)


def test_notes_outside_low_and_high_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        hertz: str(write(tmp_path / f"{hertz}.wav", note(hertz, 16000), 16000))
        for hertz in (112, 300, 1200)
    }
    data = Recordings(first=files[112], second=files[1200])
    words = "low = 240 Hz and dataset.high = 1000 Hz: 112.wav (112 Hz), 1200.wav (1200 Hz). Meas"
    assert words in data.note and data.note in caplog.text
    caplog.clear()
    inside = Recordings(first=files[300], second=files[1200], high=1200)
    assert inside.note == "" and not caplog.records


def test_two_recordings_run_with_the_notes_network(tmp_path: Path) -> None:
    ends = [
        write(tmp_path / f"{name}.wav", note(hertz, 22050), 22050, "int16")
        for name, hertz in (("low", 300.0), ("high", 317.8))
    ]
    files = (f"dataset.first={ends[0]}", f"dataset.second={ends[1]}", "initializer=lerp")
    line = (*QUICK, "experiment=notes_learned", "dataset=recordings", *files)
    folder, reason = run_here((*line, "solver.num_points=9", "evaluation.saved_pairs=1"), tmp_path)
    assert reason is None
    assert (folder / "sounds" / "low-high").is_dir()


def test_a_list_with_references(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "more" / "deep"
    folder.mkdir(parents=True)
    points = []
    for number, hertz in enumerate((280.0, 290.0, 300.0)):
        path = write(folder / f"n{number}.WAV", note(hertz, 16000), 16000)
        points.append(torch.from_numpy(recorded_note(path, LAYOUT).point))
    (folder / "notes.txt").write_text("none")
    listed = tmp_path / "pairs.csv"
    listed.write_text("first,second,group\nmore/deep/n0.WAV,more/deep/n2.WAV,thirds\n")
    (tmp_path / "more" / "gone.wav").symlink_to("nowhere.wav")
    data = Recordings(list=str(listed), references=str(tmp_path / "more"))
    assert f"2 files of {tmp_path / 'more'} skipped" in caplog.text
    pairs = data.pairs(0)
    assert pairs.groups == ("thirds",) and pairs.names == ("001_n0-n2",)
    torch.testing.assert_close(pairs.ends[0], torch.stack([points[0], points[2]]))
    assert data.sample_size == 3 and len(data.sample(2, 0)) == 2
    known = data.sample(9, 1)
    assert sorted(torch.cdist(known, torch.stack(points)).argmin(1).tolist()) == [0, 1, 2]
    assert torch.equal(known, data.sample(9, 1))


def test_a_recording_that_is_cut_off_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "cut.wav", note(300, 16000), 16000, "int16")
    path.write_bytes(path.read_bytes()[:-101])
    Recordings(first=str(path), second=bad(tmp_path))
    assert f"{path} is cut off" in caplog.text


def bad(tmp_path: Path, wave: Any = None, rate: int = 16000, kind: str = "float64") -> str:
    path = tmp_path / "bad.wav"
    write(path, note(300, rate) if wave is None else np.asarray(wave), rate, kind)
    return str(path)


@pytest.mark.parametrize(
    ("wave", "rate", "kind", "words"),
    [
        (None, 4000, "float64", "4,000 samples a second: 8,000 to 384,000"),
        (np.zeros(1000), 9_999_991, "int16", "9,999,991 samples a second"),
        (np.zeros(16000), 16000, "int16", "is silent"),
        (np.full(16000, 0.3), 16000, "float64", "is silent"),
        (np.stack([note(300, 16000), -note(300, 16000)], 1), 16000, "int16", "channels together"),
        (np.zeros(0), 16000, "int16", "holds no samples"),
        (np.full(16000, np.nan), 16000, "float64", "not finite"),
        (np.clip(9 * note(300, 16000), -1, 1), 16000, "int16", "is clipped"),
        (np.clip(9 * note(300, 16000), -1, 1), 16000, "float64", "is clipped"),
        (np.eye(1, 16000, 5000)[0], 16000, "float64", "holds no note: nothing in it sounds"),
        (note(300, 16000, 0.1), 16000, "float64", "0.1 s long from its onset: at least 0.23 s"),
    ],
)
def test_recordings_that_cannot_be_used(
    wave: Any, rate: int, kind: str, words: str, tmp_path: Path
) -> None:
    path = bad(tmp_path, wave, rate, kind)
    with pytest.raises(DataError) as error:
        Recordings(first=path, second=path)
    assert words in str(error.value) and path in str(error.value)


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    good = Path(bad(tmp_path)).read_bytes()
    rng = np.random.default_rng(0)
    for number in range(60):
        data = bytearray(good[: rng.integers(0, 400)] if number % 2 else good[:4000])
        for place in rng.integers(0, max(1, min(len(data), 60)), 4):
            if data:
                data[place] = rng.integers(256)
        path = tmp_path / "damaged.wav"
        path.write_bytes(data)
        try:
            Recordings(first=str(path), second=str(path))
        except DataError as error:
            assert str(path) in str(error)  # some damage leaves a recording
    for name in ("none.wav", str(tmp_path)):
        with pytest.raises(DataError, match="is not there, or is no file"):
            Recordings(first=name, second=name)
    huge = tmp_path / "huge.wav"
    with huge.open("wb") as stream:
        stream.truncate(2**26 + 1)
    with pytest.raises(DataError, match="more than 64 MiB"):
        Recordings(first=str(huge), second=str(huge))


def test_bad_settings(tmp_path: Path) -> None:
    path = bad(tmp_path)
    for settings, words in (
        ({}, "give both first and second, or list"),
        ({"first": path}, "give both first and second, or list"),
        ({"first": path, "second": path, "list": "a.csv"}, "only one of the two"),
        ({"first": path, "second": path, "low": 100}, "dataset.low = 100"),
        ({"first": path, "second": path, "high": 200}, "dataset.high = 200"),
        ({"first": path, "second": path, "references": "none"}, "dataset.references = 'none'"),
        ({"first": 3, "second": path}, "dataset.first = 3"),
        ({"first": "", "second": path}, "dataset.first = ''"),
        ({"first": path, "second": path, "references": " "}, "dataset.references = ' '"),
    ):
        with pytest.raises(ConfigError) as error:
            Recordings(**settings)  # type: ignore[arg-type]
        assert words in str(error.value)
    copy = shutil.copy(path, tmp_path / "copy.wav")
    with pytest.raises(DataError, match=r"the same, .*bad\.wav and .*copy\.wav"):
        Recordings(first=path, second=str(copy))
    listed = tmp_path / "pairs.csv"
    listed.write_text("first,second,first_prompt\nbad.wav,copy.wav,a flute\n")
    with pytest.raises(DataError, match="prompts, which recordings do not take"):
        Recordings(list=str(listed))

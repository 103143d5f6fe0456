"""Render the notes of `dataset=notes` and write `scoregeo/assets/notes`: the spectrograms, and a
card with what was measured of them.

    apt-get install fluidsynth fluid-soundfont-gm
    python scripts/make_notes.py
"""

import argparse
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from scipy.io import wavfile

from scoregeo._utils.arguments import path_argument
from scoregeo._utils.files import save_tensors, sha256, write_json, write_text
from scoregeo.dataset.notes import (
    ASSETS,
    CARD,
    INSTRUMENTS,
    LAYOUT,
    PITCHES,
    SPECTROGRAMS,
    STEP,
)
from scoregeo.dataset.spectrogram import Array
from scoregeo.evaluation.spectrogram import pitch

FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PROGRAMS = {
    "flute": 73,
    "clarinet": 71,
    "oboe": 68,
    "violin": 40,
    "piano": 0,
    "marimba": 12,
}  # General MIDI, from 0
KEY, VELOCITY = 66, 100  # F sharp 4, the middle of the octave
BEND = 12  # semitones of full bend
# fluidsynth 2.3 takes BEND / 128 of 12,700 cents for full bend, which is 1,190.6 cents, not 1,200
FULL = 12700 * BEND / 128
TICKS = 1000  # a second
PERIOD, HELD, BEFORE = 1.5, 1.0, 0.03  # seconds: between notes, of a note, of silence before it
CENTS = STEP * (np.arange(PITCHES) - PITCHES // 2)
TEXT = """# Notes

Log-frequency spectrograms of notes of {count} instruments at {pitches} pitches each, {step} cents
apart over an octave about F sharp 4 (370 Hz): uint8 [{count}, {pitches}, {size}], 0 is {range:g} dB
below an instrument's loudest band, 255 that band. Each is one note (key {key}, velocity {velocity})
bent by a pitch bend, so that pitch and spectrum vary continuously, rendered by fluidsynth {version}
at {rate:g} Hz without reverb and chorus, the mean of both channels. {bands} Gaussian bands of
{width:g} cents (standard deviation), {gap:g} cents apart from {low:.0f} Hz on; {frames} Hann
windows of {span:g} s, {hop:g} s apart, the first beginning {before:g} s before the note. Nothing is
random.

    apt-get install fluidsynth fluid-soundfont-gm
    python scripts/make_notes.py

The file's SHA-256 is in `card.json` and is checked when it is read.

## What they are like

Error of pitch: of the estimate from the spectrogram (`scoregeo.evaluation.spectrogram.pitch`)
against the bend; the median is the sample's own tuning. Distances in data units (30 dB in one band
and frame) between notes so many cents apart.

{table}

Notes 100 cents apart are already about two thirds as far from each other as those 400 or 700 apart,
and further than many of two instruments at one pitch: {between}.

## Terms

Sound font: Fluid (R3) General MIDI 3.1, Debian package fluid-soundfont-gm, copyright (c) 2000-2002,
2008 Frank Wen, under the MIT licence ("I hereby release Fluid under the MIT license"); its text is
in LICENSE-soundfont.txt. Another one can be given (`--font`); TimGM6mb, for one, is under the GNU
General Public License 2, which is why it was not taken. The spectrograms are given under the Apache
License 2.0.
"""


def variable(number: int) -> bytes:
    """A number as MIDI files have times: seven bits a byte, the last without the eighth."""
    found = [number & 127]
    while number := number >> 7:
        found.insert(0, number & 127 | 128)
    return bytes(found)


def midi(program: int) -> bytes:
    """A MIDI file with one note for each of `CENTS`, `PERIOD` seconds apart."""
    events = [(0, bytes([0xB0, *one])) for one in ((101, 0), (100, 0), (6, BEND), (38, 0))]
    events.append((0, bytes([0xC0, program])))
    for number, cents in enumerate(CENTS):
        at = round((number + 0.1) * PERIOD * TICKS)
        bend = 8192 + round(8192 * cents / FULL)
        events += [
            (at - 50, bytes([0xB0, 120, 0])),  # all sound off
            (at - 20, bytes([0xE0, bend & 127, bend >> 7])),
            (at, bytes([0x90, KEY, VELOCITY])),
            (at + round(HELD * TICKS), bytes([0x80, KEY, 0])),
        ]
    track, before = b"\x00\xff\x51\x03" + (1_000_000).to_bytes(3, "big"), 0
    for at, message in [*events, (round((PITCHES + 0.1) * PERIOD * TICKS), b"\xff\x2f\x00")]:
        track += variable(at - before) + message
        before = at
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS)
    return head + b"MTrk" + struct.pack(">I", len(track)) + track


def render(program: int, font: Path) -> Array:
    """Powers [pitches, bands, frames] of one instrument's notes."""
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "notes.mid", Path(folder) / "notes.wav"
        score.write_bytes(midi(program))
        how: list[str | Path] = [
            "-ni",
            "-R",
            "0",
            "-C",
            "0",
            "-g",
            "0.5",
            "-r",
            f"{LAYOUT.rate:.0f}",
            "-F",
            sound,
        ]
        subprocess.run(["fluidsynth", *how, font, score], check=True, capture_output=True)
        rate, samples = wavfile.read(sound)
    wave = samples.astype(np.float64).mean(1) / 32768
    starts = [round(((n + 0.1) * PERIOD - BEFORE) * rate) for n in range(PITCHES)]
    return np.stack([LAYOUT.power(wave[start:], rate) for start in starts])


def version() -> str:
    """Of fluidsynth."""
    said = subprocess.run(["fluidsynth", "--version"], check=True, capture_output=True, text=True)
    return said.stdout.split("version")[1].split()[0]


def facts(points: Array) -> dict[str, float]:
    """What is measured of one instrument's notes [pitches, size]."""
    heard = pitch(torch.from_numpy(points), LAYOUT, 255.0, 535.0).numpy()
    error = 1200 * np.log2(heard / (440 * 2 ** ((KEY - 69) / 12))) - CENTS
    own = np.median(error)
    apart = {
        f"apart_{gap}": float(
            np.linalg.norm(points[gap // STEP :] - points[: -gap // STEP], axis=1).mean()
        )
        for gap in (10, 20, 50, 100, 400, 700)
    }
    return {"tuning": float(own), "pitch_error": float(np.abs(error - own).max()), **apart}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--font", type=path_argument, default=FONT)
    parser.add_argument("--out", type=path_argument, default=ASSETS)
    given = parser.parse_args()
    if shutil.which("fluidsynth") is None:
        parser.error("fluidsynth, which renders the notes, is not installed")
    if not given.font.is_file():
        parser.error(f"argument --font: {given.font} is no file")
    powers = [render(PROGRAMS[name], given.font) for name in INSTRUMENTS]
    points = np.stack([LAYOUT.point(one, one.max()) for one in powers])
    stored = np.rint(255 * (points + 1) / 2).astype(np.uint8)
    save_tensors(given.out / SPECTROGRAMS, {"notes": torch.from_numpy(stored)})
    points = stored / 127.5 - 1
    found = {name: facts(one) for name, one in zip(INSTRUMENTS, points, strict=True)}
    middle = points[:, PITCHES // 2]
    between = np.linalg.norm(middle[:, None] - middle, axis=-1)
    pairs = between[np.triu_indices(len(middle), 1)]
    card = {
        "sha256": sha256(given.out / SPECTROGRAMS),
        "font": given.font.name,
        "font_sha256": sha256(given.font),
        "fluidsynth": version(),
        "instruments": found,
        "between_instruments": between.round(2).tolist(),
    }
    write_json(given.out / CARD, card)
    head = ["instrument", "tuning (cents)", "greatest error of pitch", "10 apart", "20", "50"]
    head += ["100", "400", "700"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, one in found.items():
        lines.append("| " + " | ".join([name, *(f"{value:.1f}" for value in one.values())]) + " |")
    text = TEXT.format(
        count=len(INSTRUMENTS),
        pitches=PITCHES,
        step=STEP,
        size=LAYOUT.size,
        range=LAYOUT.range,
        key=KEY,
        velocity=VELOCITY,
        version=card["fluidsynth"],
        rate=LAYOUT.rate,
        bands=LAYOUT.bands,
        width=LAYOUT.width,
        gap=LAYOUT.step,
        low=LAYOUT.low,
        frames=LAYOUT.frames,
        span=LAYOUT.span,
        hop=LAYOUT.hop,
        before=BEFORE,
        table="\n".join(lines),
        between=f"{pairs.min():.0f} to {pairs.max():.0f}",
    )
    write_text(given.out / "README.md", text)
    print(text)


if __name__ == "__main__":
    main()

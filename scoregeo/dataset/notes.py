"""Notes of a few instruments at every pitch of an octave, as log-frequency spectrograms."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch

from scoregeo._utils.errors import (
    DataError,
    bad_value,
    check_choice,
    check_distinct,
    check_number,
)
from scoregeo._utils.files import load_tensors, read_json, sha256
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs, repeats_named
from scoregeo.dataset.sound import Sound
from scoregeo.dataset.spectrogram import LogSpectrogram
from scoregeo.path.resampling import arc_length, resample

ASSETS = Path(__file__).parent.parent / "assets" / "notes"
SPECTROGRAMS, CARD = "notes.safetensors", "card.json"
INSTRUMENTS = ("flute", "clarinet", "oboe", "violin", "piano", "marimba")
MIDDLE = 369.9944  # Hz, F sharp 4, about which the octave lies
PITCHES = 121  # of each instrument, STEP cents apart
STEP = 10
LAYOUT = LogSpectrogram()


class Notes(AbstractDataset):
    """Log-frequency spectrograms [768] of notes (`LogSpectrogram`): 6 instruments, 121 pitches 10
    cents apart.

    `pairs = "pitches"`: one instrument at two pitches; the truth is the polygon through the
    renderings in between. `pairs = "instruments"`: two instruments at one pitch, without a truth.
    The score's data and the references are every `sample_step`-th pitch of each instrument; ends of
    pairs are among these. `Pairs.truth` [pairs, 2, 2] holds instrument and pitch (indices) of both
    ends.
    """

    def __init__(
        self,
        pairs: str = "pitches",
        instruments: Sequence[str] = INSTRUMENTS,
        intervals: Sequence[int] = (100, 400, 700),
        pairs_per_group: int = 4,
        sample_step: int = 2,
    ) -> None:
        """Settings of the group `dataset`.

        Args:
            pairs: "pitches" or "instruments".
            instruments: which of flute, clarinet, oboe, violin, piano, marimba; at least two of
                them for pairs of instruments.
            intervals: cents between the ends of pairs of pitches; each a group.
            pairs_per_group: of each interval, or of each pair of neighbours among `instruments`
                (each with the next, the last with the first); at most as many as there are.
            sample_step: the score's data are every so many pitches, a divisor of 120; `intervals`
                are multiples of as many times 10 cents.

        Raises: ConfigError for anything else.
        """
        check_choice("dataset.pairs", pairs, ("pitches", "instruments"))
        check_number("dataset.pairs_per_group", pairs_per_group, at_least=1, integer=True)
        check_number("dataset.sample_step", sample_step, at_least=1, at_most=60, integer=True)
        if (PITCHES - 1) % sample_step:
            raise bad_value("dataset.sample_step", sample_step, f"a divisor of {PITCHES - 1}")
        least = 1 if pairs == "pitches" else 2
        if not isinstance(instruments, (list, tuple)) or not least <= len(set(instruments)):
            raise bad_value("dataset.instruments", instruments, f"a list of at least {least} names")
        for i, name in enumerate(instruments):
            check_choice(f"dataset.instruments[{i}]", name, INSTRUMENTS)
        check_distinct("dataset.instruments", instruments)
        if not isinstance(intervals, (list, tuple)) or not intervals:
            raise bad_value("dataset.intervals", intervals, "a list of cents, such as [100, 700]")
        for i, cents in enumerate(intervals):
            key, gap = f"dataset.intervals[{i}]", STEP * sample_step
            check_number(key, cents, at_least=gap, at_most=STEP * (PITCHES - 1), integer=True)
            if cents % gap:
                raise bad_value(key, cents, f"a multiple of {gap} cents")
        check_distinct("dataset.intervals", intervals)
        self.kind, self.pairs_per_group, self.sample_step = pairs, pairs_per_group, sample_step
        self.instruments = tuple(instruments)
        self.intervals = tuple(intervals)
        for group in self._groups():
            if pairs_per_group > (most := self._different(group)):
                where = f" of {group} cents" if isinstance(group, int) else ""
                allowed = f"at most {most}, the different pairs{where} there are"
                raise bad_value("dataset.pairs_per_group", pairs_per_group, allowed)

    @property
    def shape(self) -> tuple[int, ...]:
        return (LAYOUT.size,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    @property
    def sample_size(self) -> int:
        return len(self.instruments) * len(range(0, PITCHES, self.sample_step))

    @property
    def sound(self) -> Sound:
        half = 2 ** (STEP * (PITCHES - 1) / 2400)
        return Sound(LAYOUT.rate, None, MIDDLE / half, MIDDLE * half, LAYOUT)

    @property
    def note(self) -> str:
        if self.sample_step == 1 or self.kind == "instruments":
            return "All notes of the pairs are among the data of score and graph."
        unseen = f"{self.sample_step - 1} of {self.sample_step} pitches between the ends"
        return f"Held out: {unseen}; ends are among the data of score and graph."

    @cached_property
    def notes(self) -> torch.Tensor:
        """[instruments, 121, 768]."""
        return torch.stack([_shipped()[INSTRUMENTS.index(name)] for name in self.instruments])

    def pairs(self, seed: int) -> Pairs:
        source = generator(seed, "pairs")
        count = len(self.instruments)
        rows, names, groups = [], [], []
        for group in self._groups():
            for number in range(self.pairs_per_group):
                draw = torch.rand(3, generator=source).tolist()
                if isinstance(group, int):
                    first = last = int(draw[0] * count)
                    start, end = self._pitch(draw[1], group // STEP), group // STEP
                    ends = [[first, start], [last, start + end]]
                    name, label = f"{group}cents_{self.instruments[first]}", f"{group} cents"
                    ends = ends if draw[2] < 0.5 else ends[::-1]
                else:
                    pitch = self._pitch(draw[1], 0)
                    ends = [[one, pitch] for one in group]
                    label = " to ".join(self.instruments[one] for one in group)
                    name = label.replace(" ", "-")
                rows.append(ends)
                names.append(f"{name}_{number:03d}")
                groups.append(label)
        truth = torch.tensor(rows)
        first_end, second_end = (self.notes[truth[:, i, 0], truth[:, i, 1]] for i in (0, 1))
        return repeats_named(Pairs(first_end, second_end, tuple(names), tuple(groups), truth))

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """Every `sample_step`-th pitch of each instrument; an even subset where `count` is smaller.
        Ends of pairs are among them.
        """
        known = self.notes[:, :: self.sample_step].flatten(0, 1)
        if count >= len(known):
            return known.clone()
        offset = torch.rand(1, generator=generator(seed, "sample"), dtype=torch.float64)
        spread = (torch.arange(count) + offset) * (len(known) / count)
        return known[spread.long().clamp_max(len(known) - 1)]

    def held_out(self, count: int, seed: int) -> torch.Tensor:
        """At most `count` notes that are not in `sample`, in random order. Raises ConfigError where
        all are.
        """
        index = torch.arange(PITCHES)
        unseen = self.notes[:, index % self.sample_step != 0].flatten(0, 1)
        if not len(unseen):
            raise bad_value("dataset.sample_step", 1, "at least 2 where notes are held out")
        order = torch.randperm(len(unseen), generator=generator(seed, "held out"))
        return unseen[order[:count]]

    def true_path(self, pairs: Pairs, num_points: int) -> torch.Tensor | None:
        if self.kind == "instruments":
            return None
        return torch.cat([resample(way[None], num_points) for way in self._ways(pairs)])

    def true_length(self, pairs: Pairs) -> torch.Tensor | None:
        if self.kind == "instruments":
            return None
        return torch.cat([arc_length(way[None]) for way in self._ways(pairs)])

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """To the nearest note of all pitches."""
        return torch.cdist(points.double(), self.notes.flatten(0, 1).to(points.device)).amin(1)

    def _groups(self) -> Sequence[int | tuple[int, int]]:
        if self.kind == "pitches":
            return self.intervals
        count = len(self.instruments)
        return [(i, (i + 1) % count) for i in range(count if count > 2 else 1)]

    def _pitch(self, draw: float, steps: int) -> int:
        """A pitch of the sample with `steps` above it, of a draw in [0, 1)."""
        return int(draw * self._starts(steps)) * self.sample_step

    def _starts(self, steps: int) -> int:
        """How many pitches of the sample have `steps` above them."""
        return 1 + (PITCHES - 1 - steps) // self.sample_step

    def _different(self, group: int | tuple[int, int]) -> int:
        """How many pairs of a group there are, the order of the two ends aside."""
        if isinstance(group, int):
            return len(self.instruments) * self._starts(group // STEP)
        return self._starts(0)

    def _ways(self, pairs: Pairs) -> list[torch.Tensor]:
        """The renderings from each first end to the second, [pitches, 768]."""
        assert pairs.truth is not None
        found = []
        for (one, start), (_, end) in pairs.truth.tolist():
            step = 1 if end > start else -1
            found.append(self.notes[one, torch.arange(start, end + step, step)])
        return found


def _shipped() -> torch.Tensor:
    """The notes that ship with the package, [6, 121, 768], float64.

    Raises DataError where the file is missing, damaged, altered or of another shape.
    """
    path = ASSETS / SPECTROGRAMS
    digest, found = read_json(ASSETS / CARD)["sha256"], sha256(path)
    if digest != found:
        raise DataError(
            f"{path} is damaged or altered (SHA-256 {found[:8]}, not {digest[:8]} as {CARD} has"
            " it): reinstall the package."
        )
    stored = load_tensors(path)["notes"]
    expected = (len(INSTRUMENTS), PITCHES, LAYOUT.size)
    if stored.shape != expected or stored.dtype != torch.uint8:
        raise DataError(
            f"{path}: notes are {stored.dtype} {list(stored.shape)}; uint8 {list(expected)} are"
            " expected."
        )
    if not bool(stored.flatten(1).any(1).all()):
        raise DataError(f"{path}: an instrument is silent.")
    return 2 * stored.double() / 255 - 1

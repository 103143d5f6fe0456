"""Pairs of a user's own recordings of notes: two files, or a list."""

import logging
from functools import cached_property
from pathlib import Path

import torch

from scoregeo._utils.errors import ConfigError, DataError, bad_value, check_above, check_number
from scoregeo._utils.files import is_folder, path_of
from scoregeo._utils.seed import generator
from scoregeo._utils.words import count as counted
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.dataset.notes import LAYOUT
from scoregeo.dataset.pair_files import PairFiles, pairs_in_list, safe
from scoregeo.dataset.picture import folders_below, natural
from scoregeo.dataset.recording import Recording, recorded_note
from scoregeo.dataset.sound import Sound

log = logging.getLogger(__name__)

SUFFIXES = (".wav", ".wave")
LOWEST, HIGHEST = 233.1, 3623.0  # Hz, of the spectrograms' bands
_QUARTER_TONE = 2 ** (1 / 24)  # bands are as far apart: a pitch may lie in one outside


class Recordings(AbstractDataset):
    """Log-frequency spectrograms [768] of recordings, each of one note (`recorded_note`), in
    float64: the points of `Notes`, so that a score of notes takes them.

    Exactly one of: `first` and `second`; `list`. The score's data and the references of a graph are
    the recordings below the folder `references`, without it the pairs' own. There is no truth.
    """

    def __init__(
        self,
        first: str | None = None,
        second: str | None = None,
        list: str | None = None,
        references: str | None = None,
        low: float = 240.0,
        high: float = 1000.0,
    ) -> None:
        """Settings of the group `dataset`; every file is read now.

        Args:
            first, second: two WAV files.
            list: a CSV file with a header, columns first, second, and if wanted group; paths are
                relative to it.
            references: a folder of WAV files, at any depth.
            low, high: Hz, between which the measures look for the pitch of a point, within
                233.1 and 3,623, the bands: give those between which the notes lie.

        Raises: ConfigError for settings that do not go together or are out of range, DataError for
            files that cannot be used.
        """
        if (first is None) != (second is None) or (first is None) == (list is None):
            raise ConfigError(
                f"dataset.first = {first!r}, dataset.second = {second!r}, dataset.list = {list!r}:"
                " give both first and second, or list, and only one of the two."
            )
        check_number("dataset.low", low, at_least=LOWEST, below=HIGHEST)
        check_number("dataset.high", high, at_most=HIGHEST)
        check_above("dataset.high", high, "dataset.low", low)
        if list is None:
            ends = path_of("dataset.first", first), path_of("dataset.second", second)
            name = safe(f"{ends[0].stem}-{ends[1].stem}")
            found = [PairFiles(*ends, ("", ""), name, "all")]
        else:
            found = pairs_in_list(path_of("dataset.list", list))
        self._files = tuple(found)
        if any(any(pair.prompts) for pair in self._files):
            raise DataError(f"dataset.list = {list!r} has prompts, which recordings do not take.")
        paths = [path for pair in self._files for path in (pair.first, pair.second)]
        notes = {path: recorded_note(path, LAYOUT) for path in dict.fromkeys(paths)}
        points = {path: _point(note) for path, note in notes.items()}
        self._ends = torch.stack([points[path] for path in paths]).unflatten(0, (-1, 2))
        self._known = [*points.values()]
        if references is not None:
            folder = path_of("dataset.references", references)
            self._known = [_point(recorded_note(path, LAYOUT)) for path in _below(folder)]
        for pair, both in zip(self._files, self._ends, strict=True):
            if torch.equal(*both):
                raise DataError(
                    f"the two recordings of {pair.name} are the same, {pair.first} and"
                    f" {pair.second}: there is nothing between them."
                )
        self.low, self.high = float(low), float(high)
        self._outside = [
            f"{path.name} ({note.pitch:.0f} Hz)"
            for path, note in notes.items()
            if not low / _QUARTER_TONE <= note.pitch <= high * _QUARTER_TONE
        ]
        if self.note:
            log.warning(self.note)

    @property
    def shape(self) -> tuple[int, ...]:
        return (LAYOUT.size,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    @property
    def sample_size(self) -> int:
        return len(self._known)

    @property
    def sound(self) -> Sound:
        return Sound(LAYOUT.rate, None, self.low, self.high, LAYOUT)

    @property
    def note(self) -> str:
        if not self._outside:
            return ""
        return (
            f"Not between dataset.low = {self.low:g} Hz and dataset.high = {self.high:g} Hz:"
            f" {', '.join(self._outside)}. Measures of pitch take a partial of such a note for it."
        )

    @cached_property
    def _references(self) -> torch.Tensor:
        return torch.stack(self._known)

    def pairs(self, seed: int) -> Pairs:
        """All pairs, in order; the seed is not used."""
        names = tuple(pair.name for pair in self._files)
        groups = tuple(pair.group for pair in self._files)
        return Pairs(self._ends[:, 0], self._ends[:, 1], names, groups)

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """The references in random order, at most `count`."""
        order = torch.randperm(len(self._known), generator=generator(seed, "recordings"))
        return self._references[order[:count]]


def _point(note: Recording) -> torch.Tensor:
    return torch.from_numpy(note.point)


def _below(folder: Path) -> list[Path]:
    """WAV files at any depth, in natural order; others are counted in a warning."""
    if not is_folder(folder):
        raise bad_value("dataset.references", str(folder), "a folder with WAV files in it")
    files = [
        path
        for one in folders_below(folder)
        for path in sorted(one.iterdir(), key=lambda path: natural(path.name))
        if not path.is_dir() and not path.name.startswith(".")
    ]
    found = [path for path in files if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        raise bad_value("dataset.references", str(folder), "a folder with WAV files in it")
    if left := len(files) - len(found):
        log.warning("%s of %s skipped, no WAV files.", counted(left, "file"), folder)
    return found

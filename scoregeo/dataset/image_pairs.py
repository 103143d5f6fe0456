"""Pairs of a user's own pictures: two files, a list, or a folder of pairs such as MorphBench's."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from scoregeo._utils.errors import ConfigError, DataError, bad_value, check_number
from scoregeo._utils.seed import generator
from scoregeo.dataset.base import AbstractDataset, Pairs
from scoregeo.dataset.picture import check_picture, pictures_in, read_picture

COLUMNS = ("first", "second", "first_prompt", "second_prompt", "group")
_NUMBERED = re.compile(r"(.*?)[ _-]*([01])")
_HOW = (
    "a pair is a folder of two pictures, with prompts.txt of one or two lines or without; or two"
    " pictures side by side named NAME_0 and NAME_1; or a line of a list, dataset.list=FILE.csv"
)


@dataclass(frozen=True)
class PairFiles:
    """One pair on disk."""

    first: Path
    second: Path
    prompts: tuple[str, str]
    name: str
    group: str


class ImagePairs(AbstractDataset):
    """Pictures from files; points [3, size, size], pixels in [-1, 1], float32 (see `read_picture`
    for other shapes and alpha).

    Exactly one of: `first` and `second`; `root`; `list`. References of FID and KID, and of a graph,
    are the pictures in the folder `references`, or without one the pairs' own.
    """

    def __init__(
        self,
        first: str | None = None,
        second: str | None = None,
        first_prompt: str = "",
        second_prompt: str | None = None,
        root: str | None = None,
        list: str | None = None,
        references: str | None = None,
        pairs: int | None = None,
        size: int = 512,
    ) -> None:
        """Settings of the group `dataset`; every file's header is read now, the rest when first
        asked for.

        Args:
            first, second: two picture files. first_prompt, second_prompt: what they show; null: the
                same for the second.
            root: a folder of pairs, at any depth; a pair's group is the folder at its top.
                MorphBench as it is unpacked.
            list: a CSV file with a header, columns first, second, and if wanted first_prompt,
                second_prompt, group; paths are relative to it.
            references: a folder of pictures. pairs: at most so many, from the start; null: all.
                size: pixels a side.

        Raises: ConfigError for settings that do not go together, DataError for files that cannot be
        used.
        """
        given = [
            key
            for key, value in (("first", first), ("root", root), ("list", list))
            if value is not None
        ]
        if len(given) != 1 or (first is None) != (second is None):
            values = (
                f"dataset.first = {first!r}, dataset.second = {second!r}, dataset.root = {root!r},"
                f" dataset.list = {list!r}"
            )
            raise ConfigError(
                f"{values}: give both first and second, or root, or list, and only one of the"
                " three."
            )
        check_number("dataset.size", size, at_least=8, integer=True)
        if pairs is not None:
            check_number("dataset.pairs", pairs, at_least=1, integer=True)
        if first is not None and second is not None:
            prompts = (first_prompt, first_prompt if second_prompt is None else second_prompt)
            name = _safe(f"{Path(first).stem}-{Path(second).stem}")
            found: Sequence[PairFiles] = [
                PairFiles(Path(first), Path(second), prompts, name, "all")
            ]
        else:
            found = (
                tuple(_in_folder(Path(str(root))))
                if root is not None
                else tuple(_in_list(Path(str(list))))
            )
        for pair in found:
            for path in (pair.first, pair.second):
                check_picture(path)
        if pairs is not None and pairs > len(found):
            raise bad_value(
                "dataset.pairs", pairs, f"at most the number of pairs there are, {len(found)}"
            )
        self._files = tuple(found)[:pairs]
        self.references = None if references is None else Path(references)
        if self.references is not None and not (
            self.references.is_dir() and pictures_in(self.references)
        ):
            raise bad_value("dataset.references", references, "a folder with pictures in it")
        self.size = size

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def pairs(self, seed: int) -> Pairs:
        """All pairs, in order; the seed is not used."""
        files = self._files
        return Pairs(
            first=torch.stack([read_picture(pair.first, self.size) for pair in files]),
            second=torch.stack([read_picture(pair.second, self.size) for pair in files]),
            names=tuple(pair.name for pair in files),
            groups=tuple(pair.group for pair in files),
            prompts=tuple(pair.prompts for pair in files),
        )

    def sample(self, count: int, seed: int) -> torch.Tensor:
        """`count` of the references, without repetition. Raises DataError where there are fewer."""
        paths = self._reference_files
        if count > len(paths):
            where = "of the pairs" if self.references is None else f"in {self.references}"
            raise DataError(
                f"{count} reference pictures are wanted and {len(paths)} are {where}: see"
                " dataset.references."
            )
        order = torch.randperm(len(paths), generator=generator(seed, "reference pictures"))[:count]
        return torch.stack([read_picture(paths[i], self.size) for i in order.tolist()])

    @cached_property
    def _reference_files(self) -> Sequence[Path]:
        if self.references is not None:
            return pictures_in(self.references)
        return tuple(
            dict.fromkeys(path for pair in self._files for path in (pair.first, pair.second))
        )


def _in_list(path: Path) -> Iterator[PairFiles]:
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            columns, lines = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"dataset.list = {str(path)!r} cannot be read: {error}.") from error
    if not {"first", "second"} <= set(columns) <= set(COLUMNS) or not lines:
        raise DataError(
            f"dataset.list = {str(path)!r} has columns {', '.join(columns) or 'none'} and"
            f" {len(lines)} pairs: it needs first and second, may have {', '.join(COLUMNS[2:])},"
            " and at least one pair."
        )
    for number, line in enumerate(lines, start=2):
        for column in columns:
            if not line[column]:
                raise DataError(f"{path}, line {number}: {column} is missing.")
        first, second = path.parent / line["first"], path.parent / line["second"]
        prompt = line.get("first_prompt") or ""
        prompts = (prompt, line.get("second_prompt") or prompt)
        yield PairFiles(
            first,
            second,
            prompts,
            _safe(f"{number - 1:03d}_{first.stem}-{second.stem}"),
            line.get("group") or "all",
        )


def _in_folder(root: Path) -> Iterator[PairFiles]:
    if not root.is_dir():
        raise DataError(f"dataset.root = {str(root)!r} is not a folder.")
    found = []
    for folder in [root, *sorted(path for path in root.rglob("*") if path.is_dir())]:
        files = pictures_in(folder)
        parts = folder.relative_to(root).parts
        numbered: dict[str, dict[str, Path]] = {}
        for path in files:
            if match := _NUMBERED.fullmatch(path.stem):
                numbered.setdefault(match[1], {})[match[2]] = path
        couples = {stem: both for stem, both in numbered.items() if len(both) == 2}
        if len(files) == 2 and parts:
            group = parts[0] if len(parts) > 1 else "all"
            found.append(
                PairFiles(files[0], files[1], _prompts(folder), _safe("-".join(parts)), group)
            )
        else:
            for stem, both in couples.items():
                name = _safe("-".join((*parts, stem or folder.name)))
                found.append(
                    PairFiles(
                        both["0"], both["1"], _prompts(folder), name, parts[0] if parts else "all"
                    )
                )
    if not found:
        raise DataError(f"dataset.root = {str(root)!r} holds no pairs: {_HOW}.")
    yield from found


def _prompts(folder: Path) -> tuple[str, str]:
    """Of prompts.txt: one line for both pictures, or one for each; empty prompts where there is no
    such file.
    """
    path = folder / "prompts.txt"
    if not path.is_file():
        return ("", "")
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    if len(lines) not in (1, 2):
        raise DataError(
            f"{path} has {len(lines)} lines: one prompt for both pictures, or one for each, is"
            " expected."
        )
    return (lines[0].strip(), lines[-1].strip())


def _safe(name: str) -> str:
    """Letters, digits, points, lines: a file's name anywhere."""
    return re.sub(r"[^\w.-]+", "_", name)

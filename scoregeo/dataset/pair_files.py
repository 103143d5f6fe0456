"""Where pairs of picture files stand: a list, or a folder of pairs such as MorphBench's."""

import csv
import io
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_folder, read_text
from scoregeo._utils.words import count
from scoregeo.dataset.base import ALL
from scoregeo.dataset.picture import folders_below, name_skipped, pictures_in

log = logging.getLogger(__name__)

UNNAMED = "no group"
_SHOWN = 5  # names of files in a message
COLUMNS = ("first", "second", "first_prompt", "second_prompt", "group")
# A number that ends in 0 or 1, as 00010 of a folder of numbered pictures, marks no pair.
_NUMBERED = re.compile(r"(.*?)[ _-]*(?<![0-9])([01])")
_HOW = (
    "a pair is a folder of two pictures, with prompts.txt of one or two lines or without; or two"
    " pictures side by side named NAME_0 and NAME_1; or a line of a list, dataset.list=FILE.csv."
    " Of pictures that are in no pairs, dataset.draw=within or across draws them"
)


@dataclass(frozen=True)
class PairFiles:
    """One pair on disk. `group` is empty where it has none."""

    first: Path
    second: Path
    prompts: tuple[str, str]
    name: str
    group: str


def pairs_in_list(path: Path) -> list[PairFiles]:
    """The pairs of a CSV file. Raises DataError, naming the line, for what cannot be one."""
    lines, columns, delimiter = _lines_of(path)
    found, places = [], dict[tuple[str, str, tuple[str, str]], str]()
    for place, (number, line) in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        values = sum(value is not None for key, value in line.items() if key is not None)
        values += len(line.get(None) or ())  # type: ignore[call-overload]  # csv's key of the rest
        if values != len(columns):
            raise DataError(
                f"{where}, has {count(values, 'value')} and the header {len(columns)} columns:"
                f' a prompt with a {delimiter!r} in it stands in double quotes, "a, b".'
            )
        for column in ("first", "second"):
            if not line[column].strip():
                raise DataError(f"{where}: {column} is missing.")
        cells = {column: value.strip() for column, value in line.items()}
        first, second = path.parent / cells["first"], path.parent / cells["second"]
        prompt = cells.get("first_prompt", "")
        prompts = (prompt, cells.get("second_prompt") or prompt)
        one, other = os.path.normpath(first), os.path.normpath(second)
        if one == other:
            raise DataError(f"{where}: first and second are both {cells['first']!r}.")
        before = places.setdefault((one, other, prompts), where)
        if before != where:
            raise DataError(f"{where}: the pair of {before.rpartition(', ')[2]} again.")
        name = safe(f"{place:03d}_{first.stem}-{second.stem}")
        found.append(PairFiles(first, second, prompts, name, cells.get("group", "")))
    return grouped(found, [*places.values()])


def _lines_of(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str], str]:
    """Lines of a list, each with its number, the columns, and what separates them."""
    try:
        whole = read_text(path)
        text = whole.removeprefix("sep=;\r\n")  # Excel's own line above the header
        above = len(text) < len(whole)
        # A spreadsheet writes semicolons where the comma is the decimal point.
        header = text.partition("\n")[0]
        delimiter = ";" if ";" in header and "," not in header else ","
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        # A spreadsheet keeps emptied rows.
        lines = [
            (reader.line_num + above, line) for line in reader if any(map(_filled, line.values()))
        ]
    except (DataError, csv.Error) as error:
        raise DataError(f"dataset.list = {str(path)!r} cannot be read: {error}.") from error
    double = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if double:
        raise DataError(
            f"dataset.list = {str(path)!r} has the column {double[0]!r} twice: each must have a"
            " name of its own."
        )
    if not {"first", "second"} <= set(columns) <= set(COLUMNS) or not lines:
        raise DataError(
            f"dataset.list = {str(path)!r} has columns {', '.join(columns) or 'none'} and"
            f" {count(len(lines), 'pair')}: it needs first and second, may have"
            f" {', '.join(COLUMNS[2:])}, and at least one pair."
        )
    return lines, columns, delimiter


def grouped(pairs: Sequence[PairFiles], places: Sequence[str]) -> list[PairFiles]:
    """The same pairs; those without a group are in "no group" beside groups that have a name, and
    in "all" where no group has one.

    Raises DataError, naming its place, for a group that is named "all" beside others, as all pairs
    together are.
    """
    names = [pair.group for pair in pairs]
    if ALL in names and len(set(names)) > 1:
        raise DataError(
            f"{places[names.index(ALL)]}: group is {ALL!r}, which is what all groups together are"
            " called: give it another name."
        )
    other = UNNAMED if any(names) else ALL
    return [replace(pair, group=pair.group or other) for pair in pairs]


def _filled(value: str | list[str] | None) -> bool:
    """Whether a cell of a list, or what is beyond its columns, holds anything."""
    return bool("".join(value or "").strip())


def pairs_in_folder(root: Path) -> list[PairFiles]:
    """The pairs of a folder, at any depth: folders of two pictures, and NAME_0 beside NAME_1.

    Raises DataError where there are none.
    """
    check_root(root)
    folders = folders_below(root)
    name_skipped(folders, root)
    found = [pair for folder in folders for pair in _pairs_of(folder, root)]
    if not found:
        raise DataError(f"dataset.root = {str(root)!r} holds no pairs: {_HOW}.")
    paired = {path for pair in found for path in (pair.first, pair.second)}
    left = [path for folder in folders for path in pictures_in(folder) if path not in paired]
    if left:
        shown = ", ".join(str(path.relative_to(root)) for path in left[:_SHOWN])
        log.warning(
            "%s of %s in no pair, left out: %s%s. %s%s.",
            count(len(left), "picture"),
            root,
            shown,
            ", ..." if len(left) > _SHOWN else "",
            _HOW[0].upper(),
            _HOW[1:],
        )
    return grouped(found, [str(pair.first.parent) for pair in found])


def check_root(root: Path) -> None:
    """Raise DataError unless it is a folder."""
    if not is_folder(root):
        raise DataError(f"dataset.root = {str(root)!r} is not a folder.")


def safe(name: str) -> str:
    """Letters, digits, points, lines: a file's name anywhere."""
    return re.sub(r"[^\w.-]+", "_", name)


def _pairs_of(folder: Path, root: Path) -> Iterator[PairFiles]:
    """The pairs that lie in this folder itself."""
    files = pictures_in(folder)
    parts = folder.relative_to(root).parts
    if len(files) == 2 and parts:
        group = parts[0] if len(parts) > 1 else ""
        yield PairFiles(files[0], files[1], _prompts(folder), safe("-".join(parts)), group)
        return
    bare = sum(path.stem.isdigit() for path in files)  # 0, 1, 2, ... are numbered, not paired
    numbered: dict[str, dict[str, Path]] = {}
    for path in files:
        match = _NUMBERED.fullmatch(path.stem)
        if match and (match[1] or bare == 2):
            numbered.setdefault(match[1], {})[match[2]] = path
    for stem, both in numbered.items():
        if len(both) == 2:
            name = safe("-".join((*parts, stem or folder.name)))
            group = parts[0] if parts else ""
            yield PairFiles(both["0"], both["1"], _prompts(folder), name, group)


def _prompts(folder: Path) -> tuple[str, str]:
    """Of prompts.txt: one line for both pictures, or one for each; empty prompts where there is no
    such file.
    """
    path = folder / "prompts.txt"
    if not path.is_file():
        return ("", "")
    lines = read_text(path).strip().splitlines()
    if len(lines) not in (1, 2):
        raise DataError(
            f"{path} has {count(len(lines), 'line')}: one prompt for both, or one for each,"
            " is expected."
        )
    return (lines[0].strip(), lines[-1].strip())

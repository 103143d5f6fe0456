"""Picture files as points: any format that is read, any size, with or without an alpha channel."""

import logging
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.flat_picture import flattened
from scoregeo._utils.picture_file import SUFFIXES, opened_picture
from scoregeo._utils.words import count

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

SMALLEST = 8  # pixels a side: below this there is no picture to morph
_FINER = 2  # times the size asked for, to which photographs of many megapixels are reduced
ENOUGH = 4096  # pixels of a photograph's shorter side, kept where it has more
_SHOWN = 5  # names of files in a message
_NO_PICTURES = ("prompts.txt",)  # what belongs beside pictures
# 0.05 is one number, the parts of 1.2.3 are three
_NUMBER = re.compile(r"((?<![0-9.])[0-9]+\.[0-9]+(?!\.?[0-9])|[0-9]+)")


def read_picture(path: str | Path, size: int | tuple[int, int]) -> torch.Tensor:
    """A picture as [3, height, width] float32 in [-1, 1]; `size`: height and width, or one side of
    a square.

    `flat_picture`, `fitted`. Raises DataError as that does.
    """
    sides = (size, size) if isinstance(size, int) else size
    return fitted(flat_picture(path, _FINER * max(sides)), sides)


def fitted(picture: "Image", size: tuple[int, int]) -> torch.Tensor:
    """An RGB picture as [3, height, width] float32 in [-1, 1], `size` (height, width): the middle
    of this shape cut out, resized by an antialiased bicubic filter.
    """
    from PIL import Image, ImageOps

    return pixels_of(ImageOps.fit(picture, size[::-1], Image.Resampling.BICUBIC))


def flat_picture(path: str | Path, least: int | None = None) -> "Image":
    """A file's picture in RGB with 8 bits a channel (`scoregeo._utils.flat_picture.flattened`).
    Raises DataError, naming the file, for what is no picture, for less than 8 x 8 pixels, and as
    that does.
    """
    with _of_size(path) as opened:
        return flattened(opened, path, least)


def pixels_of(picture: "Image") -> torch.Tensor:
    """An RGB picture of 8 bits a channel as [3, height, width] float32 in [-1, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def check_picture(path: str | Path) -> tuple[int, int]:
    """Width and height. Raises DataError as `read_picture` would, by the file's header alone."""
    with _of_size(path) as opened:
        return opened.size


def _of_size(path: str | Path) -> "Image":
    opened = opened_picture(path)
    if min(opened.size) < SMALLEST:
        raise DataError(
            f"{path} has {opened.size[0]} x {opened.size[1]} pixels: at least {SMALLEST} x"
            f" {SMALLEST} are needed."
        )
    return opened


def pictures_in(folder: Path) -> list[Path]:
    """Picture files of a folder, in the natural order of their names; hidden files and other kinds
    are passed over.
    """
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    return sorted((path for path in found if path.is_file()), key=lambda path: natural(path.name))


def name_skipped(folders: Iterable[Path], root: Path, but: tuple[str, ...] = ()) -> None:
    """Count and name, in warnings, the files of `folders` whose ending is no picture's, and those
    with such an ending behind which there is no file, as of a link to nowhere; hidden ones, prompts
    and those with a stem in `but` are no matter. `root`: names are relative to it.
    """
    found = [
        path
        for folder in folders
        for path in sorted(folder.iterdir(), key=lambda path: natural(path.name))
        if not path.name.startswith(".") and path.name not in _NO_PICTURES and not path.is_dir()
    ]
    pictures = [path for path in found if path.suffix.lower() in SUFFIXES]
    others = [path for path in found if path not in pictures and path.stem not in but]
    for why, skipped in (
        ("no pictures by their endings", [path for path in others if path.is_file()]),
        ("links to nowhere or no files", [path for path in pictures if not path.is_file()]),
    ):
        names = [path.relative_to(root).as_posix() for path in skipped]
        if names:
            log.warning(
                "%s of %s skipped, %s: %s%s.",
                count(len(names), "file"),
                root,
                why,
                ", ".join(names[:_SHOWN]),
                ", ..." if len(names) > _SHOWN else "",
            )


def pictures_below(folder: Path) -> list[Path]:
    """Picture files at any depth, folder by folder, each as `pictures_in`."""
    return [path for one in folders_below(folder) for path in pictures_in(one)]


def folders_below(folder: Path) -> list[Path]:
    """A folder and those in it at any depth, in natural order; hidden ones, and links to a folder
    they lie in, are passed over. Raises DataError, naming it, for one that cannot be read.
    """
    here = folder.resolve()
    try:
        found = [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}.") from error
    inner = sorted(
        (one for one in found if not (one.is_symlink() and here.is_relative_to(one.resolve()))),
        key=lambda one: natural(one.name),
    )
    return [folder, *(deeper for one in inner for deeper in folders_below(one))]


def natural(name: str) -> tuple[list[str | Fraction], str]:
    """A key that sorts names by the numbers in them: frame_2 before frame_10, 0.05 before 0.1."""
    parts = _NUMBER.split(name)
    return [Fraction(part) if i % 2 else part.lower() for i, part in enumerate(parts)], name

"""Picture files as points: any format Pillow reads, any size, with or without an alpha channel."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
SMALLEST = 8  # pixels a side: below this there is no picture to morph


def read_picture(path: str | Path, size: int | tuple[int, int]) -> torch.Tensor:
    """A picture as [3, height, width] float32 in [-1, 1]; `size`: height and width, or one side of
    a square.

    `flat_picture`, `fitted`. Raises DataError as that does.
    """
    return fitted(flat_picture(path), (size, size) if isinstance(size, int) else size)


def fitted(picture: "Image", size: tuple[int, int]) -> torch.Tensor:
    """An RGB picture as [3, height, width] float32 in [-1, 1], `size` (height, width): the middle
    of this shape cut out, resized by an antialiased bicubic filter.
    """
    from PIL import Image, ImageOps

    return pixels_of(ImageOps.fit(picture, size[::-1], Image.Resampling.BICUBIC))


def flat_picture(path: str | Path) -> "Image":
    """A file's picture in RGB with 8 bits a channel (`flattened`). Raises DataError, naming the
    file, for what is no picture, for less than 8 x 8 pixels, and as `flattened`.
    """
    with opened_picture(path) as opened:
        return flattened(opened, path)


def flattened(opened: "Image", path: str | Path) -> "Image":
    """A picture in RGB with 8 bits a channel; `path`: what errors call it.

    Turned as its EXIF tag says, laid on white where it is transparent; of an animation the first
    frame. 16 bits a channel are scaled to 8, floating point from 0 to 1 likewise. Raises DataError
    for pixels that cannot be read, and for floating-point or 32-bit values of another range, which
    would be clipped.
    """
    from PIL import Image, ImageOps

    try:
        picture = _eight_bits(ImageOps.exif_transpose(opened), path).convert("RGBA")
    except DataError:
        raise
    except (
        OSError,
        ValueError,
        SyntaxError,
    ) as error:  # a whole header, and then no whole picture
        raise DataError(f"{path} cannot be read as a picture: {error}.") from error
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def pixels_of(picture: "Image") -> torch.Tensor:
    """An RGB picture of 8 bits a channel as [3, height, width] float32 in [-1, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def check_picture(path: str | Path) -> None:
    """Raise DataError as `read_picture` would, by the file's header alone."""
    with opened_picture(path):
        pass


def opened_picture(path: str | Path) -> "Image":
    """The file's header read by Pillow. Raises DataError, naming the file, where it is missing, no
    picture, or smaller than 8 x 8 pixels.
    """
    from PIL import Image

    if not is_file(Path(path)):
        raise DataError(f"{path} is not there, or not a file: a picture is expected.")
    try:
        opened = Image.open(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}.") from error
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


def pictures_below(folder: Path) -> list[Path]:
    """Picture files at any depth, folder by folder, each as `pictures_in`."""
    return [path for one in folders_below(folder) for path in pictures_in(one)]


def folders_below(folder: Path) -> list[Path]:
    """A folder and those in it at any depth, in natural order; hidden ones, and links to a folder
    they lie in, are passed over.
    """
    here = folder.resolve()
    found = (one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    inner = sorted(
        (one for one in found if not (one.is_symlink() and here.is_relative_to(one.resolve()))),
        key=lambda one: natural(one.name),
    )
    return [folder, *(deeper for one in inner for deeper in folders_below(one))]


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts names by the numbers in them: frame_2 before frame_10."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part.lower() for i, part in enumerate(parts)], name


def _eight_bits(picture: "Image", path: str | Path) -> "Image":
    """The picture with 8 bits a channel: Pillow's own conversion clips what lies above 255."""
    from PIL import Image

    mode, values = picture.mode, np.asarray(picture) if picture.mode[0] in "IF" else np.empty(0)
    if mode.startswith("I;16") or (mode == "I" and picture.format == "PNG"):
        scaled = values / 257.0
    elif mode in ("I", "F"):
        low, high = float(values.min()), float(values.max())
        if mode == "I" or not (low >= 0 and high <= 1):  # a NaN is no more
            kind = "32-bit integers" if mode == "I" else "floating-point numbers"
            raise DataError(
                f"{path} holds {kind} from {low:g} to {high:g}, whose white is not known: 8 or 16"
                " bits a channel, or floating point from 0 to 1, are expected."
            )
        scaled = values * 255.0
    else:
        return picture
    return Image.fromarray(np.round(scaled).astype(np.uint8))

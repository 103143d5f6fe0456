"""Picture files as points: any format Pillow reads, any size, with or without an alpha channel."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from scoregeo._utils.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
SMALLEST = 8  # pixels a side: below this there is no picture to morph


def read_picture(path: str | Path, size: int) -> torch.Tensor:
    """A picture as [3, size, size] float32 in [-1, 1].

    Turned as its EXIF tag says, laid on white where it is transparent, its middle square cut out,
    resized by an antialiased bicubic filter; of an animation the first frame. Raises DataError,
    naming the file, for what is no picture and for less than 8 x 8 pixels.
    """
    from PIL import Image, ImageOps

    with _opened(path) as opened:
        try:
            picture = ImageOps.exif_transpose(opened).convert("RGBA")
        except (
            OSError,
            ValueError,
            SyntaxError,
        ) as error:  # a whole header, and then no whole picture
            raise DataError(f"{path} cannot be read as a picture: {error}.") from error
    white = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(white, picture).convert("RGB")
    square = ImageOps.fit(flat, (size, size), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)
    return pixels.float() / 127.5 - 1


def check_picture(path: str | Path) -> None:
    """Raise DataError as `read_picture` would, by the file's header alone."""
    with _opened(path):
        pass


def _opened(path: str | Path) -> "Image":
    from PIL import Image

    if not Path(path).is_file():
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
    """Picture files of a folder, by name; hidden files and other kinds are passed over."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    return sorted(path for path in found if path.is_file())

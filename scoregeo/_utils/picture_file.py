"""The one place where a picture file is opened: its size, formats that Pillow needs help with, and
errors that name the file.
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file

if TYPE_CHECKING:
    from PIL.Image import Image

HEIF = (".heic", ".heif")
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".jp2"),
    *HEIF,
    *(".bmp", ".gif", ".tif", ".tiff"),
)
MOST_PIXELS = 500_000_000  # of one picture; Pillow alone stops at 179 million
_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # ISO/IEC 23008-12
_LOCK = threading.Lock()  # Pillow's limit is one variable for all threads


def opened_picture(path: str | Path) -> "Image":
    """A file's header read by Pillow; pixels are decoded later.

    Raises DataError, naming the file, where it is missing, no picture, or of more than 500
    megapixels, and for HEIC without the extra `heif`.
    """
    if not is_file(Path(path)):
        raise DataError(f"{path} is not there, or not a file: a picture is expected.")
    return _opened(Path(path), path)


def picture_of_bytes(content: bytes, name: str | Path) -> "Image":
    """`opened_picture` of a file's content; `name`: what errors call it."""
    return _opened(io.BytesIO(content), name)


@contextmanager
def picture_errors(path: str | Path) -> Iterator[None]:
    """Turn what Pillow raises for a damaged picture into a DataError that names the file."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, TypeError, EOFError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}.") from error


def _opened(source: Path | io.BytesIO, path: str | Path) -> "Image":
    from PIL import Image, UnidentifiedImageError

    with picture_errors(path):
        _prepare(source, path)
        with _LOCK:
            before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                opened = Image.open(source)
            except UnidentifiedImageError as error:
                raise DataError(f"{path} cannot be read as a picture{_hint(path)}.") from error
            finally:
                Image.MAX_IMAGE_PIXELS = before
    width, height = opened.size
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{path} has {width} x {height} pixels: at most {MOST_PIXELS // 10**6} megapixels are"
            " read."
        )
    return opened


def _prepare(source: Path | io.BytesIO, path: str | Path) -> None:
    """Teach Pillow HEIC, where the file is one by its content, whatever its name."""
    if isinstance(source, Path):
        with source.open("rb") as handle:
            start = handle.read(12)
    else:
        start = source.getbuffer()[:12].tobytes()
    if start[4:8] != b"ftyp" or start[8:12] not in _BRANDS:
        return
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise DataError(
            f'{path} is a HEIC picture: `pip install "scoregeo[heif]"` makes these readable.'
        ) from error
    register_heif_opener()


def _hint(path: str | Path) -> str:
    """What of the formats is known to be missing."""
    from PIL import features

    ending = Path(path).suffix.lower()
    if ending == ".avif" and not features.check("avif"):
        return ": this Pillow reads no AVIF, version 11.3 or later does"
    if ending in (".tif", ".tiff"):
        return ": of TIFF, 8 and 16 bits a channel and grey floating point are read"
    return ": it is not a picture, or has a format that Pillow does not read"

"""A picture as people have it, made RGB with 8 bits a channel in sRGB."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoregeo._utils.colour_profile import in_srgb
from scoregeo._utils.errors import DataError
from scoregeo._utils.picture_file import opened_picture, picture_errors

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

LARGE = 32_000_000  # pixels above which a picture is reduced while it is read
_ORIENTATION = 0x0112  # EXIF


def flat_picture(path: str | Path, least: int | None = None) -> "Image":
    """A file's picture as `flattened` makes it. Raises DataError as `opened_picture` and that."""
    with opened_picture(path) as opened:
        return flattened(opened, path, least)


def flattened(opened: "Image", path: str | Path, least: int | None = None) -> "Image":
    """A picture in RGB with 8 bits a channel, in sRGB; `path`: what messages call it.

    Turned as its EXIF tag says, its ICC profile applied (`in_srgb`), laid on white where it is
    transparent. Of an animation or several pages the first, which is said in a warning. Of 16 bits
    a channel the upper 8 are taken, `v >> 8`, in grey as Pillow does in colour; floating point must
    lie in 0 to 1, where 1 is white.

    Args:
        least: with it, a picture of more than 32 megapixels is reduced while it is read, a JPEG
            before it is decoded, to no fewer than `least` pixels along the shorter side.

    Raises DataError for pixels that cannot be read, and for floating-point or 32-bit values of
    another range, which would be clipped.
    """
    with picture_errors(path):
        large = least is not None and opened.width * opened.height > LARGE
        if least is not None and large:
            opened.draft(None, (least, least))  # of formats other than JPEG nothing
        _name_frames(opened, path)
        opened.load()
        profile = opened.info.get("icc_profile")
        picture = _eight_bits(opened, path)
        if large and least is not None:
            picture = picture.reduce(max(1, min(picture.size) // least))
        picture = in_srgb(_turned(picture, opened, path), profile, path)
        flat = _on_white(picture)
    flat.info.clear()  # its profile and its orientation are used up
    return flat


def _name_frames(opened: "Image", path: str | Path) -> None:
    """Say so where a file holds more pictures than the one that is taken."""
    frames = getattr(opened, "n_frames", 1)
    # A camera's JPEG may hold a second view of the same picture (MPO), a HEIC a thumbnail.
    if frames > 1 and opened.format not in ("MPO", "HEIF"):
        log.warning("%s holds %d pictures: the first is taken.", path, frames)


def _eight_bits(picture: "Image", path: str | Path) -> "Image":
    """L, LA, RGB, RGBA or CMYK: Pillow's own conversion clips what lies above 255."""
    from PIL import Image

    mode = picture.mode
    if mode.startswith("I;16") or (mode == "I" and picture.format == "PNG"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if mode in ("I", "F"):
        values = np.asarray(picture)
        low, high = float(values.min()), float(values.max())
        if mode == "I" or not (low >= 0 and high <= 1):  # a NaN is no more
            kind = "32-bit integers" if mode == "I" else "floating-point numbers"
            raise DataError(
                f"{path} holds {kind} from {low:g} to {high:g}, whose white is not known: 8 or 16"
                " bits a channel, or floating point from 0 to 1, are expected."
            )
        return Image.fromarray(np.round(values * 255.0).astype(np.uint8))
    if picture.has_transparency_data and mode != "LA":
        return picture if mode == "RGBA" else picture.convert("RGBA")
    plain = {"1": "L", "P": "RGB", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB"}.get(mode)
    return picture if plain is None else picture.convert(plain)


def _turned(picture: "Image", opened: "Image", path: str | Path) -> "Image":
    """`picture` as the EXIF tag of `opened` says; as it is where the tags are damaged."""
    from PIL.Image import Transpose

    try:
        orientation = opened.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, TypeError, EOFError) as error:
        log.warning("%s: its EXIF tags are damaged and ignored (%s).", path, error)
        return picture
    turn = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _on_white(picture: "Image") -> "Image":
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.copy() if picture.mode == "RGB" else picture.convert("RGB")
    clear = picture.convert("RGBA")
    if clear.getchannel("A").getextrema() == (255, 255):  # nothing shines through: most figures
        return clear.convert("RGB")
    white = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(white, clear).convert("RGB")

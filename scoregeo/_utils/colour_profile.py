"""ICC profiles: a picture's own colours as those of sRGB, which everything else here takes pixels
for.
"""

import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageCms import ImageCmsTransform

log = logging.getLogger(__name__)

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of a profile: mode of pixels
_LEVELS = 9  # of each channel, at which a transform is compared with doing nothing
_ROUNDING = 1  # of 255: a transform that moves no colour further is left out


def in_srgb(picture: "Image", profile: bytes | None, path: str | Path) -> "Image":
    """A picture of 8 bits a channel (L, LA, RGB, RGBA or CMYK) in sRGB, by its ICC profile.

    Perceptual intent, 8 bits in between; transparency stays. Without a profile, and where it is
    sRGB's to one level of 255, the pixels are as they were. A profile that is damaged, or of
    another kind of pixels, is named in a warning and ignored.
    """
    if not profile:
        return picture
    try:
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        mode = _MODES.get(space)
        colours = _colours(picture, mode)
        if mode is None or colours is None:
            raise ValueError(f"colours of a {space} profile, pixels of mode {picture.mode}")
        # Little CMS's table for grey is coarse in the dark: 9 levels of 255 for linear grey.
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags
        )
        if mode == "RGB" and _does_nothing(transform):
            return picture
        found = transform.apply(colours)
    except (
        ImportError,
        OSError,
        ValueError,
        TypeError,
        RuntimeError,
        ImageCms.PyCMSError,
    ) as error:
        log.warning(
            "%s: its ICC profile cannot be used and is ignored (%s); colours may be shifted.",
            path,
            " ".join(str(error).split()) or type(error).__name__,
        )
        return picture
    if "A" in picture.getbands():
        found.putalpha(picture.getchannel("A"))
    return found


def _colours(picture: "Image", mode: str | None) -> "Image | None":
    """The picture without transparency in a profile's mode; None where these do not go together.
    Grey pixels go with a profile of RGB.
    """
    bands = tuple(band for band in picture.getbands() if band != "A")
    fits = {"RGB": (("R", "G", "B"), ("L",)), "L": (("L",),), "CMYK": (tuple("CMYK"),)}
    if mode is None or bands not in fits[mode]:
        return None
    return picture if picture.mode == mode else picture.convert(mode)


def _does_nothing(transform: "ImageCmsTransform") -> bool:
    """Whether a transform of RGB leaves a lattice of colours as they are, to rounding."""
    from PIL import Image

    levels = np.linspace(0, 255, _LEVELS).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(_LEVELS**2, _LEVELS, 3)
    moved = np.asarray(transform.apply(Image.fromarray(lattice))).astype(int)
    return bool(np.abs(moved - lattice).max() <= _ROUNDING)

"""Pictures inside the page: data URIs, and what a figure shows, in words, from its file's name."""

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scoregeo._utils.errors import DataError
from scoregeo._utils.flat_picture import flat_picture

if TYPE_CHECKING:
    from PIL.Image import Image

# Of the project's figures: half of it is their size on the page, so that they are sharp on fine
# screens
PLOT_DPI = 200
SMALL_SVG = 200_000  # bytes; larger vector figures go in as pixels
PLOT_COLOURS = 16_384  # a plot has fewer, one with shaded surfaces too; a strip of photographs more
_LOSSY_FROM = (
    64  # pixels: frames as large as this are photographs, smaller ones are digits, kept exactly
)
_SHOWS = (
    (
        r"energy",
        (
            "Energy against score evaluations: one line a solver, median over pairs, band between"
            " the quartiles."
        ),
    ),
    (
        r"paths",
        "Paths on the surface between their ends: one line a method, the truth black and dotted.",
    ),
    (
        r"passages",
        (
            "The landmark nearest to each point of a path, in steps from the first end towards the"
            " second: one line a method."
        ),
    ),
    (
        r"strip_(?P<pair>.+)",
        (
            "Frames along the path of pair {pair}: one row a method, fractions of the path from"
            " left to right."
        ),
    ),
    (
        r"sound_(?P<pair>.+)",
        (
            "Frames of sound along the path of pair {pair}: spectra above, waveforms below, a"
            " column a method. Lines: the pitch by autocorrelation, the truth's dotted."
        ),
    ),
    (
        r"spectra_(?P<pair>.+)",
        (
            "Spectra of notes along the path of pair {pair}, a column a method; the spectrogram"
            " halfway below. Lines: the pitch, the truth's dotted."
        ),
    ),
    (
        r"race-(?P<case>.+)-lam(?P<lam>.+)",
        "Energy against score evaluations on {case} at lambda {lam}: one line a solver.",
    ),
    (r"growth-(?P<what>.+)", "Score evaluations of each solver as {what} grows."),
    (
        r"starts",
        "How often each start leads to the best known energy: a row a case, a column a start.",
    ),
    (r"sweep|measures", "Measures against the swept values, with 95 % intervals."),
)


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture as a data URI, with what it shows in words; `width` in CSS pixels."""

    source: str
    caption: str
    width: int


def data_uri(content: bytes, kind: str) -> str:
    """`content` of the media type `kind` as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def webp(image: "Image", *, exact: bool) -> bytes:
    """The image as WebP, lossless where `exact`, else at quality 70. The same image gives the same
    bytes.
    """
    buffer = io.BytesIO()
    # Without loss quality is an effort, and method 1 gives the smallest plots, the fastest too.
    quality, method = (60, 1) if exact else (70, 4)
    exif = image.getexif()
    image.save(buffer, "WEBP", lossless=exact, method=method, quality=quality, exif=exif)
    return buffer.getvalue()


def is_photograph(width: int, height: int) -> bool:
    """Whether frames of this size may lose a little in quality to be small."""
    return max(width, height) >= _LOSSY_FROM


def embed(path: Path, caption: str = "") -> EmbeddedPicture:
    """The figure in a PNG file, or in the SVG beside it where that is small; raises DataError where
    it cannot be read. Plots go in without loss; pictures of more than `PLOT_COLOURS` colours lose a
    little, at a third of the size.

    `caption`: what it shows; by default from its name.
    """
    try:
        image = flat_picture(path)
    except DataError as error:
        raise DataError(f"{path.name} is not a picture that can be read: {error}") from error
    vector = path.with_suffix(".svg")
    if vector.is_file() and vector.stat().st_size <= SMALL_SVG:
        source = data_uri(vector.read_bytes(), "image/svg+xml")
    else:
        exact = image.getcolors(PLOT_COLOURS) is not None
        source = data_uri(webp(image, exact=exact), "image/webp")
    return EmbeddedPicture(source, caption or describe(path.stem), image.width // 2)


def describe(name: str) -> str:
    """What the figure `name` shows, in one sentence; the name itself in words where it is not a
    known one.
    """
    for pattern, words in _SHOWS:
        match = re.fullmatch(pattern, name)
        if match:
            return words.format(**match.groupdict())
    return f"Figure: {name.replace('_', ' ').replace('-', ', ')}."

"""Pictures that a browser sent: bounded, and read by the reader of every other picture."""

from pathlib import Path
from typing import TYPE_CHECKING

from scoregeo._utils.errors import DataError
from scoregeo.dataset.picture import check_picture, flat_picture

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 210_000_000  # of an upload: photographs of 200 megapixels
LONGEST = 2048  # pixels of the longer side that are kept, twice those of the largest models


def read_upload(path: str | Path) -> "Image":
    """The picture in RGB with 8 bits a channel, its longer side at most `LONGEST` pixels.

    Raises DataError, naming the file, for what is no picture, and for more than `MOST_PIXELS`, by
    the header alone.
    """
    file = Path(path)
    try:
        width, height = check_picture(file)
        if width * height > MOST_PIXELS:
            raise DataError(
                f"{file} has {width} x {height} pixels: at most {MOST_PIXELS // 10**6} million are"
                " taken."
            )
        picture = flat_picture(file, LONGEST)
    except DataError as error:  # of the temporary folder the user knows nothing
        raise DataError(str(error).replace(str(file), file.name)) from error
    picture.thumbnail((LONGEST, LONGEST))
    return picture

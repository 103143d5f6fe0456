"""A path of pictures as files: a GIF that every viewer shows, an MP4 with all its colours, and the
frames in a row.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoregeo._utils.errors import StorageError, bad_value, check_number
from scoregeo._utils.files import is_folder, make_folder, path_of, write_whole
from scoregeo.report.style import as_pictures

# Frames per second: a GIF's are shown for hundredths of a second, and viewers slow those of one
SLOWEST, FASTEST = 0.01, 50.0
_FASTEST_FILM = 240.0
_LONGEST = 230  # bytes of a name: a file system takes 255, and the part that is written has more
_SIDE = 192  # pixels: smaller pictures are drawn larger, each pixel a square


def animation(
    out: Path, frames: Any, *, frames_per_second: float = 12, there_and_back: bool = True
) -> list[Path]:
    """A looping GIF `out.gif` and an MP4 `out.mp4` of frames [points, channels, height, width] in
    [-1, 1].

    Each pixel is drawn as a square of as many as bring the longer side near to 192, large pictures
    as they are; a last odd row or column is repeated in the MP4, whose sides must be even.
    `there_and_back`: the frames in order and back again.
    """
    gif, film = (out.with_name(f"{out.name}.{kind}") for kind in ("gif", "mp4"))
    return [
        write_gif(gif, frames, frames_per_second, there_and_back),
        write_mp4(film, frames, frames_per_second, there_and_back),
    ]


def _place(path: Path, ending: str) -> Path:
    """Where the file will be. Raises ConfigError for what is no file that ends so, and where no
    file can be.
    """
    place = path_of("path", path)
    if place.suffix.lower() != ending or is_folder(place):
        raise bad_value("path", str(path), f"a file that ends in {ending}")
    if len(place.name.encode(errors="replace")) > _LONGEST:
        raise bad_value("path", str(path), f"a name of at most {_LONGEST} bytes")
    make_folder("path", place.parent)
    return place


def write_gif(path: Path, frames: Any, frames_per_second: float, there_and_back: bool) -> Path:
    """The GIF of `animation`; gives its path. Raises ConfigError for one without `.gif`."""
    import imageio.v3 as imageio

    path = _place(path, ".gif")
    check_number("frames_per_second", frames_per_second, at_least=SLOWEST, at_most=FASTEST)
    pictures = _shown(frames, there_and_back)
    pause = 1000 / float(frames_per_second)
    made: bytes = imageio.imwrite("<bytes>", pictures, extension=".gif", duration=pause, loop=0)
    write_whole(path, lambda partial: _write(partial, made))
    return path


def write_mp4(path: Path, frames: Any, frames_per_second: float, there_and_back: bool) -> Path:
    """The MP4 of `animation`; gives its path. Raises ConfigError for one without `.mp4`."""
    path = _place(path, ".mp4")
    check_number("frames_per_second", frames_per_second, at_least=SLOWEST, at_most=_FASTEST_FILM)
    pictures = _shown(frames, there_and_back)
    height, width = pictures.shape[1:3]
    even = np.pad(pictures, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    made = _film(even, float(frames_per_second))
    write_whole(path, lambda partial: _write(partial, made))
    return path


def _film(pictures: NDArray[np.uint8], frames_per_second: float) -> bytes:
    """The MP4 of RGB `pictures` [frames, height, width, 3] with even sides. The encoder, a process
    of its own, does not say why it could not write: it is given a place in the system's temporary
    folder.
    """
    import imageio.v3 as imageio

    settings: dict[str, Any] = {
        "fps": frames_per_second,
        "codec": "libx264",
        "quality": 9,
        "macro_block_size": 2,
        "ffmpeg_log_level": "quiet",
    }
    with TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        try:
            imageio.imwrite(film, pictures, plugin="FFMPEG", extension=".mp4", **settings)
            return film.read_bytes()
        except OSError as error:
            reason = f"the encoder ended: {error}; is the temporary folder full?"
            raise StorageError(str(film), reason) from error


def write_strip(path: Path, frames: Any) -> Path:
    """The frames [points, channels, height, width] in [-1, 1] in a row, one pixel each of theirs;
    gives the path. Raises ConfigError for one without `.png`.
    """
    from PIL import Image

    path = _place(path, ".png")
    strip = Image.fromarray(np.concatenate(list(as_pictures(frames, "strip")), axis=1))
    write_whole(path, lambda partial: strip.save(partial, format="PNG"))
    return path


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _shown(frames: Any, there_and_back: bool) -> NDArray[np.uint8]:
    pictures = as_pictures(frames, "animation")
    scale = max(1, _SIDE // max(pictures.shape[1:3]))
    pictures = pictures.repeat(scale, axis=1).repeat(scale, axis=2)
    return np.concatenate([pictures, pictures[-2:0:-1]]) if there_and_back else pictures

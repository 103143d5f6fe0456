"""Frames of any tool on disk: which files of a folder are a path's, and how they are read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import is_file, is_folder
from scoregeo._utils.picture_file import SUFFIXES as PICTURES
from scoregeo._utils.picture_file import opened_picture, picture_errors
from scoregeo._utils.words import count
from scoregeo.dataset.picture import (
    check_picture,
    flat_picture,
    folders_below,
    name_skipped,
    pictures_below,
    pictures_in,
    pixels_of,
)

SIDE = 512  # pixels that DiffMorpher's protocol resizes every frame to, for LPIPS
FEWEST = 3  # frames of a path: of fewer the protocol takes none
SUFFIXES = tuple(ending for ending in PICTURES if ending != ".gif")
FILMS = (".gif", ".mp4", ".mov", ".avi", ".mkv", ".webm")
_NOT_FRAMES = ("strip", "animation")  # what this project writes beside its frames
_READ_AT_ONCE = 16  # pictures of 512 x 512; fewer of larger ones


@dataclass(frozen=True)
class FrameSequence:
    """One path's frames in order. `name`: the folder's path below the one that was asked for, ""
    for that itself; `sizes`: the (width, height) that occur.
    """

    name: str
    frames: tuple[Path, ...]
    sizes: frozenset[tuple[int, int]]


def find_sequences(folder: Path, reference: Path | None = None) -> list[FrameSequence]:
    """Each folder of pictures at or below `folder` is the frames of a path, in the natural order of
    their names (frame_2 before frame_10, 0.05 before 0.1); but for the pictures of `reference`,
    where that lies below it.

    Files with a picture's ending other than .gif are frames; hidden files and this project's strips
    and animations beside them are passed over, others named in a warning. Raises DataError where
    there are no frames, and names the folder that has fewer than three and the file that is no
    picture or an animation.
    """
    _check_folder(folder, "FOLDER, of frames,")
    found, folders = [], folders_below(folder)
    if reference is not None and reference.resolve() != folder.resolve():
        references = reference.resolve()
        folders = [one for one in folders if not one.resolve().is_relative_to(references)]
    name_skipped(folders, folder, _NOT_FRAMES)
    for one in folders:
        frames = tuple(path for path in pictures_in(one) if _is_frame(path))
        name = "" if one == folder else one.relative_to(folder).as_posix()
        if not frames:
            continue
        sizes = frozenset(check_frame(path) for path in frames)
        if len(frames) < FEWEST:
            raise DataError(
                f"{one} holds {count(len(frames), 'frame')}: a path has at least {FEWEST}, its"
                " ends and what lies between."
            )
        found.append(FrameSequence(name, frames, sizes))
    if not found:
        raise DataError(
            f"{folder} holds no frames: a folder of {', '.join(SUFFIXES)} files, or a folder of"
            f" such folders, is expected.{_of_films(folder)}"
        )
    return found


def find_references(folder: Path) -> list[Path]:
    """Pictures at any depth, but for strips and animations as in `find_sequences`. Raises DataError
    for fewer than two, and for what is no picture.
    """
    _check_folder(folder, "--reference")
    found = [path for path in pictures_below(folder) if _is_frame(path)]
    if len(found) < 2:
        raise DataError(
            f"--reference = {str(folder)!r} holds {count(len(found), 'picture')}: a set of fewer"
            " than two has no covariance, so FID and KID need at least two."
        )
    for path in found:
        check_frame(path)
    return found


def check_frame(path: Path) -> tuple[int, int]:
    """Width and height by the file's header. Raises DataError, naming the file, for what is no
    picture, too small, or an animation.
    """
    size = check_picture(path)
    with opened_picture(path) as picture, picture_errors(path):
        # A camera's JPEG may hold a second view of the same picture (MPO).
        if getattr(picture, "n_frames", 1) > 1 and picture.format not in ("MPO", "HEIF"):
            raise DataError(f"{path} is an animation: one picture a file is expected.")
    return size


def read_frame(path: Path, side: int | None = None) -> torch.Tensor:
    """A frame as [3, height, width] float32 in [-1, 1]; with `side` resized to `side` x `side`.

    As DiffMorpher's protocol reads it: the whole picture resized, its shape not kept, by Pillow's
    antialiased bilinear filter. Transparency is laid on white (there it is dropped). Raises
    DataError as `flat_picture`.
    """
    from PIL import Image

    picture = flat_picture(path)
    if side is not None and picture.size != (side, side):
        picture = picture.resize((side, side), Image.Resampling.BILINEAR)
    return pixels_of(picture)


def equal_sizes(paths: Iterable[Path]) -> Iterator[torch.Tensor]:
    """Pictures at their own size, in order, as batches [batch, 3, height, width] of one size."""
    held: list[torch.Tensor] = []
    for path in paths:
        picture = read_frame(path)
        most = min(_READ_AT_ONCE, _READ_AT_ONCE * SIDE**2 * 3 // picture.numel())
        if held and (len(held) >= most or held[0].shape != picture.shape):
            yield torch.stack(held)
            held = []
        held.append(picture)
    if held:
        yield torch.stack(held)


def _is_frame(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.stem not in _NOT_FRAMES


def _check_folder(folder: Path, what: str) -> None:
    if is_file(folder) and folder.suffix.lower() in FILMS:
        raise DataError(f"{folder} is no folder.{_of_films(folder)}")
    if not is_folder(folder):
        raise DataError(f"{what} = {str(folder)!r} is not allowed: there is no such folder.")


def _of_films(place: Path) -> str:
    """How the frames of an animation or a video become files, where `place` is or holds one."""
    films = [place] if place.is_file() else sorted(place.rglob("*"))
    film = next((one for one in films if one.suffix.lower() in FILMS), None)
    if film is None:
        return ""
    return (
        f" {film} is an animation or a video; `mkdir frames && ffmpeg -i {film}"
        " frames/%04d.png` makes its frames files."
    )

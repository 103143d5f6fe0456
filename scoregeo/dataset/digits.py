"""Handwritten digits: MNIST from a download, a folder of idx files, or the embedded set.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits". The embedded set is
the first 10,000 training and the first 3,000 test digits, xz-compressed. Code that picks digits
picks among these, so every source gives the same pairs.
"""

import gzip
import logging
import lzma
import math
import socket
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from scoregeo._utils.cache import cache_folder
from scoregeo._utils.errors import ConfigError, DataError, bad_value, check_choice
from scoregeo._utils.files import is_file, path_of

log = logging.getLogger(__name__)

EMBEDDED = Path(__file__).parent.parent / "assets" / "digits"
EMBEDDED_COUNT = {"train": 10_000, "test": 3_000}
SOURCES = ("auto", "download", "folder", "embedded")
_FILES = {"train": "train", "test": "t10k"}
_SUFFIXES = ("", ".gz", ".xz")
_DOWNLOAD_TIMEOUT = 10.0  # seconds to wait for an answer before falling back


@dataclass(frozen=True)
class Digits:
    """One split. `images` uint8 [count, 28, 28], 0 to 255; `labels` int64 [count], 0 to 9; `source`
    for the log.
    """

    images: torch.Tensor
    labels: torch.Tensor
    source: str


def read_idx(path: Path) -> np.ndarray:
    """Read one idx file of unsigned bytes, plain, gzip or xz.

    Raises DataError, naming the file, for a wrong magic number, a wrong type, or a length that is
    not what the header says."""
    unpack = {".gz": gzip.decompress, ".xz": lzma.decompress}.get(path.suffix, bytes)
    try:
        data = unpack(path.read_bytes())
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != 0x08 or not 1 <= data[3] <= 4:
        raise DataError(
            f"{path} is not an idx file of unsigned bytes (it starts with"
            f" {data[:4].hex() or 'nothing'})."
        )
    rank = data[3]
    header = 4 + 4 * rank
    if len(data) < header:
        raise DataError(f"{path} is truncated within its idx header ({len(data)} bytes).")
    shape = struct.unpack(f">{rank}I", data[4:header])
    if len(data) - header != math.prod(shape):
        raise DataError(
            f"{path} is truncated or damaged: header says {math.prod(shape)} bytes, file has"
            f" {len(data) - header}."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def load_digits(split: str, source: str = "auto", root: str | Path | None = None) -> Digits:
    """Load one split of MNIST.

    Args:
        split: "train" or "test".
        source: "folder" reads idx files in `root`; "download" uses torchvision's download into a
            cache folder; "embedded" the shipped subset; "auto" is "folder" where `root` is given,
            else "download", else, with a line of log, "embedded".
        root: folder that holds `train-images-idx3-ubyte` and its three companions (plain, .gz or
            .xz).

    Raises:
        ConfigError: unknown split or source, or a source without what it needs.
        DataError: missing or damaged files.
    """
    check_choice("split", split, ("train", "test"))
    check_source(source, root)
    if root is not None:
        return _read_split(path_of("dataset.root", root), split, f"idx files in {root}")
    if source == "embedded":
        return _embedded(split)
    try:
        return _download(split)
    except DataError as error:
        if source == "download":
            raise
        log.warning(
            "MNIST could not be downloaded (%s): using the %d embedded %s digits.",
            error,
            EMBEDDED_COUNT[split],
            split,
        )
        return load_digits(split, "embedded")


def check_source(source: str, root: str | Path | None) -> None:
    """Raise ConfigError for a source or a root that cannot be, and for two that do not go together,
    as `load_digits`.
    """
    check_choice("dataset.source", source, SOURCES)
    if source == "folder" and root is None:
        raise ConfigError("dataset.source = 'folder' needs dataset.root, a folder of idx files.")
    if root is not None:
        folder = path_of("dataset.root", root)
        if source not in ("auto", "folder"):
            allowed = f"null with dataset.source = {source!r}, which reads no folder of one's own"
            raise bad_value("dataset.root", str(folder), allowed)


@cache
def _embedded(split: str) -> Digits:
    """Unpacked once a process, 8 MB: nobody writes to it."""
    return _read_split(EMBEDDED, split, f"embedded ({EMBEDDED_COUNT[split]} digits)")


def _download(split: str) -> Digits:
    from torchvision.datasets import MNIST

    root = cache_folder()
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT)
    try:
        MNIST(root, train=split == "train", download=True)
    # torchvision asserts and unpacks what lies there, whole or not.
    except (OSError, RuntimeError, AssertionError, ValueError, EOFError, struct.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{reason}, in {root / 'MNIST'}") from error
    finally:
        socket.setdefaulttimeout(before)
    return _read_split(root / "MNIST" / "raw", split, f"torchvision download in {root}")


def _read_split(root: Path, split: str, source: str) -> Digits:
    images = read_idx(_find(root, f"{_FILES[split]}-images-idx3-ubyte"))
    labels = read_idx(_find(root, f"{_FILES[split]}-labels-idx1-ubyte"))
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(
            f"{root}: {split} images have shape {images.shape}, expected [count, 28, 28]."
        )
    if labels.shape != images.shape[:1] or (labels > 9).any():
        raise DataError(
            f"{root}: {split} labels have shape {labels.shape} for {len(images)} images, or a label"
            " above 9."
        )
    return Digits(
        torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64)), source
    )


def _find(root: Path, name: str) -> Path:
    for suffix in _SUFFIXES:
        if is_file(path := root / f"{name}{suffix}"):
            return path
    raise DataError(
        f"{root} holds no {name} (nor {name}.gz, {name}.xz): dataset.root must be a folder of"
        " MNIST's idx files."
    )

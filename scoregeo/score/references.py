"""References by the million: points in a file that is read where it is needed, never held whole."""

import json
import math
from pathlib import Path

import numpy as np

from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import DataError

_KINDS = {"F16": "float16", "F32": "float32", "F64": "float64"}
_WHOLE = 2**28  # bytes of data that are known again by all of them
_PROBES = 1024  # points by which larger data are


def open_references(path: Path) -> np.ndarray:
    """The points [count, *shape] of a `.npy` file, or of a `.safetensors` file with one tensor,
    memory-mapped: float16, float32 or float64.

    Raises DataError, naming the file, where it is missing, damaged, truncated or holds anything
    else.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist: a .npy or .safetensors file is expected there.")
    try:
        data = _safetensors(path) if path.suffix == ".safetensors" else np.load(path, mmap_mode="r")
    except (ValueError, OSError, KeyError, TypeError, EOFError) as error:
        raise DataError(f"{path} is damaged, or no .npy or .safetensors file: {error}") from error
    if not isinstance(data, np.ndarray) or data.dtype.name not in _KINDS.values() or data.ndim < 2:
        what = f"{data.dtype} {list(data.shape)}" if isinstance(data, np.ndarray) else "an archive"
        raise DataError(f"{path} holds {what}: floating-point points [count, *shape] are expected.")
    if len(data) == 0:
        raise DataError(f"{path} holds no points.")
    return data


def fingerprint(data: np.ndarray) -> str:
    """What points [count, *shape] are known by again: their number, shape and type, and the bytes
    of all up to 256 MiB, of larger data those of 1,024 points, evenly spread.
    """
    if data.nbytes <= _WHOLE:
        return content_hash(list(data.shape), np.ascontiguousarray(data))
    rows = np.unique(np.linspace(0, len(data) - 1, min(_PROBES, len(data))).astype(np.int64))
    return content_hash(list(data.shape), np.ascontiguousarray(data[rows]))


def _safetensors(path: Path) -> np.ndarray:
    """The one tensor of a file, mapped at its place behind the header."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 0 < length <= size - 8:
            raise ValueError("its header does not fit the file")
        header = json.loads(stream.read(length))
    tensors = {name: one for name, one in header.items() if name != "__metadata__"}
    if len(tensors) != 1:
        raise ValueError(f"it holds {len(tensors)} tensors, and one is expected")
    (one,) = tensors.values()
    begin, end = one["data_offsets"]
    kind = np.dtype(_KINDS.get(one["dtype"], one["dtype"]))
    if end - begin != math.prod(one["shape"]) * kind.itemsize or 8 + length + end != size:
        raise ValueError("its length is not what its header says")
    mapped = np.memmap(path, kind, "r", 8 + length + begin, tuple(one["shape"]))
    return np.asarray(mapped)

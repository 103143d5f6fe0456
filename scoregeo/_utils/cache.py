"""Where downloads, and what is computed on demand, are kept between runs; names by content."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

DIGITS = 16  # hexadecimal digits of a content hash


def cache_folder() -> Path:
    """$SCOREGEO_CACHE, else ~/.cache/scoregeo."""
    return Path(os.environ.get("SCOREGEO_CACHE", Path.home() / ".cache" / "scoregeo"))


def content_hash(*parts: Any, digits: int = DIGITS) -> str:
    """The first `digits` hexadecimal digits of the SHA-256 of all `parts`, in order.

    A part is bytes, an array or tensor (its bytes, dtype and shape), or a JSON value, of which keys
    are sorted and other objects are taken by `str`.
    """
    found = hashlib.sha256()
    for part in parts:
        found.update(_bytes(part) + b"\0")
    return found.hexdigest()[:digits]


def _bytes(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    if hasattr(part, "detach"):  # a tensor, without importing torch
        part = part.detach().cpu().contiguous().numpy()
    if hasattr(part, "tobytes"):
        return f"{part.dtype}{part.shape}".encode() + part.tobytes()
    return json.dumps(part, sort_keys=True, default=str).encode()

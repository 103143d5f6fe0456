"""The format of run folders' files, and the check that what is read has it."""

from collections.abc import Mapping
from typing import Any

from scoregeo._utils.errors import DataError

FORMAT = 3  # 1 had no comparisons and no units, 2 had bootstrap intervals


def check_format(content: Any, where: str) -> Mapping[str, Any]:
    """`content` itself. Raises DataError, naming `where`, the format found and the one expected,
    for any other than `FORMAT`.
    """
    if not isinstance(content, Mapping):
        raise DataError(
            f"{where} holds {type(content).__name__}, not an object with a format: it was written"
            " by another version."
        )
    found = content.get("format")
    if found != FORMAT:
        raise DataError(
            f"{where} has format {found!r}, this version reads format {FORMAT}: run its command"
            " again, with overwrite=true."
        )
    return content

"""Names that become parts of paths: one plain, unique, short component each."""

import re
from collections.abc import Iterable

from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import bad_value

LONGEST = 120  # bytes in UTF-8; a file system takes 255, and endings and prefixes are added
_SEPARATORS = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')


def plain_name(text: str) -> str:
    """`text` as one component of a path: letters, digits, points and lines, at most `LONGEST`
    bytes, no hidden file. A plain name is left as it is; a long one ends in a hash of the whole.
    """
    name = re.sub(r"[^\w.-]+", "_", text)
    if not name or name.startswith("."):
        name = f"_{name.lstrip('.')}"
    data = name.encode()
    if len(data) <= LONGEST:
        return name
    ending = f"-{content_hash(data, digits=8)}"
    return data[: LONGEST - len(ending)].decode(errors="ignore") + ending


def unique_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Plain names in the same order, no two alike, also where a file system has no case: of two
    that would be, the later one is counted, `x_p-2`.
    """
    taken: set[str] = set()
    found = []
    for text in texts:
        name, number = plain_name(text), 1
        while name.casefold() in taken:
            number += 1
            name = plain_name(f"{plain_name(text)}-{number}")
        taken.add(name.casefold())
        found.append(name)
    return tuple(found)


def check_name(key: str, value: object) -> None:
    """Raise ConfigError unless `value` can name a folder: one component of a path, not hidden, not
    longer than `LONGEST` bytes.
    """
    if (
        not isinstance(value, str)
        or not value.strip()
        or value.startswith(".")
        or value != value.strip()
        or _SEPARATORS.search(value)
        or len(value.encode(errors="replace")) > LONGEST
    ):
        raise bad_value(
            key,
            value,
            f'a name that a folder can have: at most {LONGEST} bytes, not empty, no / \\ : * ? " <'
            " > | in it and no point before it",
        )

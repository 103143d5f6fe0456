"""Words of numbers, hints, and plain tables."""

import difflib
import textwrap
from collections.abc import Sequence

_NARROW = 12  # to which a column's title is broken where its values are no wider


def count(number: int, noun: str, one: str = "", many: str = "") -> str:
    """A number with its noun, in the plural where it is not one, and with the verb that agrees with
    it: "1 pair", "2 pairs"; with `one="is"`, `many="are"` "1 pair is", "2 pairs are".
    """
    words = f"{number:,} {noun}" + ("" if number == 1 else "s")
    return f"{words} {one if number == 1 else many}".rstrip()


def did_you_mean(word: str, words: Sequence[str], most: int = 3) -> str:
    """A hint at the words nearest to one that is not known, with a space before it; "" where none
    is near.
    """
    near = difflib.get_close_matches(word, words, most)
    return f" (did you mean {' or '.join(repr(one) for one in near)}?)" if near else ""


def aligned(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table as text: the first column to the left, the others to the right, titles broken into
    lines about as wide as their values.
    """
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(head))]
    parts = [
        textwrap.wrap(title, max(width, _NARROW), break_long_words=False) or [""]
        for title, width in zip(head, widths, strict=True)
    ]
    height = max(map(len, parts))
    titles = [
        [one[k - height + len(one)] if k >= height - len(one) else "" for one in parts]
        for k in range(height)
    ]
    table = [*titles, *lines]
    widths = [max(len(line[i]) for line in table) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )

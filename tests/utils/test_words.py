"""Numbers with their nouns."""

import pytest

from scoregeo._utils.words import aligned, count


@pytest.mark.parametrize(
    "number, words",
    [(0, "0 pairs are"), (1, "1 pair is"), (2, "2 pairs are"), (1200, "1,200 pairs are")],
)
def test_noun_and_verb_agree_with_the_number(number: int, words: str) -> None:
    assert count(number, "pair", "is", "are") == words
    assert count(number, "pair") == words.rsplit(" ", 1)[0]


def test_a_table_with_broken_titles() -> None:
    lines = [["LERP", "0.1", "1234567.125"], ["a long name", "-0.25", ""]]
    shown = aligned(["method", "greatest distance to truth", "energy"], lines)
    assert shown.splitlines() == [
        "                greatest",
        "             distance to",
        "method             truth       energy",
        "LERP                 0.1  1234567.125",
        "a long name        -0.25",
    ]
    assert aligned(["", "FID"], []) == "  FID"

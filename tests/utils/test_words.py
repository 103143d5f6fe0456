"""Numbers with their nouns."""

import pytest

from scoregeo._utils.words import count


@pytest.mark.parametrize(
    "number, words",
    [(0, "0 pairs are"), (1, "1 pair is"), (2, "2 pairs are"), (1200, "1,200 pairs are")],
)
def test_noun_and_verb_agree_with_the_number(number: int, words: str) -> None:
    assert count(number, "pair", "is", "are") == words
    assert count(number, "pair") == words.rsplit(" ", 1)[0]

"""The examples in the public docstrings run, and give what they show."""

import doctest

import pytest

import scoregeo

NAMES = [name for name in scoregeo.__all__ if ">>>" in (getattr(scoregeo, name).__doc__ or "")]


@pytest.mark.parametrize("name", NAMES)
def test_example(name: str) -> None:
    found = getattr(scoregeo, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(found, name, globs={})
    said: list[str] = []
    failed = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        example, out=said.append
    )
    assert failed.attempted and not failed.failed, "".join(said)


def test_most_public_names_have_an_example() -> None:
    assert len(NAMES) >= 12

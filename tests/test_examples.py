"""The examples in the public docstrings run, and give what they show."""

import doctest
import types

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


def test_every_public_name_has_an_example() -> None:
    """But for packages and errors."""
    plain = {
        name
        for name in scoregeo.__all__
        if isinstance(found := getattr(scoregeo, name), types.ModuleType)
        or (isinstance(found, type) and issubclass(found, Exception))
    }
    assert set(scoregeo.__all__) - plain == set(NAMES)

"""Runs with quick figures."""

from collections.abc import Iterator

import pytest

from tests.figures import quick_figures


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with quick_figures():
        yield

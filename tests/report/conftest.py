"""The report of the committed results, made once a session; quick figures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from scoregeo.report.command import report
from tests.figures import quick_figures

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="session")
def results_report(shared: Path) -> Path:
    place = shared / "results.html"
    with FileLock(f"{place}.lock"):
        return place if place.exists() else report(RESULTS, place)


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """For tests of what stands beside the figures."""
    with quick_figures():
        yield

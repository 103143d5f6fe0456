"""The report of the committed results, made once a session."""

from pathlib import Path

import pytest
from filelock import FileLock

from scoregeo.report.command import report

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="session")
def results_report(shared: Path) -> Path:
    place = shared / "results.html"
    with FileLock(f"{place}.lock"):
        return place if place.exists() else report(RESULTS, place)

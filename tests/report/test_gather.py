"""What names the rows of a study's page."""

from pathlib import Path

from scoregeo._utils.jobs import DONE, RecordedJob
from scoregeo.report.gather import _label


def job(case: str | None, *overrides: str) -> RecordedJob:
    page = {} if case is None else {"case": case}
    return RecordedJob("0", Path(), Path(), overrides, DONE, page=page)


def test_a_case_names_its_row_with_what_is_swept_beside_it() -> None:
    given = ("case/a=one", "dataset.step=5")
    assert _label(job("One digit", *given), ["case/a"]) == "One digit"
    assert _label(job("One digit", *given), ["case/a", "dataset.step"]) == "One digit, 5"
    assert _label(job(None, *given), ["case/a", "dataset.step"]) == "one, 5"
    assert _label(job(None, "metric.lam=10"), ["metric.lam"]) == "10"

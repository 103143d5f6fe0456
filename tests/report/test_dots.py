"""Dots of named cases: a file for each form, the same twice; nothing to draw is refused."""

from pathlib import Path

import pytest

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.dots import case_dots

PANELS = {
    "PSNR": {
        "clean": {"lerp": Estimate(12.0, 11.0, 13.0, 8), "stein_adam": Estimate(13.0, n=1)},
        "noisy": {"lerp": Estimate(12.5, 12.0, 13.0, 8)},
    },
    "energy": {"clean": {"lerp": Estimate(1e6, 1e5, 2e6, 8), "stein_adam": Estimate(1.0)}},
}


def test_files_whole_and_the_same_twice(tmp_path: Path) -> None:
    first = case_dots(tmp_path / "a", PANELS, title="T")
    assert [path.name for path in first] == ["a.pdf", "a.png"]
    second = case_dots(tmp_path / "b", PANELS, title="T")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


@pytest.mark.parametrize("panels", [{}, {"PSNR": {}}, {"PSNR": {"clean": {}}}])
def test_nothing_to_draw(tmp_path: Path, panels: dict[str, dict[str, dict[str, Estimate]]]) -> None:
    with pytest.raises(DataError, match="no value to draw"):
        case_dots(tmp_path / "a", panels)

"""The study of the rules for the noise level: its verdicts, its cells kept, and the page."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.noise_level import POINTS, choose_noise_level
from scoregeo.study.noise_level import QUICK, Cell, grid, run_case, sampled_cases, verdict
from scoregeo.study.noise_level_page import write_noise_level


def test_verdict() -> None:
    levels = [Cell("a", "stein", "", s, g, e, 1.0) for s, g, e in ((0.1, 0.4, 0.1), (0.2, 0.2, 0.3), (0.4, 0.5, 0.2))]
    other = Cell("a", "conformal", "", 0.1, 0.01, 0.01, 1.0)
    line = Cell("a", "straight", "", 0.0, 0.6, 0.5, 0.0)
    found = verdict([*levels, other, line, Cell("a", "stein", "auto", 0.25, 0.3, 0.15, 1.0)], "stein")
    assert found.ratio == pytest.approx(1.5) and found.length_ratio == pytest.approx(1.5)
    assert found.best.sigma == 0.2 and found.best_length.sigma == 0.1 and found.straight.greatest == 0.6


def test_the_grid_scales_with_the_data() -> None:
    case = sampled_cases()["sphere"]
    levels = torch.tensor(grid(case, replace(QUICK, levels=5)))
    # Points of the unit sphere are one from its centre, and a few percent less from the mean of 256 of them.
    assert 0.95 < float(levels[0]) <= 1
    torch.testing.assert_close(levels[:-2] / levels[2:], torch.full((3,), 2.0))


def test_no_design_manifold_is_among_the_tests() -> None:
    cases = sampled_cases()
    design = {case.title for case in cases.values() if case.design}
    tests = [case.title for case in cases.values() if not case.design]
    assert len(set(tests)) == len(tests) >= 4 and not design & set(tests)


def test_page(tmp_path: Path) -> None:
    cases, told = sampled_cases(), list[Cell]()
    names = QUICK.names or ()
    found = {name: run_case(cases[name], QUICK, tmp_path / "cells", told.append) for name in names}
    assert len(told) == len(names) * len(QUICK.metrics) * (QUICK.levels + 1) + len(names)
    # The rule's cell is at the rule's level.
    case = cases[names[1]]
    chosen = choose_noise_level(EmpiricalScore(case.dataset.sample(case.count, 0)), case.dataset.held_out(POINTS, 0))
    assert next(cell for cell in found[names[1]] if cell.rule).sigma == pytest.approx(chosen.sigma)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    assert [run_case(cases[name], QUICK, tmp_path / "cells", told.append) for name in names] == list(found.values())
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    page, numbers, figure = write_noise_level(tmp_path / "sigma_auto", cases, found, QUICK, "the command")
    text = page.read_text(encoding="utf-8")
    wanted = ("the command", "stein, sigma=auto, made on these", "not made on these", "5 waves", "Within 20 %")
    assert all(part in text for part in (*wanted, "figures/sigma_auto"))
    assert "nan" not in text and numbers.stat().st_size > 500 and figure.suffix == ".png"

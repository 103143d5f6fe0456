"""The study of starts: what counts as reached, the cells kept and taken again, and the pages, on a problem of known answer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scoregeo.core.files import read_json
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.score.base import AbstractScore
from scoregeo.study.cases import QUICK, cases, torus_case
from scoregeo.study.page import write_starts
from scoregeo.study.starts import Case, Cell, Joining, run_case, shares
from tests.initializer.cases import RoundInitializer, across_ends, along_ends, counted_gap_metric, given, metric_of, open_ring


def cell(start: str, energy: tuple[float | None, ...]) -> Cell:
    costs = (1.0,) * len(energy)
    return Cell("made", start, (30.0, 30.0, 60.0), energy, energy, costs, costs, ("converged",) * 3, (False,) * 3, 0.0)


def ring_case(num_points: int = 17) -> Case:
    def joining() -> Joining:
        ends = torch.cat([along_ends(), across_ends()])
        return Joining(ends, (72.0, 258.0), counted_gap_metric()[0], given(open_ring()))

    starts = {"lerp": LerpInitializer(), "round": RoundInitializer()}
    return Case("ring", "Ring with a gap", joining, {"lam": 100}, starts, num_points, 4, 40, far=("lerp",))


def test_shares_are_counted_by_hand() -> None:
    """Best energies 1, 2, 4: the first start has them within 5 %, 6 % above, and none."""
    found = {(s.start, s.angle): s for s in shares([cell("a", (1.04, 2.12, None)), cell("b", (1.0, 2.0, 4.0))])}
    a30, a60, whole = found["a", 30.0], found["a", 60.0], found["a", None]
    assert (a30.reached, a30.pairs, a60.reached, a60.pairs, whole.reached, whole.pairs) == (1, 2, 0, 1, 1, 3)
    assert a30.ratio == pytest.approx(1.04) and a60.ratio == float("inf") and whole.ratio == pytest.approx(1.06)
    assert found["b", None].reached == 3 and found["b", None].ratio == 1.0


def test_the_gap_s_answer_is_found(tmp_path: Path) -> None:
    found = {(s.start, s.angle): s for s in shares(run_case(ring_case(), tmp_path))}
    assert found["lerp", 72.0].reached == 1 and found["lerp", 258.0].reached == 0
    assert found["round", 258.0].reached == 1 and found["lerp", 258.0].ratio > 100
    assert found["round", 72.0].start_evaluations == 0 and found["round", 72.0].solver_evaluations > 0


def test_cells_are_taken_again_until_something_changes(tmp_path: Path) -> None:
    first = run_case(ring_case(9), tmp_path)

    def forbidden() -> Joining:
        pytest.fail("computed again")

    again = run_case(replace(ring_case(9), joining=forbidden), tmp_path)
    assert again == first
    files = sorted(tmp_path.glob("*.json"))
    assert len(files) == 2
    files[0].write_text("{", encoding="utf-8")  # a cell that is damaged is computed again
    assert [c.energy for c in run_case(ring_case(9), tmp_path)] == [c.energy for c in first]
    run_case(replace(ring_case(9), settings={"lam": 101}), tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 4


def test_a_start_that_fails_has_its_reason_and_no_energy(tmp_path: Path) -> None:
    class Bad(AbstractScore):
        @property
        def shape(self) -> tuple[int, ...]:
            return (2,)

        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return torch.full_like(x, torch.nan)

    bad = Joining(across_ends(), (258.0,), metric_of(Bad()), given(open_ring()))
    (lerp, _) = run_case(replace(ring_case(9), joining=lambda: bad), tmp_path)
    assert "not finite" in lerp.failure and lerp.status == ("failed",)
    assert [s.reached for s in shares([lerp])] == [0, 0]
    assert json.loads(next(tmp_path.glob("ring-lerp-*")).read_text(encoding="utf-8"))["energy"] == [None]


def test_page_table_and_figure(tmp_path: Path) -> None:
    case = torus_case(QUICK)
    cells = run_case(case, tmp_path / "cells")
    page, numbers, figure = write_starts(tmp_path / "results" / "starts", {"torus": case}, {"torus": cells}, "make starts")
    text = page.read_text(encoding="utf-8")
    assert "## Torus in R^3" in text and "make starts" in text and "| start | 30 deg | 90 deg | all |" in text
    assert all(f"| {start} |" in text for start in case.starts)
    lines = numbers.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(case.starts) * 3 * 5  # angles and all of them, five measures
    assert figure.name == "starts.png" and figure.stat().st_size > 1000
    assert read_json(next((tmp_path / "cells").glob("torus-lerp-*")))["case"] == "torus"


def test_cases_cover_what_the_study_promises() -> None:
    known = cases()
    assert list(known) == ["torus", "digits_1", "digits_10", "digits_100", "digits_all"]
    wanted = {"lerp", "slerp", "perturbed", "graph_data", "continued", "high_noise"}
    assert all(set(case.starts) == wanted for name, case in known.items() if name != "digits_all")
    assert set(known["digits_all"].starts) == wanted | {"graph_model"}
    assert all(case.settings["angles"] == (30.0, 60.0, 90.0, 120.0, 180.0) for case in known.values())

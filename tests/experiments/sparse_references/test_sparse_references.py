"""The study of sparse references: what its cases hold out, and a tiny run with its page."""

import json
from pathlib import Path

import pytest
import torch
from scipy.stats import ttest_rel

from experiments.sparse_references.page import _finding
from experiments.sparse_references.results import (
    CONTROL,
    LERP,
    POWER,
    Done,
    by_case,
    differences,
)
from scoregeo.evaluation.difference import holm
from scoregeo.run.command import compose
from tests.commands import command
from tests.sweeps import in_profiles, points_in_profiles

TINY = (
    "dataset.source=embedded",
    "dataset.angles=[60]",
    "dataset.pairs_per_angle=2",
    "solver.num_points=7",
    "solver.subnodes=1",
    "solver.max_iterations=2",
    "initializer.subnodes=1",
    "evaluation.certify_subnodes=1",
    "evaluation.kid_subset_size=4",
    "evaluation.reference_frames=16",
    "threads=1",
)

START = "start_graph"


PAIRS = 10
SPREAD = torch.linspace(-1, 1, PAIRS).double()


def made(case: str, step: float, start: float, geodesic: float, spread: float = 0.3) -> Done:
    """A run whose graphs have 20 and 22 dB, and whose methods differ from them pair by pair."""
    graphs = {LERP: 10 + SPREAD, CONTROL: 20 + SPREAD, POWER: 22 + SPREAD.flip(0) / 2}
    own = {START: start + SPREAD.roll(3) * spread, "g": geodesic - SPREAD.roll(5) * spread}
    return Done(case, step, 36, 1.0, 0.25, {}, {"psnr": {**graphs, **own}}, START, "g", {})


def test_the_finding_names_the_steps_where_corrected_tests_say_so() -> None:
    sparse, dense = made("ten", 20, 27, 33), made("ten", 2, 27, 24)
    cases = by_case([sparse, dense])
    assert [run.step for run in cases["ten"]] == [2, 20]
    text = _finding(cases)
    assert "graphs at 2, 20 degrees" in text and "the start at 20 degrees" in text
    assert "the start nowhere" in _finding(by_case([dense]))
    worse = made("ten", 2, 21.5, 33)
    assert "graphs nowhere" in _finding(by_case([worse])), "both graphs must be beaten"


def test_differences_of_a_case_are_one_family() -> None:
    runs = [made("ten", 20, 23, 24, spread=0.8), made("ten", 2, 27, 33)]
    tested = differences(runs)
    found = [one for run in tested.values() for one in run.values()]
    assert len(found) == 10
    assert [one.p_corrected for one in found] == holm([one.difference.p for one in found])
    one = tested[20]["power"]  # scipy's paired t test, times no fewer than the larger ones of ten
    p = ttest_rel(*(runs[0].values["psnr"][name] for name in ("g", POWER))).pvalue
    assert one.difference.p == pytest.approx(max(p, 2 / 2**PAIRS), rel=1e-9)
    assert one.p_corrected > one.difference.p and f"p = {one.p_corrected:.2g}" == one.cell.detail


def test_the_score_keeps_its_data_and_every_density_fits_the_graphs() -> None:
    points = points_in_profiles("study=sparse_references")
    made = [in_profiles(*job) for job in points["full"]]
    for profile in ("quick", "full"):
        jobs = [
            job[profile][0]
            for asked, job in zip(points["full"], made, strict=True)
            if asked in points[profile]
        ]
        assert len(jobs) == len(points[profile])
        names = {config["page"]["case"] for config in jobs}
        steps = {config["dataset"]["reference_step"] for config in jobs}
        assert len(jobs) == len(names) * len(steps)
        for config in jobs:
            data = config["dataset"]
            of_digit = 360 / data["reference_step"]
            graphs = (config["initializer"], config["baseline"]["graph_euclidean"])
            assert all(graph["num_references"] >= data["identities"] * of_digit for graph in graphs)
            assert graphs[0]["subnodes"] >= data["reference_step"] / 4
            if "count" in config["score"]:
                assert config["score"]["count"] >= data["identities"] * data["sample_angles"]


@pytest.mark.parametrize(("step", "parts"), [(2, 4), (4, 4), (5, 5), (60, 60)])
def test_a_part_of_an_edge_is_a_degree_of_the_step(step: int, parts: int) -> None:
    given = ("study=sparse_references", "case/sparse_references=exact_ten")
    config = compose([*given, f"dataset.reference_step={step}"])[0]
    assert config["initializer"]["subnodes"] == parts


@pytest.mark.slow
def test_a_tiny_study_writes_its_page(tmp_path: Path) -> None:
    results = tmp_path / "results"
    given = (
        "study=sparse_references",
        "case/sparse_references=exact_one,exact_ten_references",
        "dataset.reference_step=20,60",
        *TINY,
        f"output={tmp_path}",
        f"results={results}",
    )
    assert command(*given) is None
    folder = results / "sparse_references"
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert (
        text.startswith("# Where the metric adds something")
        and "What is held out. one digit" in text
        and "each joined to its nearest: 2 by lengths, 6 by fourth powers," in text
    )
    typed = f"{given[1]} {given[2]}\n"  # the sweeps that the command asked for, at its end
    assert typed in text and "scoregeo study=sparse_references" in text
    assert (folder / "figures" / "sparse_references.png").stat().st_size > 5000
    tables = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["tables"]
    assert [table["caption"].partition(",")[0] for table in tables][:2] == [
        *("one digit", "ten digits")
    ]
    one = tables[0]["rows"]
    assert [row["labels"]["references"] for row in one] == ["18"] * 5 + ["6"] * 5
    lerp = {row["cells"]["psnr"]["mean"] for row in one if row["labels"]["method"] == LERP}
    assert len(lerp) == 1, "the pairs do not follow the references"
    control, start = (
        {row["labels"]["references"]: row["cells"]["psnr"]["mean"] for row in one
         if row["labels"]["method"] == name}
        for name in (CONTROL, START)
    )  # fmt: skip
    weights = {
        row["labels"]["references"]: row["cells"]["weights"]["mean"]
        for row in next(one for one in tables if "PSNR" in one["caption"])["rows"]
        if row["labels"]["case"].startswith("one")
    }
    for key, found in weights.items():
        assert found == pytest.approx(start[key] - control[key], abs=1e-9)

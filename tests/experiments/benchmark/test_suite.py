"""Finished units are kept, changed ones are made anew, and the tables say what the numbers say."""

from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.benchmark.figures import growth_figures, race_figures
from experiments.benchmark.growth import GrowthSettings, growth
from experiments.benchmark.overhead import TimedScore, random_unet
from experiments.benchmark.race import RaceSettings, race
from experiments.benchmark.store import Store
from experiments.benchmark.tables import growth_tables, package_tables, race_tables
from scoregeo.evaluation.statistics import Estimate, NotAvailable


def test_a_unit_is_computed_once_for_its_settings(tmp_path: Path) -> None:
    store, calls = Store(tmp_path), list[int]()

    def compute() -> dict[str, Any]:
        calls.append(1)
        return {"x": float("inf"), "n": len(calls)}

    assert store.unit("part/one", {"a": (1, 2)}, compute) == store.unit(
        "part/one", {"a": (1, 2)}, compute
    )
    assert len(calls) == 1
    assert store.unit("part/one", {"a": (1, 3)}, compute)["n"] == 2
    assert store.unit("part/one", {"a": (1, 3)}, compute)["x"] is None
    (tmp_path / "part" / "one.json").write_text("{", encoding="utf-8")
    assert store.unit("part/one", {"a": (1, 3)}, compute)["n"] == 3


def test_race_rows_and_figure(tmp_path: Path) -> None:
    settings = RaceSettings(
        "sphere", 2, 17, rates=(1e-3, 1e-2), iterations=20, max_iterations=20, limit=1.0
    )
    found = Store(tmp_path).unit("u", {}, lambda: race(settings, 30.0, 0))
    # Of two rates on twenty steps the one that comes further down is kept.
    assert found["rate"] == 1e-2
    (caption, rows), *rest = race_tables({"sphere-lam30": found}).items()
    assert (
        not rest
        and caption.endswith("sphere")
        and [row.labels["lam"] for row in rows] == ["30"] * 7
    )
    for row in rows:
        run = found["solvers"][row.labels["solver"]]
        arrived = [count / 17 for count in run["evaluations"] if count is not None]
        cell = row.cells["evaluations"]
        if arrived:
            assert isinstance(cell, Estimate) and cell.mean == pytest.approx(
                sum(arrived) / len(arrived)
            )
        else:
            assert isinstance(cell, NotAvailable)
    assert any(row.labels["solver"] == "gauss_newton" for row in rows)
    assert all(path.is_file() for path in race_figures({"sphere-lam30": found}, tmp_path))


def test_growth_rows_and_figure(tmp_path: Path) -> None:
    settings = GrowthSettings(points=9, pairs=2, lam=10.0, max_iterations=10, limit=1.0)
    found = {f"points-{n}": growth(settings, "points", n, 0) for n in (5, 9)}
    assert [unit["points"] for unit in found.values()] == [5, 9]
    (rows,) = growth_tables(found).values()
    assert [row.labels["points"] for row in rows] == ["5"] * 4 + ["9"] * 4
    assert [path.name for path in growth_figures(found, tmp_path)] == ["growth-points.png"]


def test_library_rows_take_the_first_try_that_is_accurate_enough() -> None:
    tries = [
        {"setting": "coarse", "error": 0.05, "evaluations": 10, "reason": ""},
        {"setting": "middle", "error": 0.005, "evaluations": 30, "reason": ""},
        {"setting": "fine", "error": None, "evaluations": 90, "reason": "gave up"},
    ]
    found = {"sigma0.3-lam10": {"boundary": {"one": tries}, "initial": {}}}
    met, missed = package_tables(found, (1e-2, 1e-3))["3. Other libraries in R^3, from end to end"]
    assert (
        met.labels["setting"] == "middle"
        and met.labels["sigma"] == "0.3"
        and met.cells["evaluations of the score"] == Estimate(30)
    )
    assert missed.cells["error"] == NotAvailable(
        "gave up; greatest distance to the reference 0.005"
    )


def test_a_random_network_is_the_same_for_a_seed_and_is_timed() -> None:
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    timed = TimedScore(random_unet(32, 3))
    first, again = timed.score(x, 0.5), random_unet(32, 3).score(x, 0.5)
    assert torch.equal(first, again) and torch.equal(torch.get_rng_state(), state)
    assert timed.seconds > 0
    assert not torch.equal(first, random_unet(32, 4).score(x, 0.5))

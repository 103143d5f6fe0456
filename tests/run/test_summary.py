"""From records to means and comparisons: pairs are the unit, the best baseline the reference."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import t as t_distribution
from scipy.stats import ttest_rel

from scoregeo.evaluation.columns import COLUMNS, direction
from scoregeo.evaluation.settings import METRICS
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.table import summary_entry
from scoregeo.run.summary import compare_methods, compare_pairwise, summarise

PAIRS = 8


def record(
    method: str, role: str, values: dict[str, list[float]], group: str = "all", units: int = PAIRS
) -> dict[str, Any]:
    count = len(next(iter(values.values())))
    lines = [
        {
            "unit": f"p{i % units}",
            "group": group,
            "measures": {name: found[i] for name, found in values.items()},
        }
        for i in range(count)
    ]
    return {
        "method": method,
        "role": role,
        "pairs": lines,
        "not_available": {},
        "distribution": [],
        "jackknife": {},
    }


def noise(seed: int, scale: float = 0.1) -> list[float]:
    return (torch.randn(PAIRS, generator=torch.Generator().manual_seed(seed)) * scale).tolist()


def around(value: float, seed: int) -> list[float]:
    return [value + x for x in noise(seed)]


def test_every_method_against_the_best_baseline() -> None:
    records = [
        record("truth", "truth", {"psnr": around(99, 0)}),
        record("lerp", "baseline", {"psnr": around(15, 1)}),
        record("slerp", "baseline", {"psnr": around(16, 2)}),
        record("start_graph", "start", {"psnr": around(50, 3)}),
        record("stein_gauss_newton", "ours", {"psnr": around(30, 4)}),
        record("stein_adam", "ours", {"psnr": around(10, 5)}),
    ]
    entries = compare_methods(records)
    found = {(entry["method"], entry["reference"]): entry for entry in entries}
    assert {names: entry["better"] for names, entry in found.items()} == {
        ("lerp", "slerp"): False,
        ("start_graph", "slerp"): True,
        ("stein_gauss_newton", "slerp"): True,
        ("stein_adam", "slerp"): False,
        ("stein_gauss_newton", "start_graph"): False,
        ("stein_adam", "start_graph"): False,
    }
    assert len(found) == len(entries) and {entry["n"] for entry in entries} == {PAIRS}
    # Eight pairs all one way: 2 / 2^8, times six comparisons.
    worst = found["stein_adam", "slerp"]
    assert worst["p"] == pytest.approx(2 / 2**8)
    assert worst["p_corrected"] == pytest.approx(12 / 2**8)
    ours = found["stein_gauss_newton", "slerp"]["difference"]
    assert ours == pytest.approx(14, abs=0.2)


def test_a_start_that_equals_a_baseline_is_not_compared_again() -> None:
    line = around(15, 1)
    records = [
        record("lerp", "baseline", {"psnr": line}),
        record("slerp", "baseline", {"psnr": around(16, 2)}),
        record("start_lerp", "start", {"psnr": [value * (1 + 1e-13) for value in line]}),
        record("stein_gauss_newton", "ours", {"psnr": around(30, 4)}),
    ]
    named = [(entry["method"], entry["reference"]) for entry in compare_methods(records)]
    assert named == [("lerp", "slerp"), ("stein_gauss_newton", "slerp")]
    assert [entry["reference"] for entry in compare_pairwise(records)] == ["lerp", "slerp"]


def test_without_a_baseline_the_start_is_the_reference() -> None:
    records = [
        record("start_graph", "start", {"psnr": around(15, 1)}),
        record("stein_gauss_newton", "ours", {"psnr": around(30, 4)}),
    ]
    (entry,) = compare_methods(records)
    assert (entry["reference"], entry["better"]) == ("start_graph", True)


def test_each_geodesic_against_every_other_method() -> None:
    values = {
        "lerp": around(15, 1),
        "slerp": around(16, 2),
        "start_graph": around(16.02, 3),
        "stein_gauss_newton": around(16.05, 4),
    }
    roles = ("baseline", "baseline", "start", "ours")
    records = [
        record(name, role, {"psnr": found})
        for (name, found), role in zip(values.items(), roles, strict=True)
    ]
    entries = compare_pairwise(records)
    assert [entry["reference"] for entry in entries] == ["lerp", "slerp", "start_graph"]
    by_scipy = [ttest_rel(values["stein_gauss_newton"], values[e["reference"]]) for e in entries]
    floor = 2 / 2**PAIRS
    for entry, expected in zip(entries, by_scipy, strict=True):
        assert entry["method"] == "stein_gauss_newton" and entry["group"] == "all"
        assert entry["p"] == pytest.approx(max(floor, expected.pvalue))
        interval = expected.confidence_interval()
        assert (entry["low"], entry["high"]) == pytest.approx((interval.low, interval.high))
    p = [entry["p"] for entry in entries]
    assert p[0] < p[1] and p[0] < p[2]
    holm = multipletests_holm(p)
    assert [entry["p_corrected"] for entry in entries] == pytest.approx(holm)
    assert [entry["better"] for entry in entries] == [True, None, None]
    # The other family does not change with it, nor what is bold.
    assert all(entry["reference"] != "lerp" for entry in compare_methods(records))


def test_sets_of_frames_are_compared_pairwise_by_their_jackknife() -> None:
    def of(name: str, role: str, fid: float, seed: int) -> dict[str, Any]:
        one = record(name, role, {"psnr": around(15, seed)})
        without = [fid + x for x in noise(seed, 0.01)]
        entry = summary_entry(name, "all", "fid", Estimate(fid, fid - 1, fid + 1, PAIRS))
        return one | {"distribution": [entry], "jackknife": {"fid": without}}

    records = [of("lerp", "baseline", 9.0, 1), of("nao", "baseline", 8.0, 2), of("a", "ours", 7, 3)]
    found = {e["reference"]: e for e in compare_pairwise(records) if e["measure"] == "fid"}
    assert {name: entry["difference"] for name, entry in found.items()} == {"lerp": -2, "nao": -1}
    d = torch.tensor(noise(3, 0.01)) - torch.tensor(noise(1, 0.01))
    error = float((d - d.mean()).square().sum() * (PAIRS - 1) / PAIRS) ** 0.5
    half = t_distribution.ppf(0.975, PAIRS - 1) * error
    assert found["lerp"]["high"] == pytest.approx(-2 + half, rel=1e-5)


def multipletests_holm(p: list[float]) -> list[float]:
    """By the definition: the least alpha at which Holm's procedure rejects each."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    return [
        min(1.0, max((len(p) - rank) * p[j] for rank, j in enumerate(order[: order.index(i) + 1])))
        for i in range(len(p))
    ]


def test_length_errors_are_compared_without_their_sign() -> None:
    records = [
        record("lerp", "baseline", {"length_error": around(-2, 1)}),
        record("ours", "ours", {"length_error": around(1, 2)}),
    ]
    (entry,) = compare_methods(records)
    assert entry["better"] is True and entry["difference"] == pytest.approx(-1, abs=0.2)
    assert summarise(records)[0]["mean"] == pytest.approx(-2, abs=0.1)  # the table keeps it


def test_one_pair_is_not_compared() -> None:
    def of(role: str, group: str, units: int, seed: int) -> dict[str, Any]:
        return record(role, role, {"psnr": noise(seed)[:units]}, group, units)

    records = []
    for seed, role in enumerate(("baseline", "ours")):
        large, small = of(role, "large", 3, seed), of(role, "small", 1, seed + 9)
        small["pairs"] = [line | {"unit": "another"} for line in small["pairs"]]
        records.append(large | {"pairs": [*large["pairs"], *small["pairs"]]})
    found = {entry["group"]: entry["n"] for entry in compare_methods(records)}
    assert found == {"all": 4, "large": 3}
    alone = [one | {"pairs": one["pairs"][-1:]} for one in records]
    assert compare_methods(alone) == []


def test_costs_and_unknown_measures_are_not_compared() -> None:
    for name in ("seconds", "score_evaluations", "straightness", "something"):
        assert direction(name) is None
        records = [
            record("lerp", "baseline", {name: around(1, 1)}),
            record("ours", "ours", {name: around(9, 2)}),
        ]
        assert compare_methods(records) == []
    assert all(f"{what}_{name}" in COLUMNS for what in ("energy", "length") for name in METRICS)


def test_rows_of_one_pair_count_once() -> None:
    # Three reaches of eight pairs, the same values at each: no more is known than from eight.
    values = around(5, 1)
    once, thrice = (summarise([record("ours", "ours", {"psnr": values * k})])[0] for k in (1, 3))
    assert thrice["n"] == PAIRS
    for key in ("mean", "low", "high"):
        assert thrice[key] == pytest.approx(once[key], abs=1e-12)
    others = [
        record("lerp", "baseline", {"psnr": noise(2) * 3}),
        record("ours", "ours", {"psnr": values * 3}),
    ]
    assert compare_methods(others)[0]["n"] == PAIRS
    broken = record("ours", "ours", {"psnr": [math.nan, *values[1:], *values]})
    assert (summarise([broken])[0]["n"], summarise([broken])[0]["left_out"]) == (
        PAIRS - 1,
        1,
    )


def test_the_best_baseline_is_the_best_on_common_pairs() -> None:
    # Where slerp failed lerp happened to be good, so that their own means would choose wrongly.
    lerp, slerp, ours = around(1, 1), around(2, 2), around(3, 3)
    lerp[0], slerp[0] = 100.0, math.nan
    records = [
        record(n, r, {"psnr": v})
        for n, r, v in (
            ("lerp", "baseline", lerp),
            ("slerp", "baseline", slerp),
            ("o", "ours", ours),
        )
    ]
    assert {entry["reference"] for entry in compare_methods(records)} == {"slerp"}


def test_a_baseline_with_few_values_is_not_the_best() -> None:
    """It has a value for one pair, where lerp happens to be good."""
    nan = [math.nan] * (PAIRS - 1)
    values = {
        "lerp": [9.0, *around(1, 1)[1:]],
        "graph": around(8, 2),
        "slerp": [2.0, *nan],
        "ours": around(6, 3),
    }
    records = [
        record(name, "ours" if name == "ours" else "baseline", {"psnr": found})
        for name, found in values.items()
    ]
    entries = compare_methods(records)
    assert {entry["reference"] for entry in entries if entry["method"] != "graph"} == {"graph"}
    assert not any(entry["better"] for entry in entries if entry["method"] == "ours")
    assert ("graph", True) in {(entry["method"], entry["better"]) for entry in entries}


def test_errors_of_opposite_sign_do_not_cancel() -> None:
    """Two reaches a pair, whose errors are +0.5 and -0.5 for lerp, 0.02 for the geodesic."""
    jitter = noise(1, 0.001)
    lerp = [0.5 + x for x in jitter] + [-0.5 + x for x in noise(2, 0.001)]
    ours = [0.02 + x for x in jitter + jitter]
    records = [
        record("lerp", "baseline", {"length_error": lerp}),
        record("ours", "ours", {"length_error": ours}),
    ]
    (entry,) = compare_methods(records)
    assert entry["better"] is True and entry["difference"] == pytest.approx(-0.48, abs=0.01)


def test_numbers_of_all_frames_are_compared_by_their_jackknife() -> None:
    draws = torch.randn(PAIRS, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 10
    records = []
    for method, role, fid in (("lerp", "baseline", 240.0), ("ours", "ours", 120.0)):
        one = record(method, role, {"seconds": noise(1)})
        one["distribution"] = [
            summary_entry(method, "all", "fid", Estimate(fid, fid - 60, fid + 60, PAIRS))
        ]
        one["jackknife"] = {"fid": (fid + draws * (1 if role == "ours" else 1.1)).tolist()}
        records.append(one)
    (entry,) = compare_methods(records)
    # Each moves by some 60 either way; together, by a tenth of it.
    assert (entry["measure"], entry["method"], entry["better"], entry["n"]) == (
        "fid",
        "ours",
        True,
        PAIRS,
    )
    assert -130 < entry["low"] < -120 < entry["high"] < -110 and math.isnan(entry["effect"])


def test_numbers_of_points_that_differ_are_not_compared_by_what_depends_on_them() -> None:
    records = []
    for method, points in (("lerp", 9), ("ours", 9), ("fine", 33)):
        role = "baseline" if method == "lerp" else "ours"
        values = {"psnr": around(30 if role == "ours" else 15, points)}
        values["lpips_sum"] = around(1 if role == "ours" else 2, points + 1)
        one = record(method, role, values)
        one["distribution"] = [
            summary_entry(method, "all", name, Estimate(100.0 / points, n=PAIRS))
            for name in ("fid", "kid")
        ]
        draws = [100.0 / points + x for x in noise(points, 0.01)]
        one["jackknife"] = {"fid": draws, "kid": draws}
        records.append(one | {"points": points})
    for compared in (compare_methods(records), compare_pairwise(records)):
        found = {(entry["measure"], entry["method"]) for entry in compared}
        assert {name for name, method in found if method == "ours"} == {
            "psnr",
            "lpips_sum",
            "fid",
            "kid",
        }
        assert {name for name, method in found if method == "fine"} == {"psnr", "kid"}


def test_nothing_to_compare() -> None:
    assert compare_methods([record("truth", "truth", {"psnr": noise(1)})]) == []
    assert compare_methods([record("ours", "ours", {"psnr": noise(1)})]) == []


def test_intervals_cover_where_the_rows_of_a_pair_are_alike() -> None:
    """Three reaches of five pairs: as fifteen values their interval would be far too short."""
    rng, trials, pairs = np.random.default_rng(0), 1000, 5
    hits = together = 0
    for _ in range(trials):
        own = rng.normal(size=pairs)
        values = np.tile(own, 3) + 0.3 * rng.normal(size=3 * pairs)
        (row,) = summarise([record("ours", "ours", {"psnr": values.tolist()}, units=pairs)])
        hits += row["low"] <= 0 <= row["high"]
        flat = record("ours", "ours", {"psnr": values.tolist()}, units=3 * pairs)
        (row,) = summarise([flat])
        together += row["low"] <= 0 <= row["high"]
    # Binomial deviation of 1,000 trials at 0.95: 0.0069.
    assert hits / trials == pytest.approx(0.95, abs=3 * 0.0069)
    assert together / trials < 0.85

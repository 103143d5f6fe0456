"""The registry: the columns in their order, and a measure of one's own declared in one place."""

import json
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import read_json
from scoregeo.evaluation import HIGHER, LOWER, NEARER_ZERO, Column, measure, set_measure
from scoregeo.evaluation.columns import COLUMNS, TITLES, direction, headlines, present
from scoregeo.evaluation.evaluate import SetComparison, notes_of, values_of
from scoregeo.evaluation.networks import Networks
from scoregeo.evaluation.path_batch import PathBatch, Values
from scoregeo.evaluation.path_energy import PathEnergy
from scoregeo.evaluation.registry import MEASURES, load
from scoregeo.evaluation.set_measures import FrameFeatures, FrameSets, SetMeasures
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.metric.base import PathMeasure
from scoregeo.report.comparison import read_summary
from scoregeo.run.console import show_run
from tests.commands import PLAIN, run_here

ROOT = Path(__file__).parents[2]
# Name, title, better direction, in the order of the tables.
EXPECTED = """
length | length |
length_error | length error | nearer zero
truth_distance_max | greatest distance to truth | lower
truth_distance_mean | mean distance to truth | lower
truth_distance_share | greatest distance to truth / length | lower
arrival_share | share of the true path at the end | higher
arrival_distance | distance to the true path at the end | lower
manifold_distance_max | greatest distance to manifold | lower
manifold_distance_mean | mean distance to manifold | lower
pitch_error | mean error of pitch (cents) | lower
pitch_error_max | greatest error of pitch (cents) | lower
pitch_error_end | error of the last pitch (cents) | lower
tone_share_least | least share of one tone | higher
tone_share_mean | mean share of one tone | higher
delay_error | mean error of delay (ms) | lower
delay_error_max | greatest error of delay (ms) | lower
amplitude_dip | greatest fall of level (dB) | lower
pitch_step | greatest step of pitch (cents) | lower
harmonic_share_least | least share of one series | higher
centroid_departure | centroid's departure (cents) | lower
centroid_step | greatest step of the centroid (cents) | lower
spectral_distance | mean spectral distance to truth (dB) | lower
landmarks_met | share of the true ones met | higher
landmarks_outside | share of the path nearest to others | lower
landmark_order | order (Kendall's tau) | higher
psnr | PSNR (dB) | higher
psnr_end | PSNR of the last frame (dB) | higher
ssim | SSIM | higher
ssim_end | SSIM of the last frame | higher
lpips | LPIPS | lower
lpips_sum | PPL: sum of LPIPS between neighbours | lower
lpips_deviation | standard deviation of LPIPS between neighbours | lower
lpips_greatest | greatest LPIPS between neighbours | lower
lpips_nearer_end | LPIPS to the nearer end |
lpips_ends | LPIPS of the decoded ends | lower
feature | feature distance | lower
feature_sum | sum of feature distances between neighbours | lower
feature_deviation | standard deviation of feature distances between neighbours | lower
feature_greatest | greatest feature distance between neighbours | lower
feature_nearer_end | feature distance to the nearer end |
feature_ends | feature distance of the decoded ends | lower
psnr_ends | PSNR of the decoded ends (dB) | higher
end_error | greatest distance of an end | lower
straightness | straightness |
speed_variation | variation of speed | lower
fid | FID | lower
kid | KID | lower
precision | precision | higher
recall | recall |
confidence | classifier's confidence | higher
departure | greatest departure / chord |
departure_score | share of it along the score |
departure_truth | share of it along the truth's |
energy | energy | lower
energy_excess | energy above bound |
metric_length | length in metric |
energy_stein | energy, stein |
energy_pullback | energy, pullback |
energy_conformal | energy, conformal |
energy_euclidean | energy, euclidean |
length_stein | length, stein |
length_pullback | length, pullback |
length_conformal | length, conformal |
length_euclidean | length, euclidean |
stationarity | stationarity |
tunnelled | share of pairs that tunnel |
reached | share of the asked length reached |
energy_drift | drift of the energy |
iterations | iterations |
score_evaluations | score evaluations |
evaluations_per_point | score evaluations a point |
start_evaluations | evaluations for the start |
other_evaluations | evaluations to invert and decode |
metrics_evaluations | evaluations to measure in the metrics |
seconds | seconds a pair |
"""


@pytest.fixture
def registry() -> Iterator[None]:
    """Whatever a test declares is gone after it."""
    measures, columns, titles = list(MEASURES), dict(COLUMNS), dict(TITLES)
    yield
    MEASURES[:] = measures
    for now, before in ((COLUMNS, columns), (TITLES, titles)):
        now.clear()
        now.update(before)  # type: ignore[arg-type]  # each with its own


def batch(**changes: Any) -> PathBatch:
    """Two paths of three points in the plane, of a run in which nothing is known but the ends."""
    path = torch.tensor([[[0.0, 0], [1, 0], [2, 0]], [[0, 0], [0, 1], [1, 1]]], dtype=torch.float64)
    ones = torch.ones(2, dtype=torch.float64)
    energy = PathEnergy(lambda *_: PathMeasure(ones, ones, ones), {}, 1)
    facts: dict[str, Any] = {
        "settings": EvaluationSettings(),
        "ends": path[:, [0, -1]],
        "is_image": False,
        "end_given": True,
        "inverted": False,
        "truth_near": lambda _: None,
        "truth_known": False,
        "two_truths": False,
        "fine_truth": None,
        "true_length": None,
        "distance": None,
        "scores": lambda points: points,
        "energy": energy,
        "metrics": (),
        "networks": Networks(None, None, None, ()),
        "num_points": (3,),
        "references": 0,
        "is_truth": False,
        "path": path,
        "met": True,
        "frames": path,
    }
    return PathBatch(**(facts | changes))


def test_order_titles_and_directions_are_kept() -> None:
    found = [f"{n} | {c.title} | {c.direction or ''}".rstrip() for n, c in COLUMNS.items()]
    assert found == EXPECTED.strip().splitlines()
    assert {name: column.title for name, column in COLUMNS.items()} == TITLES


def test_columns_are_read_without_torch() -> None:
    code = (
        "import sys, scoregeo.evaluation.columns as c; assert len(c.TITLES) > 50;"
        " sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_module_of_the_folder_is_found_by_itself(tmp_path: Path) -> None:
    (tmp_path / "an_own.py").write_text(
        "from scoregeo.evaluation.registry import Column, measure\n"
        "measure({'own': Column('one of our own')})(lambda batch: {})\n"
    )
    code = (
        "import importlib.util as u, sys, scoregeo.evaluation as e\n"
        "folder = e.__path__[0] + '/measures'\n"
        "spec = u.spec_from_file_location('scoregeo.evaluation.measures', folder + '/__init__.py',"
        f" submodule_search_locations=[folder, {str(tmp_path)!r}])\n"
        "sys.modules[spec.name] = module = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "from scoregeo.evaluation.columns import TITLES\n"
        "assert list(TITLES)[-2:] == ['seconds', 'own'], TITLES\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_guides_example_in_a_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registry: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    guide = (ROOT / "docs" / "howto" / "measure.md").read_text(encoding="utf-8")
    code, line = (
        re.search(rf"```{kind}\n(.*?)```", guide, re.S)[1]  # type: ignore[index]
        for kind in ("python", "bash")
    )
    (tmp_path / "my_measures.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    pairs, points = 8, 8
    small = ("~rivals.adam", f"dataset.num_pairs={pairs}", f"solver.num_points={points}", *PLAIN)
    folder, reason = run_here([*shlex.split(line)[1:], *small], tmp_path)
    monkeypatch.delitem(sys.modules, "my_measures")
    assert reason is None
    # The column, in its place and by its title.
    rows, comparisons, _ = read_summary(folder / "summary.json")
    assert present(rows)[-2:] == ["seconds", "turn_max"]
    assert TITLES["turn_max"] == "greatest turn (degrees)"
    # Its values: a polygon on a great circle turns by the angle that a segment of it subtends.
    found = {(row["method"], row["measure"]): row["mean"] for row in rows if row["group"] == "all"}
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    truth = [one for one in map(json.loads, lines) if one["method"] == "truth"]
    assert len(truth) == pairs
    for one in truth:
        chord = one["measures"]["length"] / (points - 1)
        expected = math.degrees(2 * math.asin(chord / 2))
        assert one["measures"]["turn_max"] == pytest.approx(expected, rel=1e-6)
    assert found["lerp", "turn_max"] == pytest.approx(0, abs=1e-4)
    # Its direction: the straight line turns least, and is the reference; a curve is worse.
    compared = {c["method"]: c for c in comparisons if c["measure"] == "turn_max"}
    assert {c["reference"] for c in compared.values()} == {"lerp"}
    assert compared["slerp"]["better"] is False
    # Its note.
    notes = read_json(folder / "manifest.json")["notes"]
    assert [note for note in notes if note.startswith("The greatest turn is")]
    # Shown first, on the page as by the command.
    assert "| method | greatest turn (degrees) |" in (folder / "table.md").read_text()
    show_run(folder, ["length"])
    table = capsys.readouterr().out.splitlines()
    (head,) = [line for line in table if line.startswith("method")]
    assert head.split()[1] == "(degrees)"


def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    _, reason = run_here(["experiment=sphere", "evaluation.extra=[not_there]", *PLAIN], tmp_path)
    assert reason is not None and "evaluation.extra = 'not_there'" in reason
    with pytest.raises(ConfigError, match=r"evaluation\.extra = \[3\]"):
        EvaluationSettings(extra=[3]).check()  # type: ignore[list-item]


def test_a_module_without_a_measure_is_named(
    registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.extra = 'colorsys'.* declares measures"):
        load(["colorsys"])
    # One that another module declares them for, also where both were imported before.
    declared = "from scoregeo.evaluation import Column, measure\n"
    declared += "measure({'mine': Column('mine')})(lambda batch: {})\n"
    (tmp_path / "declaring_measures.py").write_text(declared)
    (tmp_path / "of_another_module.py").write_text("import declaring_measures\n")
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        load(["of_another_module", "declaring_measures"])


@pytest.mark.parametrize(("name", "most"), [("certify_subnodes", 1024), ("kid_subsets", 10_000)])
def test_settings_that_no_machine_has_room_or_time_for(name: str, most: int) -> None:
    EvaluationSettings(**{name: most}).check()  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=rf"evaluation\.{name} = 10000000 .*at most {most}"):
        EvaluationSettings(**{name: 10_000_000}).check()  # type: ignore[arg-type]


def test_a_measure_is_left_out_where_a_need_is_not_met(registry: None) -> None:
    def ones(batch: PathBatch) -> Values:
        return {"own": torch.ones(2)}

    measure({"own": Column("own")}, needs=("frames", "end_free"), note="Own.")(ones)
    assert "own" not in values_of(batch()) and "Own." not in notes_of(batch())
    assert "own" not in values_of(batch(end_given=False, frames=None))
    free = batch(end_given=False)
    assert "own" in values_of(free) and notes_of(free)[-1] == "Own."


def test_values_stand_in_the_order_of_the_tables() -> None:
    found = list(values_of(batch(reported={"stationarity": torch.zeros(2)})))
    assert found == [name for name in COLUMNS if name in found]
    assert found == [
        "straightness",
        "speed_variation",
        "energy",
        "energy_excess",
        "metric_length",
        "stationarity",
    ]


def test_what_is_declared_wrongly_is_refused(registry: None) -> None:
    def gives(values: Values, needs: tuple[str, ...] = ()) -> None:
        measure({"own": Column("own", LOWER)}, needs=needs)(lambda batch: values)
        try:
            values_of(batch())
        finally:
            MEASURES.pop()
            del COLUMNS["own"], TITLES["own"]

    gives({"own": NotAvailable("no reason")})
    with pytest.raises(ConfigError, match="'other', which it does not declare"):
        gives({"other": torch.ones(2)})
    with pytest.raises(DataError, match=r"'own' gave shape \[3\]; .* \[2\]"):
        gives({"own": torch.ones(3)})
    with pytest.raises(ConfigError, match="needs 'frame', which is no field"):
        gives({}, needs=("frame",))
    with pytest.raises(ConfigError, match="'psnr' is declared twice"):
        measure({"psnr": Column("PSNR again")})(lambda batch: {})
    with pytest.raises(ConfigError, match="direction of measure 'own' = 'up'"):
        measure({"own": Column("own", "up")})(lambda batch: {})
    assert "own" not in COLUMNS


def test_a_function_declared_again_replaces_itself(registry: None) -> None:
    for title in ("first", "second"):
        measure({"own": Column(title, HIGHER)})(own)
    assert TITLES["own"] == "second" and direction("own") == HIGHER
    assert [one.of_pairs for one in MEASURES].count(own) == 1


def own(batch: PathBatch) -> Values:
    return {}


def test_a_measure_of_sets(registry: None) -> None:
    @set_measure({"spread": Column("spread of features", LOWER)}, note="Spread.")
    def spread(sets: FrameSets) -> SetMeasures:
        assert isinstance(sets.frames.features, torch.Tensor)
        return SetMeasures(cells={"spread": Estimate(float(sets.frames.features.std()))})

    features = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    settings = EvaluationSettings(kid_subset_size=4, kid_subsets=2)
    comparison = SetComparison(features.flatten(0, 1), settings, seed=0)
    found = comparison.of(FrameFeatures(features, "given"), ("a", "b"))
    assert list(found.cells) == ["fid", "kid", "recall", "spread"]
    assert found.cells["spread"] == Estimate(float(features.std()))
    assert comparison.of(None, ("a", "b")) == SetMeasures()
    assert "Spread." not in notes_of(batch())
    network = Networks(NotAvailable("no file"), None, None, ())
    assert "Spread." in notes_of(batch(networks=network))
    set_measure({"own": Column("own")})(lambda sets: SetMeasures(rows={"other": torch.ones(2)}))
    with pytest.raises(ConfigError, match="'other', which it does not declare"):
        comparison.of(FrameFeatures(features, "given"), ("a", "b"))


def test_measures_of_a_module_that_is_not_imported_come_last() -> None:
    rows = [{"method": "lerp", "measure": name} for name in ("own", "seconds", "length")]
    assert present(rows) == ["length", "seconds", "own"]
    assert present(rows, ("seconds", "psnr")) == ["seconds"]
    assert headlines(rows) == []
    assert direction("own") is None and direction("length_error") == NEARER_ZERO


def test_a_run_without_decoded_pictures_says_so() -> None:
    pictures = batch(is_image=True, frames=None)
    found = values_of(replace(pictures, networks=Networks(None, NotAvailable("no file"), None, ())))
    for name in ("psnr", "ssim", "lpips"):
        value = found[name]
        assert isinstance(value, NotAvailable) and "evaluation.decode is false" in value.reason
    assert "straightness" not in found and "feature" not in found

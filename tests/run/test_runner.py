"""Every experiment end to end in a small profile; and what a run folder holds."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from scoregeo._utils.files import load_tensors, read_json
from scoregeo.evaluation.comparison import RULE
from scoregeo.inversion.shared_noise import SharedNoise
from scoregeo.report.comparison import read_summary
from scoregeo.report.table import rows_from_summary
from scoregeo.score.field import ScoreField
from tests.commands import DIGITS, GRAPH, PLAIN, TINY, run_here, small_model
from tests.tables import tables

SMALL = ("dataset.num_pairs=2", "solver.num_points=8", *PLAIN)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("model"))


# in test_sound_runs.py and test_notes_runs.py
HEARD = ["extrapolation_tones", "notes_learned", "notes_instruments"]
CONTINUING = sorted(name for name in TINY if name.startswith("extrapolation") and name not in HEARD)
# in test_picture_runs.py
PICTURED = ["morph", *(name for name in TINY if name.startswith("stable_diffusion"))]
# in test_paper_protocol.py
PROTOCOL = sorted(name for name in TINY if name.startswith("paper_"))
OWN_RUNNER = ["properties", "score_direction"]  # in tests/experiments


# Drawn once: the pictures of these are drawn by the same parts, of pictures of the same shape, as
# those of rotated_mnist, rotated_mnist_empirical, extrapolation_digits, clock and
# varying_curvature, those of chirps in tests/report/test_sound.py.
UNDRAWN = (
    "ages",
    "chirps",
    "clock_learned",
    "noise_level",
    "numbers",
    "temperatures",
    "rotated_mnist_hundred_neighbours",
    "rotated_mnist_empirical_ten",
    "rotated_mnist_empirical_hundred",
    "rotated_mnist_pullback",
    "rotated_mnist_unet_ten",
    "rotated_mnist_unet_ten_exact_gradient",
    "extrapolation_digits_unet",
    "sphere_learned",
    "torus_learned",
)


def tiny(experiment: str, model: Path) -> list[str]:
    overrides = [o.replace("MODEL", str(model)) for o in TINY[experiment]]
    drawn = ["evaluation.figures=false"] if experiment in UNDRAWN else []
    return [f"experiment={experiment}", *overrides, *drawn]


@pytest.mark.parametrize("experiment", CONTINUING)
def test_extrapolation_runs_end_to_end(experiment: str, tmp_path: Path, model: Path) -> None:
    folder, reason = run_here(tiny(experiment, model), tmp_path)
    assert reason is None
    manifest = read_json(folder / "manifest.json")
    digits = "digits" in experiment
    assert manifest["pairs"] == 2  # of two reaches each
    assert manifest["methods"] == [
        "truth",
        "stein_exponential",
        "paper",
        "straight",
        "straight_chord",
    ]
    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    groups = (
        ["30 deg, 50 %", "60 deg, 50 %", "30 deg, 100 %", "60 deg, 100 %"]
        if digits
        else ["50 %", "50 %", "100 %", "100 %"]
    )
    assert [line["group"] for line in lines] == groups * 5
    paths = {
        name: load_tensors(folder / "paths" / f"{name}.safetensors")["points"]
        for name in manifest["methods"]
    }
    for path in paths.values():
        # Where a geodesic is continued, it ends at the second end of its pair, which the truth
        # begins with.
        assert path.shape[:2] == (4, 6 if digits else 8)
        assert torch.equal(path[:2, 0], path[2:, 0]) and torch.allclose(
            path[:, 0], paths["truth"][:, 0], atol=1e-8
        )

    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    measured = {row.labels["method"]: row.cells for row in rows if row.labels["group"] == "all"}
    wanted = (
        {"psnr", "psnr_end", "ssim", "ssim_end"}
        if digits
        else {"truth_distance_share", "length_error", "manifold_distance_max"}
    )
    for name in manifest["methods"][1:]:
        assert wanted | {
            "reached",
            "metric_length",
            "score_evaluations",
            "start_evaluations",
        } <= set(measured[name])
        assert "energy" not in measured[name]  # between different ends it says nothing
        assert (
            measured[name]["start_evaluations"].mean
            == measured["straight"]["start_evaluations"].mean
            > 0
        )
    assert (
        "energy_drift" in measured["stein_exponential"]
        and measured["straight"]["score_evaluations"].mean == 0
    )
    pictures = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert "figures/energy.png" not in pictures
    if experiment in UNDRAWN:
        assert not pictures
    elif digits:
        assert "figures/strip_100pct_30deg_000.png" in pictures
        assert (
            "frames/stein_exponential/100pct_60deg_000/010.png" in pictures
        )  # six frames of the geodesic, five after it
    else:
        assert "figures/paths.png" in pictures


@pytest.mark.parametrize(
    "experiment", sorted(set(TINY) - {*CONTINUING, *HEARD, *PICTURED, *PROTOCOL, *OWN_RUNNER})
)
def test_experiment_runs_end_to_end(experiment: str, tmp_path: Path, model: Path) -> None:
    folder, reason = run_here(tiny(experiment, model), tmp_path)
    assert reason is None
    manifest = read_json(folder / "manifest.json")
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert config["name"] == experiment
    assert (
        manifest["status"] == "done"
        and manifest["seed"] == config["seed"]
        and manifest["versions"]["torch"]
    )

    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    methods = list(dict.fromkeys(line["method"] for line in lines))
    assert methods == manifest["methods"] and len(lines) == len(methods) * manifest["pairs"]
    ours = "pullback_string_method" if experiment.endswith("pullback") else "stein_gauss_newton"
    assert {"truth", "lerp", ours} <= set(methods)
    assert any(method.startswith("start_") for method in methods)
    for line in lines:
        assert {
            "method",
            "pair",
            "group",
            "status",
            "measures",
            "score_evaluations",
            "seconds",
        } <= set(line)
    for method in methods:
        points = load_tensors(folder / "paths" / f"{method}.safetensors")["points"]
        assert points.shape[:2] == (manifest["pairs"], 6 if "mnist" in experiment else 8)

    rows = rows_from_summary(read_json(folder / "summary.json")["rows"])
    measured = {row.labels["method"]: row.cells for row in rows if row.labels["group"] == "all"}
    solved = measured[ours]
    comparisons = read_summary(folder / "summary.json").comparisons
    assert {entry["measure"] for entry in comparisons} >= (
        {"psnr", "fid"} if "mnist" in experiment else {"length_error"}
    )
    assert not {entry[key] for entry in comparisons for key in ("method", "reference")} & {
        "truth",
        "start_lerp",
    }
    assert all(entry["better"] is None for entry in comparisons)  # two pairs cannot say
    assert [record["network"] for record in manifest["weights"]] == (
        ["digit_classifier"] if "mnist" in experiment else []
    )
    assert any(note.startswith("Straightness") for note in manifest["notes"])
    assert any(note.startswith("Seconds a pair") for note in manifest["notes"])
    digits = "mnist" in experiment
    wanted = (
        {"psnr", "ssim", "fid", "kid"}
        if digits
        else {"length_error", "truth_distance_max", "manifold_distance_max"}
    )
    wanted |= (
        {"straightness", "speed_variation", "precision", "recall", "confidence"}
        if digits
        else {"straightness", "speed_variation"}
    )
    assert wanted | {
        "energy",
        "energy_excess",
        "stationarity",
        "score_evaluations",
        "seconds",
    } <= set(solved)
    if digits:
        assert {row.labels["group"] for row in rows} == {"all", "30 deg", "60 deg"}
    pictures = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert ("figures/energy.png" in pictures) == (experiment not in UNDRAWN)
    if experiment in UNDRAWN:
        assert not pictures
    elif digits:
        pair = "30deg_000"
        assert (
            f"figures/strip_{pair}.png" in pictures
            and f"frames/stein_gauss_newton/{pair}/005.png" in pictures
        )
        assert f"frames/truth/{pair}/strip.png" in pictures
        assert (folder / "frames" / "lerp" / pair / "animation.gif").is_file()
    elif experiment.startswith(("sphere", "torus")):
        assert "figures/paths.png" in pictures
    assert not list(folder.rglob("*.partial*"))


def test_noisy_paths_are_certified_where_they_lie_and_decoded(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, decoded = SharedNoise.decode, list[torch.Tensor]()

    def counted(self: SharedNoise, points: torch.Tensor, field: ScoreField) -> torch.Tensor:
        decoded.append(points)
        return decode(self, points, field)

    monkeypatch.setattr(SharedNoise, "decode", counted)
    overrides = [o.replace("MODEL", str(model)) for o in TINY["rotated_mnist"]]
    folder, reason = run_here(
        [
            "experiment=rotated_mnist",
            *overrides,
            "evaluation.figures=false",
            "evaluation.departure=true",
        ],
        tmp_path,
    )
    assert reason is None
    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    first = {line["method"]: line["measures"] for line in lines if line["pair"] == "30deg_000"}
    assert "energy" not in first["lerp"] and first["lerp"]["other_evaluations"] == 0
    assert "energy" in first["lerp_noise"] and first["lerp_noise"]["other_evaluations"] == 2 * 6
    assert first["stein_gauss_newton"]["energy"] <= first["start_lerp"]["energy"] * 1.001
    noisy = load_tensors(folder / "paths" / "stein_gauss_newton.safetensors")
    assert noisy["frames"].shape == noisy["points"].shape
    # The start is the baseline's line: decoded once, and at the price of decoding.
    assert not any(torch.equal(a, b) for i, a in enumerate(decoded) for b in decoded[:i])
    start, line = (
        load_tensors(folder / "paths" / f"{name}.safetensors")
        for name in ("start_lerp", "lerp_noise")
    )
    assert torch.equal(start["points"], line["points"]) and torch.equal(
        start["frames"], line["frames"]
    )
    assert first["start_lerp"]["other_evaluations"] == first["lerp_noise"]["other_evaluations"]

    # The departure from the chord, which is not measured of pixels, where the metric is not met.
    names = {"departure", "departure_score", "departure_truth"}
    assert not names & set(first["lerp"])
    assert first["lerp_noise"]["departure"] == pytest.approx(0, abs=1e-6)
    assert first["lerp_noise"]["departure_score"] is None
    assert first["stein_gauss_newton"]["departure"] > 1e-6
    assert 0 <= first["stein_gauss_newton"]["departure_score"] <= 1


def test_further_metrics_and_what_they_cost(tmp_path: Path) -> None:
    lam = "metric.lam=30"
    folder, reason = run_here(
        [
            *SMALL,
            lam,
            "evaluation.metrics=[stein,conformal,euclidean]",
            "evaluation.certify_subnodes=2",
        ],
        tmp_path,
    )
    assert reason is None
    rows = read_summary(folder / "summary.json").rows
    found = {(row["method"], row["measure"]): row["mean"] for row in rows}
    for method in ("truth", "lerp", "stein_gauss_newton"):
        # The run's own metric keeps its lam; the flat one knows the length without a score.
        assert found[method, "energy_stein"] == pytest.approx(found[method, "energy"], rel=1e-12)
        assert found[method, "length_euclidean"] == pytest.approx(
            found[method, "length"], rel=1e-12
        )
        assert found[method, "metrics_evaluations"] == 2 * (
            7 * 2 + 1
        )  # two metrics with a score, seven segments in two parts
        assert found[method, "length_conformal"] > 0
    notes = read_json(folder / "manifest.json")["notes"]
    assert any(
        "stein (lam 30); conformal (alpha 1); euclidean, on 2 parts a segment" in note
        for note in notes
    )


def test_reaches_of_one_pair_are_one_observation(tmp_path: Path) -> None:
    folder, reason = run_here(
        ["experiment=extrapolation", *TINY["extrapolation"], "evaluation.figures=false"], tmp_path
    )
    assert reason is None
    lines = [
        json.loads(line)
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len({line["pair"] for line in lines}) == 4 and len({line["unit"] for line in lines}) == 2
    rows, comparisons, _ = read_summary(folder / "summary.json")
    assert {row["n"] for row in rows if row["mean"] is not None} == {2}
    assert {entry["n"] for entry in comparisons} == {2}
    assert {entry["reference"] for entry in comparisons} <= {"paper", "straight", "straight_chord"}


def test_a_finite_dataset_with_too_few_references_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "scoregeo.dataset.rotated_mnist.RotatedMNIST.held_out",
        lambda self, count, seed: torch.zeros(1, 1, 28, 28),
    )
    folder, reason = run_here(["experiment=rotated_mnist_empirical", *DIGITS], tmp_path)
    assert reason is not None and "reference set of 1 image" in reason
    assert not (folder / "methods").exists()


def test_the_page_of_a_run(tmp_path: Path) -> None:
    run, reason = run_here(
        ["experiment=sphere", *TINY["sphere"], "dataset.num_pairs=16", "evaluation.figures=false"],
        tmp_path,
    )
    assert reason is None
    text = (run / "table.md").read_text(encoding="utf-8")
    assert text.startswith("# Sphere in R^3\n\nDo geodesics follow a sphere")
    assert RULE in text and "Paired comparisons with the best baseline" in text
    # What is solved to its minimum has the least energy, and is marked there and nowhere else.
    lines = text.splitlines()
    (marked,) = (line for line in lines if line.startswith("|") and "**" in line)
    cells = marked.split(" | ")
    assert cells[0] == "| Geodesic (Stein, Gauss-Newton, adaptive refinement)"
    columns = next(line for line in lines if line.startswith("| method |")).split(" | ")
    assert [column for column, cell in zip(columns, cells, strict=True) if "**" in cell] == [
        "energy"
    ]
    assert (run / "report.html").is_file()


def test_paths_that_stay_noisy_say_so(tmp_path: Path, model: Path) -> None:
    overrides = [o.replace("MODEL", str(model)) for o in TINY["rotated_mnist"]]
    folder, reason = run_here(
        [
            "experiment=rotated_mnist",
            *overrides,
            "evaluation.decode=false",
            "evaluation.figures=false",
        ],
        tmp_path,
    )
    assert reason is None
    rows = {
        (r["method"], r["measure"]): r
        for r in read_json(folder / "summary.json")["rows"]
        if r["group"] == "all"
    }
    assert (
        rows["stein_gauss_newton", "psnr"]["mean"] is None
        and "not decoded" in rows["stein_gauss_newton", "fid"]["reason"]
    )
    assert rows["lerp", "psnr"]["mean"] > 5


def test_the_start_s_cost_stands_apart(tmp_path: Path) -> None:
    folder, reason = run_here(
        ["experiment=rotated_mnist_empirical", *DIGITS, *GRAPH, "evaluation.figures=false"],
        tmp_path,
    )
    assert reason is None
    rows = {
        (r["method"], r["measure"]): r["mean"]
        for r in read_json(folder / "summary.json")["rows"]
        if r["group"] == "all"
    }
    assert rows["start_graph", "score_evaluations"] > 0
    assert (
        rows["stein_gauss_newton", "start_evaluations"] == rows["start_graph", "score_evaluations"]
    )
    assert rows["lerp", "score_evaluations"] == 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [("nan", "not finite at point 0"), ("shape", "has shape"), ("bug", "KeyError")],
)
def test_a_bad_score_fails_the_run_with_its_reason(kind: str, words: str, tmp_path: Path) -> None:
    overrides = [*SMALL, "score._target_=tests.broken.broken_score", f"+score.kind={kind}"]
    folder, reason = run_here(overrides, tmp_path)
    assert reason is not None and words in reason and "\n" not in reason
    if kind != "bug":
        assert "sigma 0.05" in reason
    manifest = read_json(folder / "manifest.json")
    assert manifest["status"] == "failed" and words in manifest["error"]
    assert "Traceback" in (folder / "error.txt").read_text(encoding="utf-8")
    assert not (folder / "summary.json").exists()


def test_too_few_frames_for_kid_are_refused_before_any_method(tmp_path: Path) -> None:
    few = ["dataset.angles=[30]", "solver.num_points=3"]
    folder, reason = run_here(["experiment=rotated_mnist_empirical", *DIGITS, *few], tmp_path)
    assert reason is not None and "1 inner frames" in reason
    assert not (folder / "methods").exists()


def test_subsets_of_kid_larger_than_the_sets_are_made_smaller(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """8 inner frames: as if 8 had been asked for, with a note of it."""
    few = ["experiment=rotated_mnist_empirical", *DIGITS, "evaluation.figures=false"]
    few += ["baseline=[lerp]", "solver.max_iterations=1", "initializer=lerp"]
    (one, said), (other, _) = (
        run_here([*few, f"evaluation.kid_subset_size={size}"], tmp_path) for size in (500, 8)
    )
    assert said is None
    assert "evaluation.kid_subset_size = 500 is more than the images compared" in caplog.text
    assert any(
        "random subsets of 8 images" in note for note in read_json(one / "manifest.json")["notes"]
    )
    rows = [
        [row for row in tables(folder)[0] if row["measure"] == "kid"] for folder in (one, other)
    ]
    assert rows[0] == rows[1] != []


def test_a_chosen_noise_level_is_in_the_notes(tmp_path: Path) -> None:
    overrides = [
        "dataset=torus",
        "score=empirical",
        "score.count=500",
        "score.sigma=auto",
        "solver.max_iterations=2",
        *SMALL,
    ]
    folder, reason = run_here(overrides, tmp_path)
    assert reason is None
    assert read_json(folder / "manifest.json")["notes"][0].startswith(
        "Noise level: score.sigma=auto chose 0."
    )

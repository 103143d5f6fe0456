"""Runs in shards: the merged folder is that of one run, what failed is run again alone, and bad
input is told in one line.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.configuration import config_hash
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_tensors, read_json, write_json
from scoregeo._utils.part import Part, part_of
from scoregeo._utils.seed import generator, normal, uniform
from scoregeo.run.command import compose, execute
from scoregeo.run.shards import merge_shards, shard_folder
from tests.commands import DIGITS, GRAPH, PLAIN, TINY, command, run_here, small_model
from tests.tables import same_paths, tables

SPHERE = (
    *PLAIN,
    "experiment=sphere",
    "dataset.num_pairs=5",
    "solver.num_points=8",
    "rivals.adam.iterations=3",
)
NO_PICTURES = "evaluation.figures=false"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Another number of threads changes last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def in_shards(overrides: Sequence[str], output: Path, shards: int) -> Path:
    """The merged folder of a run in shards."""
    for shard in range(shards):
        folder, reason = run_here([*overrides, f"shards={shards}", f"shard={shard}"], output)
        assert reason is None
        assert not (folder / "summary.json").exists()
    folder, reason = run_here([*overrides, f"shards={shards}"], output)
    assert reason is None
    return folder


def pictures(folder: Path) -> dict[str, bytes]:
    """What a person looks at, by its place in the folder."""
    found = (path for part in ("frames", "figures") for path in (folder / part).rglob("*.*"))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if path.suffix != ".pdf"
    }


def histories(folder: Path) -> dict[str, list[list[Any]]]:
    """By method, each pair's energies with the evaluations spent, without repetitions.

    A solver with several stages begins each when all pairs of its batch have ended the one before:
    until then a pair that has ended repeats its last step, in another batch another number of
    times.
    """
    found = {}
    for path in (folder / "methods").glob("*.json"):
        history = read_json(path)["history"]
        columns = history.get("score_evaluations", ()), history.get("energy", ())
        steps = [list(zip(*rows, strict=True)) for rows in zip(*columns, strict=True)]
        pairs = [[one[i] for one in steps] for i in range(len(steps[0]) if steps else 0)]
        found[path.stem] = [
            [step for k, step in enumerate(pair) if k == 0 or pair[k - 1] != step] for pair in pairs
        ]
    return found


def check_same(whole: Path, merged: Path) -> None:
    """Tables, paths and histories to the last digit, and all that a reader of the manifest learns
    of the methods.
    """
    for one, other in zip(tables(whole), tables(merged), strict=True):
        assert one == other
    assert same_paths(whole, merged) and histories(whole) == histories(merged)
    first, second = (read_json(folder / "manifest.json") for folder in (whole, merged))
    for key in ("methods", "pairs", "weights", "status", "seed", "inputs"):
        assert first[key] == second[key]
    assert second["notes"][: len(first["notes"])] == first["notes"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of five pairs on the sphere."""
    folder, reason = run_here(SPHERE, tmp_path_factory.mktemp("whole"))
    assert reason is None
    return folder


@pytest.fixture(scope="module")
def once_merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that run in two shards, merged; its output folder is above."""
    return in_shards(SPHERE, tmp_path_factory.mktemp("merged"), 2)


def to_merge_again(merged: Path, output: Path) -> Path:
    """A copy of a run in shards that is not merged yet."""
    folder = output / merged.parent.name / merged.name
    shutil.copytree(merged, folder)
    (folder / "manifest.json").unlink()
    return folder


@pytest.mark.parametrize(
    ("total", "shards", "sizes"), [(5, 2, [3, 2]), (5, 3, [2, 2, 1]), (4, 4, [1] * 4), (7, 1, [7])]
)
def test_parts_are_contiguous_and_as_equal_as_can_be(
    total: int, shards: int, sizes: list[int]
) -> None:
    parts = [part_of(total, shard, shards) for shard in range(shards)]
    assert [len(part) for part in parts] == sizes
    assert [i for part in parts for i in range(total)[part.rows]] == list(range(total))
    assert part_of(total, None, shards) == Part(0, total, total)


@pytest.mark.parametrize("draw", [normal, uniform])
def test_a_pair_has_the_same_draws_in_every_part(draw: Any) -> None:
    every = draw((5, 3), generator(1, "noise"))
    again = draw((5, 3), generator(1, "noise", Part(0, 5, 5)))
    assert torch.equal(every, again)
    for part in (Part(0, 2, 5), Part(2, 5, 5), Part(4, 5, 5)):
        source = generator(1, "noise", part)
        assert torch.equal(draw((len(part), 3), source), every[part.rows])
    plain = torch.randn if draw is normal else torch.rand
    assert torch.equal(every, plain(5, 3, generator=generator(1, "noise"), dtype=torch.float64))


@pytest.mark.parametrize("shards", [2, 3])
def test_a_sphere_in_shards_is_the_sphere_as_one(
    shards: int, whole: Path, once_merged: Path, tmp_path: Path
) -> None:
    merged = once_merged if shards == 2 else in_shards(SPHERE, tmp_path, shards)
    check_same(whole, merged)
    assert merged.name == whole.name
    manifest = read_json(merged / "manifest.json")
    parts = [
        read_json(shard_folder(merged, shard, shards) / "manifest.json") for shard in range(shards)
    ]
    assert manifest["shards"] == shards and sum(part["pairs"] for part in parts) == 5
    assert manifest["seconds"] >= sum(part["seconds"] for part in parts)
    assert "prepare for all pairs" not in " ".join(manifest["notes"])
    events = [
        json.loads(line)
        for line in (merged / "events.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    methods = manifest["methods"]
    assert [event["event"] for event in events] == ["start", *["method"] * len(methods), "finish"]
    assert [len(event["pairs"]) for event in events[1:-1]] == [5] * len(methods)


def test_a_failed_shard_is_run_again_alone(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: object, *args: object) -> None:
        raise DataError("the lamp went out.")

    def job(shard: int | None) -> str | None:
        nonlocal folder
        folder, reason = run_here(
            [*SPHERE, "shards=3", *([] if shard is None else [f"shard={shard}"])], tmp_path
        )
        return reason

    folder = tmp_path
    assert job(0) is None
    with monkeypatch.context() as broken:
        broken.setattr("scoregeo.solver.adam.Adam.solve", fails)
        reason = job(1)
        assert reason is not None and "the lamp went out" in reason
    reason = job(None)
    assert reason is not None and reason.startswith("2 of 3 shards not done")
    assert "failed (the lamp went out), run scoregeo" in reason and "has not been run" in reason
    assert "shards=3 shard=1" in reason and "shards=3 shard=2" in reason and "shard=0" not in reason
    assert not (folder / "manifest.json").exists()

    done = {
        path: path.stat().st_mtime_ns
        for path in shard_folder(folder, 0, 3).rglob("*")
        if path.is_file()
    }
    kept = (shard_folder(folder, 1, 3) / "methods" / "lerp.json").stat().st_mtime_ns
    assert [job(shard) for shard in range(3)] == [None] * 3 and job(None) is None
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert (shard_folder(folder, 1, 3) / "methods" / "lerp.json").stat().st_mtime_ns == kept
    check_same(whole, folder)

    merged = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert job(None) is None and job(1) is None
    assert {path: path.stat().st_mtime_ns for path in merged} == merged


def test_a_run_that_is_done_needs_no_shards(whole: Path) -> None:
    output = whole.parent.parent
    for words in (["shards=2", "shard=1"], ["shards=2"], ["shards=3"]):
        assert run_here([*SPHERE, *words], output) == (whole, None)
    assert not (whole / "shards").exists()


def test_shards_of_other_weights_are_refused(once_merged: Path, tmp_path: Path) -> None:
    folder = to_merge_again(once_merged, tmp_path)
    manifest = shard_folder(folder, 1, 2) / "manifest.json"
    write_json(manifest, {**read_json(manifest), "inputs": {"score.model": "another"}})
    config, _ = compose([*SPHERE, "shards=2", f"output={tmp_path}"])
    with pytest.raises(
        DataError, match=r"1 of 2 shards .* is of other weights or data, or of another version"
    ):
        merge_shards(config, folder)


def test_a_damaged_file_of_a_shard_fails_the_merge(once_merged: Path, tmp_path: Path) -> None:
    folder = to_merge_again(once_merged, tmp_path)
    (shard_folder(folder, 1, 2) / "paths" / "slerp.safetensors").write_bytes(b"half a fi")
    _, reason = run_here([*SPHERE, "shards=2", "overwrite=true"], tmp_path)
    assert reason is not None and "slerp.safetensors is damaged" in reason and "shard=1" in reason
    assert not (folder / "manifest.json").exists()  # refused before anything is written


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shards=0"], "shards = 0 is not allowed: shards must be a whole number at least 1"),
        (
            ["shards=2", "shard=2"],
            "shard = 2 is not allowed: shard must be a whole number at least 0 and at most 1",
        ),
        (
            ["shards=2", "shard=-1"],
            "shard = -1 is not allowed: shard must be a whole number at least 0",
        ),
        (["shard=0"], "shard = 0 is not allowed: shard must be null where shards = 1"),
        (
            ["shards=6", "shard=0"],
            "shards = 6 is not allowed: shards must be at most the number of pairs of the run, 5",
        ),
    ],
)
def test_numbers_of_shards_that_cannot_be(words: list[str], told: str, tmp_path: Path) -> None:
    folder, reason = run_here([*SPHERE, *words], tmp_path)
    assert reason is not None and told in reason and "\n" not in reason
    assert not (folder / "manifest.json").exists()


def test_a_sweep_over_one_shard_twice_says_that_others_are_missing(tmp_path: Path) -> None:
    assert command("-m", *SPHERE, "shards=2", "shard=0,0", f"output={tmp_path}") is None
    (page,) = tmp_path.glob("sphere/sweep_*/table.md")
    assert "only of shard 0 of 2: run the others as well" in page.read_text()


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"\xff{")])
def test_a_lost_summary_of_a_merged_run_is_made_again(
    harm: Callable[[Path], object], once_merged: Path, tmp_path: Path
) -> None:
    folder = tmp_path / once_merged.parent.name / once_merged.name
    shutil.copytree(once_merged, folder)
    before = (folder / "summary.json").read_bytes()
    harm(folder / "summary.json")
    assert run_here([*SPHERE, "shards=2"], tmp_path) == (folder, None)
    assert (folder / "summary.json").read_bytes() == before


def test_a_runner_of_its_own_is_not_divided(tmp_path: Path) -> None:
    _, reason = run_here(["experiment=properties", "shards=2", "shard=0"], tmp_path)
    assert reason is not None and "shards = 2 is not allowed" in reason and "runner" in reason
    assert not list(tmp_path.iterdir())


def test_shards_have_no_part_in_what_a_run_is() -> None:
    one, shard = (compose([*SPHERE, *words])[0] for words in ([], ["shards=4", "shard=3"]))
    assert config_hash(one) == config_hash(shard)
    with pytest.raises(ConfigError, match="shards"):
        part_of(3, 0, 4)


# Half a turn, which has two true paths, in the second shard alone.
EMPIRICAL = (
    "experiment=rotated_mnist_empirical",
    *DIGITS,
    *GRAPH,
    "dataset.angles=[30,180]",
    "dataset.pairs_per_angle=2",
)
UNET = (
    "experiment=rotated_mnist",
    *TINY["rotated_mnist"],
    "dataset.pairs_per_angle=2",
    "baseline=[lerp,lerp_noise,nao,noise_diffusion]",
    "baseline.nao.max_iterations=20",
    "baseline.noise_diffusion.gamma=0.3",
    NO_PICTURES,
)
# The exact score of a sample multiplies one matrix of all points, in float64, and the order of its
# sums depends on how many they are: measured was 9.1e-16, of one pair's stationarity residual, and
# nothing in all else.
EXACT = 1e-12
# A convolution in float32 sums in another order for another number of images, where the network is
# as small as this one: 9.5e-7 was measured in pixels of decoded frames, in [-1, 1]. That is 1.6e-5
# of the variation of a path's speed, the smallest number made of them, and 1.4e-4 of the
# stationarity residual of a solver stopped after three iterations. The shipped networks of digits
# gave each image the same values in every batch that was tried.
NETWORK = 1e-3


def check_close(one: Path, other: Path, share: float) -> None:
    """Every mean of the tables to within `share` of itself, or the epsilon of float32 where it is
    zero but for rounding.
    """
    first, second = (
        {(row["method"], row["group"], row["measure"]): row["mean"] for row in tables(folder)[0]}
        for folder in (one, other)
    )
    assert first.keys() == second.keys() and len(first) > 100
    for key, value in first.items():
        assert second[key] == pytest.approx(value, rel=share, abs=torch.finfo(torch.float32).eps), (
            key
        )
    names = {path.name for path in (one / "paths").glob("[!.]*")}
    assert names == {path.name for path in (other / "paths").glob("[!.]*")}
    for name in names:
        found, again = (load_tensors(folder / "paths" / name) for folder in (one, other))
        assert found.keys() == again.keys()
        for key, values in found.items():
            assert torch.allclose(again[key].double(), values.double(), rtol=0, atol=share), (
                name,
                key,
            )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "shards", "share"),
    [(EMPIRICAL, 2, EXACT), (UNET, 3, NETWORK)],
    ids=["exact score", "network"],
)
def test_digits_in_shards(
    overrides: Sequence[str], shards: int, share: float, tmp_path: Path
) -> None:
    model = small_model(tmp_path / "model")
    overrides = [o.replace("MODEL", str(model)) for o in overrides]
    one, reason = run_here(overrides, tmp_path / "one")
    assert reason is None
    merged = in_shards(overrides, tmp_path / "several", shards)
    check_close(one, merged, share)
    first, second = (read_json(folder / "manifest.json") for folder in (one, merged))
    for key in ("methods", "pairs", "weights", "inputs"):
        assert first[key] == second[key]
    assert set(first["notes"]) <= set(second["notes"])
    drawn = NO_PICTURES not in overrides
    assert pictures(one).keys() == pictures(merged).keys() and bool(pictures(one)) == drawn

    rows = {
        (r["method"], r["measure"]): r
        for r in read_json(merged / "summary.json")["rows"]
        if r["group"] == "all"
    }
    for measure in ("fid", "kid", "precision", "recall", "confidence", "psnr"):
        assert rows["stein_gauss_newton", measure]["mean"] is not None
    graph = overrides[0] == EMPIRICAL[0]
    assert any(f"was built by each of {shards} shards" in note for note in second["notes"]) == graph
    # Features of frames are in every shard; those of the references are kept once.
    kept = [
        (shard_folder(merged, shard, shards) / "kept" / "reference.safetensors").exists()
        for shard in range(shards)
    ]
    assert kept == [True] + [False] * (shards - 1)


def test_a_merge_evaluates_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = [*EMPIRICAL, NO_PICTURES]
    for shard in range(2):
        assert run_here([*overrides, "shards=2", f"shard={shard}"], tmp_path)[1] is None

    def fails(*args: object, **settings: object) -> None:
        raise AssertionError("a network or score was evaluated")

    for name in (
        "torch.nn.Conv2d.forward",
        "torch.nn.Linear.forward",
        "scoregeo.score.base.AbstractScore.score",
    ):
        monkeypatch.setattr(name, fails)
    for name in ("scoregeo.run.build.build", "scoregeo.run.measures.load_networks"):
        monkeypatch.setattr(name, fails)
    config, folder = compose([*overrides, "shards=2", f"output={tmp_path}"])
    assert execute(config, folder, overrides) is None
    assert (folder / "summary.json").is_file()


CONTINUED = (
    "experiment=extrapolation",
    *PLAIN,
    "dataset.num_pairs=5",
    "solver.num_points=8",
    "reach=[0.5,1]",
)


def test_extrapolations_in_shards(tmp_path: Path) -> None:
    overrides = [*CONTINUED, "extrapolation=[paper,straight,straight_chord,density]"]
    one, reason = run_here(overrides, tmp_path / "one")
    assert reason is None
    check_same(one, in_shards(overrides, tmp_path / "several", 2))


@pytest.mark.slow
def test_geodesics_integrated_in_shards(tmp_path: Path) -> None:
    """The integrator's steps are those of its batch's hardest element: positions agree to its
    tolerance, costs do not.
    """
    overrides = [
        *CONTINUED,
        "dataset.num_pairs=2",
        "reach=[0.5]",
        "extrapolation=[exponential,straight]",
    ]
    one, reason = run_here(overrides, tmp_path / "one")
    assert reason is None
    merged = in_shards(overrides, tmp_path / "several", 2)
    rows = [
        [row for row in tables(folder)[0] if row["method"] != "stein_exponential"]
        for folder in (one, merged)
    ]
    assert rows[0] == rows[1] != []
    paths = [
        load_tensors(folder / "paths" / "stein_exponential.safetensors")["points"]
        for folder in (one, merged)
    ]
    assert torch.allclose(*paths, rtol=0, atol=1e-4)  # rtol 1e-6 a step; 8.3e-6 was measured


@pytest.mark.slow
def test_several_starts_in_shards(tmp_path: Path) -> None:
    overrides = [
        *SPHERE,
        "dataset.num_pairs=3",
        "initializer=several",
        "initializer.starts.graph.num_references=60",
        "+initializer@initializer.starts.continued=continued",
        "initializer.starts.continued.levels=2",
        "initializer.starts.continued.max_iterations=3",
    ]
    one, reason = run_here(overrides, tmp_path / "one")
    assert reason is None
    merged = in_shards(overrides, tmp_path / "several", 2)
    check_same(one, merged)
    found = [
        read_json(folder / "methods" / "start_several.json")["pairs"][0]["measures"]
        for folder in (one, merged)
    ]
    assert found[0]["score_evaluations"] == found[1]["score_evaluations"] > 0

"""Run folders: what is done is kept, what is half done is taken up, nothing is overwritten
silently, a kill does no harm.
"""

import os
from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import read_json, write_json
from scoregeo._utils.results import FORMAT
from scoregeo.run.command import compose, execute
from scoregeo.run.inputs import inputs_of
from scoregeo.run.run_folder import RunFolder
from tests.commands import PLAIN, run_here

SMALL = ("dataset.num_pairs=2", "solver.num_points=8", *PLAIN)
RECORD = {
    "method": "lerp",
    "role": "baseline",
    "pairs": [],
    "not_available": {},
    "history": {},
    "tensors": {"points": torch.zeros(0, 2, 3)},
}
CONFIG = {
    "seed": 0,
    "device": "cpu",
    "output": "here",
    "overwrite": False,
    "metric": {"lam": 1.0e-5},
}


def test_what_is_done_is_not_computed_again(tmp_path: Path) -> None:
    folder, reason = run_here(SMALL, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again, second = run_here(SMALL, tmp_path)
    assert reason is None and second is None and again == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert run_here([*SMALL, "overwrite=true"], tmp_path) == (folder, None)
    assert (folder / "summary.json").stat().st_mtime_ns > before[folder / "summary.json"]


def test_finished_methods_of_an_interrupted_run_are_taken(tmp_path: Path) -> None:
    folder, _ = run_here(SMALL, tmp_path)
    whole = read_json(folder / "summary.json")
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", {**manifest, "status": "running", "seconds": 5000.0})
    for lost in ("summary.json", "results.jsonl", "methods/stein_gauss_newton.json"):
        (folder / lost).unlink()
    # A record whose paths are damaged is not taken either.
    (folder / "paths" / "slerp.safetensors").write_bytes(b"half a fi")
    kept = (folder / "methods" / "lerp.json").stat().st_mtime_ns
    redone = (folder / "methods" / "slerp.json").stat().st_mtime_ns
    assert run_here(SMALL, tmp_path) == (folder, None)
    assert (folder / "methods" / "lerp.json").stat().st_mtime_ns == kept
    assert (folder / "methods" / "slerp.json").stat().st_mtime_ns > redone
    without = [
        [row for row in s["rows"] if row["measure"] != "seconds"]
        for s in (whole, read_json(folder / "summary.json"))
    ]
    assert without[0] == without[1]
    # The seconds are of all parts of an interrupted run; of a run begun anew they are its own.
    assert 5000.0 < read_json(folder / "manifest.json")["seconds"] < 5000.0 + 300.0
    assert run_here([*SMALL, "overwrite=true"], tmp_path) == (folder, None)
    assert read_json(folder / "manifest.json")["seconds"] < 300.0


def test_results_of_another_format_are_computed_anew(tmp_path: Path) -> None:
    folder, _ = run_here(SMALL, tmp_path)
    write_json(folder / "manifest.json", {**read_json(folder / "manifest.json"), "format": 1})
    write_json(folder / "methods" / "old.json", {"format": 1})
    assert run_here(SMALL, tmp_path) == (folder, None)
    assert (
        read_json(folder / "manifest.json")["format"]
        == FORMAT
        == read_json(folder / "summary.json")["format"]
    )
    assert not (folder / "methods" / "old.json").exists()


def test_results_of_another_configuration_are_refused(tmp_path: Path) -> None:
    first, _ = compose(SMALL)
    second, _ = compose([*SMALL, "seed=1"])
    folder = tmp_path / "run"
    assert execute(first, folder, SMALL) is None
    before = (folder / "results.jsonl").read_bytes()
    reason = execute(second, folder, SMALL)
    assert reason is not None and "another configuration" in reason and "overwrite=true" in reason
    assert (folder / "results.jsonl").read_bytes() == before and read_json(
        folder / "manifest.json"
    )["status"] == "done"
    assert execute({**second, "overwrite": True}, folder, SMALL) is None
    assert (folder / "results.jsonl").read_bytes() != before


def test_a_failed_configuration_does_not_block_its_folder(tmp_path: Path) -> None:
    wrong, _ = compose([*SMALL, "metric.lam=-1"])
    right, _ = compose(SMALL)
    folder = tmp_path / "run"
    assert "metric.lam = -1" in (execute(wrong, folder, SMALL) or "")
    assert execute(right, folder, SMALL) is None
    assert not (folder / "error.txt").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"output: .*file.* cannot be written"):
        RunFolder(tmp_path / "file" / "run", CONFIG)


def test_a_folder_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    folder = RunFolder(tmp_path, CONFIG)
    folder.save_method("lerp", RECORD)
    folder.close()
    RunFolder(tmp_path, {**CONFIG, "seed": 1}, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "methods").exists()


@pytest.mark.parametrize(
    "names", [("frames/a.png", "report.html"), ("manifest.json",), ("config.yaml",), ("first.png",)]
)
def test_files_that_no_run_wrote_are_neither_replaced_nor_removed(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"name": "mine", "version": 3}')
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    wrong, _ = compose([*SMALL, "metric.lam=-1"])
    for config in (wrong, wrong | {"overwrite": True}):
        reason = execute(config, tmp_path, SMALL)
        assert reason is not None and reason.startswith(f"output: the folder {tmp_path} holds")
        assert names[0].partition("/")[0] in reason
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
    assert (tmp_path / names[0]).read_text() == '{"name": "mine", "version": 3}'


def test_a_refused_command_leaves_a_folder_of_somebody_s_own_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    wrong, _ = compose([*SMALL, "metric.lam=-1"])
    assert "metric.lam = -1" in (execute(wrong, tmp_path, SMALL) or "")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_page_settings_of_a_run_that_is_done(tmp_path: Path) -> None:
    line = (*SMALL, "rivals=null", "baseline=[lerp]")
    folder, reason = run_here(line, tmp_path)
    assert reason is None
    numbers = (folder / "summary.json").read_bytes()
    again, reason = run_here((*line, "page.title=Another one"), tmp_path)
    assert (again, reason) == (folder, None)
    assert (folder / "table.md").read_text(encoding="utf-8").startswith("# Another one\n")
    assert "Another one" in (folder / "report.html").read_text(encoding="utf-8")
    assert (folder / "summary.json").read_bytes() == numbers
    before = (folder / "table.md").stat().st_mtime_ns
    run_here((*line, "page.title=Another one"), tmp_path)
    assert (folder / "table.md").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"method": "slerp"}, {"pairs": []}])
def test_a_record_of_another_method_or_fewer_pairs_is_computed_again(
    change: dict[str, object], tmp_path: Path
) -> None:
    line = {"method": "lerp", "pair": "a", "group": "all", "status": "closed_form"}
    whole = RECORD | {"pairs": [line], "tensors": {"points": torch.zeros(1, 2, 3)}}
    folder = RunFolder(tmp_path, CONFIG)
    folder.save_method("lerp", whole)
    place = tmp_path / "methods" / "lerp.json"
    assert folder.load_method("lerp") is not None
    write_json(place, read_json(place) | change)
    assert folder.load_method("lerp") is None


def test_a_folder_in_use_is_refused_and_named(tmp_path: Path) -> None:
    config, folder = compose([*SMALL, f"output={tmp_path}"])
    inputs = inputs_of(config)
    held = RunFolder(folder, config, inputs=inputs)
    for overwrite in (False, True):
        reason = execute({**config, "overwrite": overwrite}, folder, SMALL)
        assert (
            reason is not None
            and f"the folder {folder} cannot be used" in reason
            and f"process {os.getpid()} on" in reason
        )
    assert (
        not (folder / "error.txt").exists()
        and read_json(folder / "manifest.json")["status"] == "running"
    )
    held.close()
    assert execute(config, folder, SMALL) is None
    assert not (folder / ".lock").exists()
    assert RunFolder(folder, config, inputs=inputs).done  # reading what is done needs no lock
    held = RunFolder(folder, config, overwrite=True, inputs=inputs)
    assert "cannot be used" in (execute(config, folder, SMALL) or "")


def test_a_folder_that_cannot_be_used_is_let_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, CONFIG)
    folder.save_method("lerp", RECORD)
    folder.fail("no reason")
    with pytest.raises(ConfigError, match="another configuration"):
        RunFolder(tmp_path, {**CONFIG, "seed": 1})
    RunFolder(tmp_path, CONFIG).finish()


def test_another_format_is_not_taken(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, CONFIG)
    folder.save_method("lerp", RECORD)
    assert folder.load_method("lerp") is not None
    write_json(tmp_path / "methods" / "lerp.json", {"format": 0, "method": "lerp"})
    assert folder.load_method("lerp") is None


@pytest.mark.parametrize("status", ["done", "running"])
def test_results_of_other_weights_are_computed_anew(tmp_path: Path, status: str) -> None:
    folder = RunFolder(tmp_path, CONFIG, inputs={"score.model": "a"})
    folder.save_method("lerp", RECORD)
    if status == "done":
        folder.finish()
    folder.close()
    same = RunFolder(tmp_path, CONFIG, inputs={"score.model": "a"})
    assert same.load_method("lerp") is not None and same.done == (status == "done")
    same.close()
    other = RunFolder(tmp_path, CONFIG, inputs={"score.model": "b"})
    assert not other.done and other.load_method("lerp") is None
    other.finish()
    assert read_json(tmp_path / "manifest.json")["inputs"] == {"score.model": "b"}


def test_small_numbers_survive_the_configuration_file(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG).finish()
    assert RunFolder(tmp_path, {**CONFIG, "output": "elsewhere"}).done


def test_a_record_that_lacks_a_field_is_neither_written_nor_taken(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", CONFIG)
    wrong = {key: value for key, value in RECORD.items() if key != "role"}
    with pytest.raises(DataError, match=r"methods/lerp\.json lacks role"):
        folder.save_method("lerp", wrong)
    folder.save_method("lerp", RECORD)
    place = tmp_path / "run" / "methods" / "lerp.json"
    assert folder.load_method("lerp") is not None
    for harm in ({"pairs": 3}, {"pairs": [{"method": "lerp"}]}, {"not_available": {"psnr": 1}}):
        write_json(place, read_json(place) | harm)
        assert folder.load_method("lerp") is None
    folder.close()

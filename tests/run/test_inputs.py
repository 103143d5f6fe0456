"""What a run reads besides its configuration: a change of a model's weights is seen, a change of
what lies beside them is not.
"""

import os
import shutil
from pathlib import Path

import pytest
import torch

from scoregeo._utils.files import load_tensors, quick_digest, save_tensors
from scoregeo.run.command import compose
from scoregeo.run.folder_state import OUTDATED, state_of
from scoregeo.run.inputs import inputs_of
from scoregeo.run.run_folder import RunFolder
from scoregeo.score.model_folder import MODELS

METRIC = {"_target_": "scoregeo.SteinMetric", "lam": 1.0}
WEIGHTS = Path("unet") / "diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS / "digits_unet_ten", tmp_path / "model"))


def digest(model: Path | str) -> str:
    return inputs_of(compose(["experiment=rotated_mnist_unet_ten", f"score.model={model}"])[0])[
        "score.model"
    ]


def test_one_weight_of_a_model_changes_the_digest(model: Path) -> None:
    shipped = digest("digits_unet_ten")
    assert digest(model) == shipped
    tensors = load_tensors(model / WEIGHTS)
    name = min(tensors)
    tensors[name].view(-1)[0] = torch.nextafter(tensors[name].view(-1)[0], torch.tensor(torch.inf))
    save_tensors(model / WEIGHTS, tensors)
    assert digest(model) != shipped


def test_the_noise_schedule_is_part_of_it_and_the_card_is_not(model: Path) -> None:
    before = digest(model)
    (model / "README.md").write_text("a new card")
    assert digest(model) == before
    schedule = model / "scheduler" / "scheduler_config.json"
    schedule.write_text(schedule.read_text().replace("0.02", "0.03"))
    assert digest(model) != before


def test_what_reads_no_model_has_no_digest_of_one() -> None:
    found = inputs_of(compose(["experiment=rotated_mnist_empirical"])[0])
    assert "score.model" not in found and len(found["evaluation.network"]) == 16
    assert inputs_of({"score": None, "evaluation": {"network": None}}) == {}
    assert inputs_of({"score": {"model": "stabilityai/stable-diffusion-2-1"}}) == {}


def test_data_that_changed_are_other_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    for name in ("a.png", "b.png", "deep/c.png"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "pairs.csv").write_text("first,second\na.png,b.png\n")

    def found() -> dict[str, str]:
        listed, root = str(tmp_path / "pairs.csv"), str(tmp_path)
        ends = {"first": str(tmp_path / "a.png"), "second": "a cat", "steps": 3}
        return inputs_of({"dataset": {**ends, "list": listed, "root": root}})

    before = found()
    assert before.keys() == {"dataset.first", "dataset.list", "dataset.root"}
    assert found() == before
    (tmp_path / "b.png").write_bytes(b"other")
    changed = {key for key, value in found().items() if value != before[key]}
    assert changed == {"dataset.list", "dataset.root"}
    (folder / "c.png").rename(folder / "d.png")
    assert found()["dataset.root"] != before["dataset.root"]
    (tmp_path / "a.png").unlink()
    assert "dataset.first" not in found()


def test_a_change_in_the_middle_of_a_file_and_of_one_s_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    data, code, extra = (tmp_path / name for name in ("data.npy", "own_ring.py", "own_extra.py"))
    for path in (code, extra):
        path.write_text("def ring(sigma): ...")
    data.write_bytes(bytes(300_000))
    node = {"_target_": "own_ring.ring", "references": str(data)}
    config = {"score": node, "evaluation": {"extra": ["own_extra"]}, "metric": METRIC}
    before = inputs_of(config)
    assert before.keys() == {"score.references", "code.own_ring", "code.own_extra"}
    data.write_bytes(bytes(150_000) + b"1" + bytes(149_999))
    code.write_text("def ring(sigma): pass")
    changed = {key for key, value in inputs_of(config).items() if value != before[key]}
    assert changed == {"score.references", "code.own_ring"}
    RunFolder(tmp_path / "run", config, inputs=before).finish()
    assert state_of(tmp_path / "run", config, before) not in (OUTDATED, None)
    assert state_of(tmp_path / "run", config, inputs_of(config)) == OUTDATED
    older = {key: value for key, value in before.items() if not key.startswith("code.")}
    assert state_of(tmp_path / "run", config, older) not in (OUTDATED, None)


def test_a_large_file_is_known_by_its_time_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoregeo._utils.files._WHOLE", 1000)
    path = tmp_path / "large"
    path.write_bytes(bytes(300_000))
    before = quick_digest(path)
    assert quick_digest(path) == before
    path.write_bytes(bytes(150_000) + b"1" + bytes(149_999))
    os.utime(path, (1, 1))
    assert quick_digest(path) != before


def test_results_of_changed_data_are_not_taken(tmp_path: Path) -> None:
    """Of data that were deleted, and in folders that do not know of data, they are."""
    weights, old, new = {"score.model": "a"}, {"dataset.first": "b"}, {"dataset.first": "c"}
    config = {"seed": 0}
    RunFolder(tmp_path, config, inputs=weights | old).finish()
    assert state_of(tmp_path, config, weights | old) == state_of(tmp_path, config, weights)
    assert state_of(tmp_path, config, weights) not in (OUTDATED, None)
    assert state_of(tmp_path, config, weights | new) == OUTDATED
    assert state_of(tmp_path, config, old) == OUTDATED
    RunFolder(tmp_path / "older", config, inputs=weights).finish()
    assert state_of(tmp_path / "older", config, weights | new) not in (OUTDATED, None)

"""What a run reads besides its configuration: a change of a model's weights is seen, a change of
what lies beside them is not.
"""

import shutil
from pathlib import Path

import pytest
import torch

from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.run.command import compose
from scoregeo.run.inputs import inputs_of
from scoregeo.score.model_folder import MODELS

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

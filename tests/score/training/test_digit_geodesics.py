"""The script that finds where the digits' geodesics pass, with an untrained network."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from tests.commands import small_model

INNER = 15  # of 17 points
SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("digit_geodesics")


@pytest.mark.slow
def test_points_are_of_paths_between_rotations_and_follow_from_the_seed(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "KEPT", (2, 4))  # the last is the solver's budget
    model = small_model(tmp_path / "model")

    def points(seed: int, pairs: int) -> torch.Tensor:
        out = tmp_path / f"{seed}_{pairs}.safetensors"
        script.main(
            [
                "--model",
                str(model),
                "--seed",
                str(seed),
                "--pairs",
                str(pairs),
                "--batch",
                "2",
                "--out",
                str(out),
            ]
        )
        return load_tensors(out)["points"].float()

    found = points(1000, 3)
    assert found.isfinite().all() and found.shape[1:] == (1, 28, 28) and len(found) % INNER == 0
    written = tmp_path / "1000_3.safetensors"
    before = written.stat().st_mtime_ns
    points(1000, 3)
    assert written.stat().st_mtime_ns == before  # what is there is kept
    written.unlink()
    assert torch.equal(found, points(1000, 3))
    assert not torch.equal(found[: INNER * 2], points(1001, 2)[: INNER * 2])
    # All ten digits in turn: the first points of three pairs are nearest to rotations of the first
    # three.
    digits = RotatedMNIST(identities=10, source="embedded").sample(7200, 0)
    firsts = found.unflatten(0, (-1, INNER))[:, 0].flatten(1)
    assert set((torch.cdist(firsts, digits.flatten(1)).argmin(1) // 720).tolist()) == {0, 1, 2}


def test_seeds_of_experiments_are_refused(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        script.main(["--seed", "2", "--out", str(tmp_path / "points.safetensors")])
    assert "argument --seed: 2 is not allowed: 1000 or more" in capsys.readouterr().err


def test_files_that_are_none_of_it_are_named_before_training(script: Any, tmp_path: Path) -> None:
    train_digits = importlib.import_module("train_digits")
    save_tensors(tmp_path / "other.safetensors", {"points": torch.zeros(3, 2)})
    with pytest.raises(
        DataError, match=r"--geodesics .*other.safetensors is not a file of digit_geodesics.py"
    ):
        train_digits.geodesic_points([tmp_path / "other.safetensors"])
    save_tensors(tmp_path / "points.safetensors", {"points": torch.ones(3, 1, 28, 28).half()})
    assert train_digits.geodesic_points([tmp_path / "points.safetensors"] * 2).shape == (
        6,
        1,
        28,
        28,
    )

"""The trained network: its error against the exact score, its cache, and what is refused."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.score import mlp
from scoregeo.score.mlp import MLPScore, Network, mlp_score
from scoregeo.score.sphere import sphere_score

SMALL: dict[str, Any] = {"steps": 20, "width": 16, "depth": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCOREGEO_CACHE", str(tmp_path))
    return tmp_path


def test_weights_are_kept_and_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = Sphere().sample(8, 3)
    first = mlp_score(Sphere(), 0, sigma=0.1, **SMALL)(x)
    assert first.dtype == torch.float64
    (weights,) = cache.glob("mlp/*/weights.safetensors")
    assert not (weights.parent / "checkpoint.safetensors").exists()

    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(mlp, "train", forbidden)
        assert torch.equal(mlp_score(Sphere(), 0, sigma=0.1, **SMALL)(x), first)
        assert torch.equal(
            mlp_score(Sphere(num_pairs=3), 0, sigma=0.1, **SMALL)(x), first
        )  # the data are the same
        mlp_score(Sphere(), 0, sigma=1.0, **SMALL)
    mlp_score(Sphere(), 1, sigma=0.1, **SMALL)
    mlp_score(Sphere(radius=2.0), 0, sigma=0.1, **SMALL)
    mlp_score(Torus(), 0, sigma=0.1, **SMALL)
    mlp_score(Sphere(), 0, sigma=0.1, **{**SMALL, "width": 17})
    mlp_score(Sphere(), 0, sigma=0.1, **{**SMALL, "steps": 21})
    assert len(list(cache.glob("mlp/*/weights.safetensors"))) == 6


TRAIN = """
import sys, time
from scoregeo.dataset.sphere import Sphere
from scoregeo.score import mlp
train = mlp.train
def slow(*arguments):
    print("training", flush=True)
    time.sleep(1.5)
    return train(*arguments)
mlp.train = slow
field = mlp.mlp_score(Sphere(), 0, sigma=0.1, steps=20, width=16, depth=2)
print(field(Sphere().sample(8, 3)).tolist())
"""


def test_two_processes_train_a_network_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", TRAIN], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert other.stdout is not None and other.stdout.readline() == "training\n"
    monkeypatch.setattr(mlp, "train", lambda *arguments: pytest.fail("trained a second time"))
    with caplog.at_level(logging.INFO):
        found = mlp_score(Sphere(), 0, sigma=0.1, **SMALL)(Sphere().sample(8, 3))
    assert f"in use by process {other.pid}" in caplog.text and "waiting" in caplog.text
    theirs, _ = other.communicate(timeout=60)
    assert found.tolist() == json.loads(theirs)
    (weights,) = cache.glob("mlp/*/weights.safetensors")
    assert {path.name for path in weights.parent.iterdir()} == {"weights.safetensors", "loss.jsonl"}


def test_damaged_weights_are_named(cache: Path) -> None:
    mlp_score(Sphere(), 0, sigma=0.1, **SMALL)
    (weights,) = cache.glob("mlp/*/weights.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"weights\.safetensors"):
        mlp_score(Sphere(), 0, sigma=0.1, **SMALL)


def test_weights_of_another_network_are_named(cache: Path) -> None:
    mlp_score(Sphere(), 0, sigma=0.1, **SMALL)
    (weights,) = cache.glob("mlp/*/weights.safetensors")
    content = weights.read_bytes()
    mlp_score(Sphere(2, 4), 0, sigma=0.1, **SMALL)
    (other,) = set(cache.glob("mlp/*/weights.safetensors")) - {weights}
    other.write_bytes(content)
    with pytest.raises(DataError, match="does not hold the weights"):
        mlp_score(Sphere(2, 4), 0, sigma=0.1, **SMALL)


def test_a_killed_training_ends_like_an_uninterrupted_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SMALL, "steps": 600}  # checkpoints come every 500 steps
    x = Sphere().sample(8, 3)
    loss = mlp.DenoisingLoss.__call__

    def killed(
        self: mlp.DenoisingLoss, model: Network, step: int, rng: torch.Generator
    ) -> torch.Tensor:
        if step == 550:
            raise KeyboardInterrupt
        return loss(self, model, step, rng)

    with monkeypatch.context() as patch:
        patch.setattr(mlp.DenoisingLoss, "__call__", killed)
        with pytest.raises(KeyboardInterrupt):
            mlp_score(Sphere(), 0, sigma=0.1, **settings)
    assert not list(cache.glob("mlp/*/weights.safetensors")) and list(
        cache.glob("mlp/*/checkpoint.safetensors")
    )
    resumed = mlp_score(Sphere(), 0, sigma=0.1, **settings)(x)
    monkeypatch.setenv("SCOREGEO_CACHE", str(cache / "other"))
    assert torch.equal(mlp_score(Sphere(), 0, sigma=0.1, **settings)(x), resumed)


def test_score_of_the_preconditioned_denoiser() -> None:
    network = Network(3, 8, 2, 0.6, 0.02, 2.0).double()
    score, x, sigma = MLPScore(network, 3), Sphere().sample(5, 0), 0.3
    skip, root = 0.6**2 / (0.3**2 + 0.6**2), (0.3**2 + 0.6**2) ** 0.5
    denoised = skip * x + 0.3 * 0.6 / root * network(
        x, torch.full((5, 1), 0.3, dtype=torch.float64)
    )
    torch.testing.assert_close(score.denoise(x, sigma), denoised)


def test_bad_settings_are_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "train", lambda *args, **kwargs: pytest.fail("trained"))
    with pytest.raises(ConfigError, match="RotatedMNIST"):
        mlp_score(RotatedMNIST(), 0, sigma=0.1)
    for key, settings in (
        ("sigma", {"sigma": 5.0}),
        ("sigma", {"sigma": 0.001}),
        ("sigma", {"sigma": float("nan")}),
        ("timestep", {"timestep": 400}),
        ("steps", {"sigma": 0.1, "steps": 0}),
        ("width", {"sigma": 0.1, "width": 0}),
        ("depth", {"sigma": 0.1, "depth": 0}),
        ("lr", {"sigma": 0.1, "lr": -1.0}),
        ("sigma_min", {"sigma": 0.1, "sigma_min": 0.0}),
        ("sigma_max", {"sigma": 0.1, "sigma_max": 0.01}),
    ):
        with pytest.raises(ConfigError, match=rf"score\.{key}"):
            mlp_score(Sphere(), 0, **settings)  # type: ignore[arg-type]


def test_a_training_that_diverges_names_the_keys_of_the_score() -> None:
    words = r"lower score\.lr = 0.002 or score\.sigma_max = 1e\+20"
    with pytest.raises(DataError, match=words):
        mlp_score(Sphere(), 0, sigma=0.1, sigma_max=1e20, **SMALL)


@pytest.mark.slow
def test_error_against_the_exact_score(record_property: Any) -> None:
    field = mlp_score(Sphere(), 0, sigma=0.1, steps=900)  # a third of the default
    clean = Sphere().sample(4000, 99)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1), dtype=clean.dtype)
    for sigma, bound in ((0.05, 0.05), (0.1, 0.04), (0.5, 0.03), (2.0, 0.015)):
        exact = sphere_score(Sphere(), 0, sigma=sigma)
        for name, x in (("shell", clean + sigma * noise), ("clean", clean)):
            # Root mean square error in units of 1 / sigma, the size of the score on the shell; 2 to
            # 3 times the measured one, which leaves room for other machines' rounding, magnified by
            # a long training.
            error = float((field.score.score(x, sigma) - exact(x)).square().mean().sqrt()) * sigma
            record_property(f"{name} {sigma}", error)
            print(f"sigma {sigma}, {name}: error {error:.4f} / sigma")
            assert error < bound

"""The score of a diffusers U-Net: parametrisations, files, and the quality of the
shipped models.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo._utils.seed import generator
from scoregeo.dataset.digits import load_digits
from scoregeo.dataset.identities import identities, pixels, rotation_sample
from scoregeo.dataset.rotation import rotate
from scoregeo.score.diffusers_unet import DiffusersUNetScore, load_unet_score
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.model_folder import MODELS
from scoregeo.score.training.denoising import ddpm_schedule
from scoregeo.score.training.quality import (
    PLACES,
    ScoreAccuracy,
    denoising_error,
    probe_points,
    score_error,
)

PREDICTIONS = ("epsilon", "v_prediction", "sample")
MEAN, SPREAD = 0.3, 0.7
SHIPPED = ("digits_unet_all", "digits_unet_ten")


class GaussianUNet(nn.Module):
    """Stands for a trained U-Net: exact for data `MEAN + SPREAD * z`, in one of diffusers'
    parametrisations.
    """

    def __init__(self, prediction: str) -> None:
        super().__init__()
        self.config = {"sample_size": [4, 6], "in_channels": 2}
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.prediction = prediction
        self.largest = 0

    def forward(self, x_vp: torch.Tensor, timestep: torch.Tensor) -> SimpleNamespace:
        self.largest = max(self.largest, len(x_vp))
        sigma = ddpm_schedule().sigma(timestep)[:, None, None, None]
        abar = 1 / (1 + sigma**2)
        # x_vp is Gaussian: mean sqrt(abar) MEAN, variance abar SPREAD^2 + 1 - abar.
        noise = (1 - abar).sqrt() * (x_vp - abar.sqrt() * MEAN) / (abar * SPREAD**2 + 1 - abar)
        clean = (x_vp - (1 - abar).sqrt() * noise) / abar.sqrt()
        v = abar.sqrt() * noise - (1 - abar).sqrt() * clean
        return SimpleNamespace(
            sample={"epsilon": noise, "sample": clean, "v_prediction": v}[self.prediction]
        )


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("sigma", [0.02, 0.3, 1.0, 7.7, 120.0])
def test_every_parametrisation_gives_the_exact_score(prediction: str, sigma: float) -> None:
    unet = GaussianUNet(prediction)
    score = DiffusersUNetScore(unet, ddpm_schedule(), prediction, chunk=3)
    x = sigma * torch.randn(7, 2, 4, 6, generator=generator(0, "x"), dtype=torch.float64)
    exact = -(x - MEAN) / (SPREAD**2 + sigma**2)
    assert score.shape == (2, 4, 6)
    assert torch.allclose(
        score.score(x, sigma), exact, rtol=1e-5, atol=1e-6
    )  # the timestep passes through float32
    assert torch.allclose(score.denoise(x, sigma), x + sigma**2 * exact, rtol=1e-6, atol=1e-5)
    assert unet.largest == 3


def test_forward_mode_derivative_of_the_score() -> None:
    score = DiffusersUNetScore(GaussianUNet("v_prediction"), ddpm_schedule(), "v_prediction")
    x, direction = torch.randn(2, 3, 2, 4, 6, generator=generator(0, "jvp"), dtype=torch.float64)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, direction)
        product = torch.autograd.forward_ad.unpack_dual(score.score(dual, 0.5)).tangent
    assert torch.allclose(product, -direction / (SPREAD**2 + 0.25), rtol=1e-5)


def test_timesteps_and_sigmas() -> None:
    score = DiffusersUNetScore(GaussianUNet("epsilon"), ddpm_schedule(), "epsilon")
    abar = float(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)[400])
    assert score.sigma_of_timestep(400) == pytest.approx(((1 - abar) / abar) ** 0.5, rel=1e-6)
    assert (
        score.sigma_of_timestep(399) < score.sigma_of_timestep(399.5) < score.sigma_of_timestep(400)
    )
    with pytest.raises(ConfigError, match="score.timestep = 1000"):
        score.sigma_of_timestep(1000)
    with pytest.raises(ConfigError, match="score.sigma = 500"):
        score.check_sigma(500.0)
    with pytest.raises(ConfigError, match="flow"):
        DiffusersUNetScore(GaussianUNet("epsilon"), ddpm_schedule(), "flow")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_load(name: str) -> None:
    score = load_unet_score(name)
    assert score.shape == (1, 28, 28)
    assert score.prediction == "v_prediction"
    assert score.schedule.num_timesteps == 1000
    assert score.sigma_range == pytest.approx(ddpm_schedule().sigma_range, rel=1e-3)
    assert score.score(torch.zeros(2, 1, 28, 28), 1.0).isfinite().all()


def change(change: Callable[[Path], None], folder: Path) -> Path:
    """A copy of a shipped model whose weights file was changed."""
    copy = Path(shutil.copytree(MODELS / SHIPPED[0], folder / "model"))
    change(copy / "unet" / "diffusion_pytorch_model.safetensors")
    return copy


def narrower(path: Path) -> None:
    """Give one tensor another shape."""
    tensors = load_tensors(path)
    tensors["conv_in.weight"] = tensors["conv_in.weight"][:-1]
    save_tensors(path, tensors, {"format": "pt"})


def fewer(path: Path) -> None:
    """Drop one tensor."""
    tensors = load_tensors(path)
    del tensors["conv_in.weight"]
    save_tensors(path, tensors, {"format": "pt"})


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(Path.unlink, id="missing"),
        pytest.param(lambda p: p.write_bytes(p.read_bytes()[:-5000]), id="truncated"),
        pytest.param(lambda p: p.write_bytes(b"no weights"), id="not safetensors"),
        pytest.param(narrower, id="wrong shape"),
        pytest.param(fewer, id="a tensor missing"),
    ],
)
def test_unusable_weights_are_a_data_error_that_names_the_model(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = change(damage, tmp_path)
    with pytest.raises(DataError) as caught:
        load_unet_score(folder)
    assert str(folder) in str(caught.value)


def test_a_pickle_beside_is_not_read_in_place_of_missing_weights(tmp_path: Path) -> None:
    folder = change(Path.unlink, tmp_path)
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(DataError):
        load_unet_score(folder)


def test_an_unknown_model_is_answered_with_the_shipped_ones() -> None:
    """Those that it can load: a text-to-image model is refused by name."""
    with pytest.raises(DataError, match=r"\(digits_unet_all, digits_unet_ten\)"):
        load_unet_score("digits_unet_twelve")
    with pytest.raises(DataError, match="'emoji_sd' is a UNet2DConditionModel: .*UNet2DModel"):
        load_unet_score("emoji_sd")


@pytest.mark.parametrize("name", SHIPPED)
def test_cards_tell_what_the_weights_are(name: str) -> None:
    facts = json.loads((MODELS / name / "card.json").read_text())
    weights = load_tensors(MODELS / name / "unet" / "diffusion_pytorch_model.safetensors")
    assert facts["parameters"] == sum(value.numel() for value in weights.values())
    assert all(value.dtype == torch.float16 for value in weights.values())


def test_all_denoises_held_out_digits() -> None:
    score = load_unet_score("digits_unet_all")
    rng = generator(2, "held out")
    clean = rotate(
        pixels(load_digits("test", "embedded").images[:128]), 360 * torch.rand(128, generator=rng)
    )
    noise = torch.randn(clean.shape, generator=rng)
    errors = [denoising_error(score, clean, noise, sigma) for sigma in (0.2, 0.5, 1.0, 2.0)]
    assert errors == sorted(errors)
    # Shrinking each pixel to its mean, the best linear denoiser without neighbours, stands for
    # "learned nothing of digits".
    mean = clean.mean(0)
    for sigma, error in zip((0.2, 0.5, 1.0, 2.0), errors, strict=True):
        variance = (clean - mean).square().mean(0)
        linear = float((variance * sigma**2 / (variance + sigma**2)).mean())
        assert error < 0.5 * linear, (sigma, error, linear)


@pytest.mark.slow
def test_ten_follows_the_exact_score_over_noise_levels() -> None:
    digits = load_digits("train", "embedded")
    sample = rotation_sample(pixels(digits.images[identities(digits, 10)]))
    score, exact = load_unet_score("digits_unet_ten"), EmpiricalScore(sample)
    card = json.loads((MODELS / "digits_unet_ten" / "card.json").read_text())
    rng = generator(3, "probes")

    def check(error: ScoreAccuracy, place: str, sigma: float) -> None:
        assert error.relative_error < 0.5, (place, sigma)
        assert error.cosine > 0.85, (place, sigma)

    for row in card["score_error"]:
        place, sigma = row["place"], row["sigma"]
        assert place in PLACES
        error = score_error(score, exact, probe_points(sample, 720, place, 32, sigma, rng), sigma)
        # The card's numbers hold for other draws of the points.
        assert error.relative_error == pytest.approx(row["relative_error"], rel=0.3), (place, sigma)
        assert error.length == pytest.approx(row["length"], rel=0.3), (place, sigma)
        if place != "clean":  # there s* is nearly 0 and a relative error says little
            check(error, place, sigma)
    assert {row["sigma"] for row in card["score_error"]} >= {0.5, 1.0}
    for sigma in (0.3, 1.5):  # between those of the card
        for place in PLACES:
            if place != "clean":
                points = probe_points(sample, 720, place, 32, sigma, rng)
                check(score_error(score, exact, points, sigma), place, sigma)

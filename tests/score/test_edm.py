"""Scores of denoisers: closed form, and diffusers' EDM scheduler."""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.score.edm import DenoiserScore, edm_grid, edm_score
from tests.score.tiny_pipelines import noise, tiny_pipeline

diffusers = pytest.importorskip("diffusers")


def test_denoiser_of_gaussian_data() -> None:
    spread = 0.7

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return spread**2 / (spread**2 + sigma**2) * x

    score, x = DenoiserScore(denoise, (4,), chunk=2), noise(5, 4).double()
    for sigma in (0.1, 1.0, 50.0):
        exact = -x / (spread**2 + sigma**2)
        torch.testing.assert_close(score.score(x, sigma), exact, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(score.denoise(x, sigma), denoise(x, sigma))
    product = score.jvp(x, x, 1.0)[1]
    torch.testing.assert_close(product, -x / (spread**2 + 1), rtol=1e-10, atol=1e-12)
    with pytest.raises(ConfigError, match=r"score\.chunk"):
        DenoiserScore(denoise, (4,), chunk=0)


def test_pictures_and_inversion_are_those_of_diffusers_scheduler() -> None:
    unet = tiny_pipeline("ddim").unet
    scheduler = diffusers.EDMEulerScheduler(sigma_max=20.0)
    score, grid = edm_score(unet, scheduler), edm_grid(scheduler, 8)
    assert score.shape == (3, 8, 8) and score.sigma_range == (0.002, 20.0)
    x = grid.high[0] * noise(2, 3, 8, 8)
    scheduler.set_timesteps(8)
    sample = x
    with torch.no_grad():
        for timestep in scheduler.timesteps:
            inputs = scheduler.scale_model_input(sample, timestep)
            output = unet(inputs, timestep).sample
            sample = scheduler.step(output, timestep, sample).prev_sample
    ours = grid.decode(score, x, grid.high[0])
    print(f"agreement edm: {float((ours - sample).abs().max()):.1e}")
    torch.testing.assert_close(ours, sample, rtol=0, atol=1e-4)
    for rounds in (1, 20):
        up = grid.invert(score, sample, grid.high[3], rounds)
        back = grid.decode(score, up, grid.high[3])
        noise_power = float((back - sample).square().mean().clamp(min=1e-12))
        print(f"PSNR edm, {rounds} rounds: {10 * math.log10(4 / noise_power):.1f} dB")
    torch.testing.assert_close(back, sample, rtol=0, atol=1e-3)
    with pytest.raises(DataError, match="DDIMScheduler is no EDM scheduler"):
        edm_score(unet, diffusers.DDIMScheduler())

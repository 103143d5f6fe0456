"""The loss of the latent diffusion model: against diffusers' scheduler, an oracle
and closed forms.
"""

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler

from scoregeo._utils.errors import ConfigError
from scoregeo.score.schedule import NoiseSchedule
from scoregeo.score.training.latent_diffusion import (
    LatentDiffusionLoss,
    clean_of_v,
    diffuse,
    latent_denoising_error,
)
from scoregeo.score.training.pipeline_export import ddim_scheduler


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loss_of(**change: Any) -> LatentDiffusionLoss:
    """Three pictures with two, one and three prompts, told by their numbers; the second may be
    mirrored.
    """
    values: dict[str, Any] = {
        "latents": torch.tensor([1.0, 2.0, 3.0])[:, None, None, None].expand(3, 4, 2, 2),
        "mirrored": torch.tensor([-1.0, -2.0, -3.0])[:, None, None, None].expand(3, 4, 2, 2),
        "mirrors": torch.tensor([False, True, False]),
        "tokens": torch.tensor([10, 11, 20, 30, 31, 32, 0])[:, None].expand(7, 5),
        "first": torch.tensor([0, 2, 3, 6]),
        "weights": torch.ones(3),
        "schedule": NoiseSchedule(ddim_scheduler().alphas_cumprod),
        "batch": 600,
    }
    return LatentDiffusionLoss(**(values | change))


def test_noisy_latents_and_v_are_those_of_diffusers() -> None:
    scheduler: Any = DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
    )
    schedule = NoiseSchedule(scheduler.alphas_cumprod)
    clean, noise = torch.randn(2, 4, 4, 3, 3, generator=rng(), dtype=torch.float64)
    steps = torch.tensor([0, 10, 500, 999])
    sigma = schedule.sigma(steps)[:, None, None, None]
    x_vp, v = diffuse(clean, noise, sigma)
    assert torch.allclose(
        x_vp, scheduler.add_noise(clean, noise, steps), rtol=1e-6, atol=1e-7
    )  # its betas are float32
    assert torch.allclose(v, scheduler.get_velocity(clean, noise, steps), rtol=1e-6, atol=1e-7)
    assert torch.allclose(clean_of_v(x_vp, v, sigma), clean)


def test_what_knows_the_only_picture_has_no_loss() -> None:
    latents = torch.randn(1, 4, 6, 6, generator=rng())
    schedule = NoiseSchedule(ddim_scheduler().alphas_cumprod)

    def oracle(x_vp: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        sigma = schedule.sigma(timestep).float()[:, None, None, None]
        root = (1 + sigma**2).sqrt()
        return ((root * x_vp - latents) / sigma - sigma * latents) / root

    loss = loss_of(
        latents=latents,
        mirrored=latents,
        mirrors=torch.tensor([False]),
        first=torch.tensor([0, 6]),
        weights=torch.ones(1),
        batch=64,
    )
    assert loss(oracle, 0, rng(2)) < 1e-6  # type: ignore[arg-type]  # rounding at the smallest sigma
    nothing = loss(lambda x, t, c: torch.zeros_like(x), 0, rng(2))  # type: ignore[arg-type]
    assert float(nothing) == pytest.approx(
        1, abs=0.15
    )  # v has mean square one where noise and data have


def test_pictures_go_with_their_own_prompts() -> None:
    clean, tokens = loss_of().draw(rng(1))
    value, token = clean[:, 0, 0, 0], tokens[:, 0]
    assert clean.shape == (600, 4, 2, 2) and tokens.shape == (600, 5)
    assert set(value.tolist()) == {1.0, 2.0, -2.0, 3.0}  # the second alone is mirrored
    prompted = token > 0
    assert torch.equal(value[prompted].abs().long(), token[prompted] // 10)
    assert set(token.tolist()) == {0, 10, 11, 20, 30, 31, 32}
    assert float((~prompted).float().mean()) == pytest.approx(0.1, abs=0.05)  # four standard errors
    second = value.abs() == 2
    assert float((value[second] < 0).float().mean()) == pytest.approx(0.5, abs=0.15)


def test_weights_and_drops_at_their_ends() -> None:
    clean, tokens = loss_of(weights=torch.tensor([0.0, 1.0, 0.0]), drop=0.0).draw(rng(1))
    assert (clean.abs() == 2).all() and (tokens == 20).all()
    assert (loss_of(drop=1.0).draw(rng(1))[1] == 0).all()


def test_timesteps_are_spread_evenly_over_a_batch() -> None:
    loss = loss_of(batch=50)
    steps = loss.schedule.timestep(loss.draw_sigma(rng(4)).flatten()).sort().values
    assert (steps.diff() - 999 / 50).abs().max() < 0.1  # sigma is float32
    several = torch.cat([loss.draw_sigma(rng(seed)) for seed in range(40)])
    assert float(loss.schedule.timestep(several.flatten()).mean()) == pytest.approx(499.5, abs=10)


def test_denoising_error_of_a_network_that_says_nothing() -> None:
    """v = 0 gives `x0' = x / (1 + sigma^2)`, so an error of
    `(sigma z - sigma^2 x0) / (1 + sigma^2)`.
    """
    clean, noise = torch.randn(2, 70, 4, 4, 4, generator=rng())

    class Silent(torch.nn.Linear):
        def forward(
            self, x: torch.Tensor, timestep: torch.Tensor, tokens: torch.Tensor
        ) -> torch.Tensor:  # type: ignore[override]
            return torch.zeros_like(x)

    sigma, tokens = 0.8, torch.zeros(70, 5, dtype=torch.int64)
    schedule = NoiseSchedule(ddim_scheduler().alphas_cumprod)
    found = latent_denoising_error(Silent(1, 1), clean, tokens, noise, sigma, schedule)  # type: ignore[arg-type]
    expected = ((sigma * noise - sigma**2 * clean) / (1 + sigma**2)).square().mean()
    assert found == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("change", [{"batch": 0}, {"drop": 1.1}, {"drop": -0.1}])
def test_bad_settings_name_their_key(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"training.{next(iter(change))} = "):
        loss_of(**change)

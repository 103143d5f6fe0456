"""The autoencoder's loss, and its latents put in the middle."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch.distributions import Normal
from torch.distributions.kl import kl_divergence as library_kl
from torchmetrics.functional.image import peak_signal_noise_ratio

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.emoji_source import to_points
from scoregeo.score.training.autoencoder import (
    AutoencoderLoss,
    centre_latents,
    colour_error,
    decode,
    edge_error,
    encode_all,
    jitter,
    kl_divergence,
    moments,
    reconstruction_psnr,
    shuffle_colours,
)
from scoregeo.score.training.loop import TrainingSettings, train


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny_vae() -> Any:
    torch.manual_seed(1)
    vae = AutoencoderKL(
        latent_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=16,
    )
    return vae.eval().requires_grad_(False)


def pictures(count: int, size: int = 16) -> torch.Tensor:
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=rng(count))


def test_encoding_and_decoding_are_diffusers_own() -> None:
    vae, images = tiny_vae(), to_points(pictures(3))
    mean, log_variance = moments(vae, images)
    theirs = vae.encode(images).latent_dist
    assert torch.equal(mean, theirs.mean) and torch.equal(log_variance, theirs.logvar)
    assert torch.equal(decode(vae, mean), vae.decode(mean).sample)


def test_kl_is_that_of_two_libraries() -> None:
    mean, log_variance = torch.randn(2, 5, 3, 4, 4, generator=rng(), dtype=torch.float64)
    ours = kl_divergence(mean, log_variance)
    normal = library_kl(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros_like(mean), 1.0))
    assert torch.allclose(ours, normal.flatten(1).sum(1), rtol=1e-12)
    assert torch.allclose(
        ours, DiagonalGaussianDistribution(torch.cat([mean, log_variance], 1)).kl(), rtol=1e-12
    )


def test_edges_ignore_brightness_and_count_steps() -> None:
    image = torch.rand(2, 3, 8, 8, generator=rng())
    assert edge_error(image, image + 0.7) < 1e-6  # rounding
    step = torch.zeros(1, 1, 4, 8)
    step[..., 3:] = 2.0
    assert edge_error(step, torch.zeros_like(step)).item() == pytest.approx(
        (2 / 7 + 0) / 2
    )  # one of 7 differences across, none down


def test_colours_error_sees_means_alone() -> None:
    image = torch.rand(2, 3, 16, 8, generator=rng())
    assert colour_error(image, image.flip(-1)) < 1e-12  # means of whole rows of eight stay
    assert colour_error(image, image + 0.5).item() == pytest.approx(0.25)
    half = image.clone()
    half[..., :8, :] += 0.5  # one square of two
    assert colour_error(image, half).item() == pytest.approx(0.125)


def test_jitter_mirrors_and_rolls_and_no_more() -> None:
    images = pictures(40, 8)
    moved = jitter(images, 2, rng(3))
    assert torch.equal(moved, jitter(images, 2, rng(3)))
    seen = set()
    for image, result in zip(images, moved, strict=True):
        ways = [
            (flip, down, across)
            for flip in (False, True)
            for down in range(-2, 3)
            for across in range(-2, 3)
            if torch.equal(
                (image.flip(-1) if flip else image).roll((down, across), (-2, -1)), result
            )
            or torch.equal(image.roll((down, across), (-2, -1)).flip(-1) if flip else image, result)
        ]
        assert ways
        seen.add(ways[0])
    assert len(seen) > 20
    assert all(
        torch.equal(r, i) or torch.equal(r, i.flip(-1))
        for r, i in zip(jitter(images, 0, rng()), images, strict=True)
    )


def test_colours_are_shuffled_in_every_order() -> None:
    images = pictures(400, 2)
    assert torch.equal(shuffle_colours(images, 0.0, rng()), images)
    result = shuffle_colours(images, 0.5, rng())
    orders = list(permutations(range(3)))
    found = [
        [order for order in orders if torch.equal(i[list(order)], r)]
        for i, r in zip(images, result, strict=True)
    ]
    assert all(found)
    kept = sum((0, 1, 2) in ways for ways in found) / 400
    assert kept == pytest.approx(0.5 + 0.5 / 6, abs=0.1)  # four standard errors
    assert {ways[0] for ways in found} == set(orders)


def test_latents_in_the_middle_change_no_picture() -> None:
    vae, images = tiny_vae(), pictures(6)
    torch.nn.init.normal_(vae.quant_conv.bias, generator=rng(5))
    before = decode(vae, moments(vae, to_points(images))[0])
    variance = moments(vae, to_points(images))[1]
    latents = encode_all(vae, images, batch=4)
    assert latents.mean((0, 2, 3)).abs().max() > 0.1
    scale = centre_latents(vae, latents)
    after = encode_all(vae, images)
    assert after.mean((0, 2, 3)).abs().max() < 1e-6  # float32
    assert float(after.std() * scale) == pytest.approx(1, rel=1e-5)
    assert torch.allclose(decode(vae, moments(vae, to_points(images))[0]), before, atol=1e-5)
    assert torch.equal(moments(vae, to_points(images))[1], variance)


def test_psnr_is_torchmetrics_own() -> None:
    vae, images = tiny_vae(), pictures(5)
    made = decode(vae, moments(vae, to_points(images))[0]).clamp(-1, 1)
    expected = [
        peak_signal_noise_ratio(m, x, data_range=2.0)
        for m, x in zip(made, to_points(images), strict=True)
    ]
    assert torch.allclose(
        reconstruction_psnr(vae, images, batch=2), torch.stack(expected), rtol=1e-4
    )


def test_a_perfect_autoencoder_pays_the_kl_alone() -> None:
    images = pictures(4)

    class Perfect(torch.nn.Module):
        """Latents are the picture; their posterior is all but certain."""

        def encoder(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, torch.full_like(x, -30.0)], 1)

        def quant_conv(self, x: torch.Tensor) -> torch.Tensor:
            return x

        decoder = post_quant_conv = quant_conv

    loss = AutoencoderLoss(images, torch.ones(4), batch=3, kl=0.25)
    clean = loss.draw(rng(8))
    expected = (
        0.25 * 0.5 * (clean.square() + 29.0).flatten(1).sum(1).mean()
    )  # exp(-30) is nothing beside 1
    assert float(loss(Perfect(), 0, rng(8))) == pytest.approx(float(expected), rel=1e-5)
    free = AutoencoderLoss(images, torch.ones(4), batch=3, kl=0.0)
    assert free(Perfect(), 0, rng(8)) < 1e-5  # the draw's own noise, exp(-15)


def test_pictures_without_weight_are_never_drawn() -> None:
    images = torch.arange(3, dtype=torch.uint8).mul(100)[:, None, None, None].expand(3, 3, 8, 8)
    drawn = AutoencoderLoss(images, torch.tensor([1.0, 0.0, 1.0]), batch=64).draw(rng())
    assert set(drawn.unique().tolist()) == set(
        to_points(torch.tensor([0, 200], dtype=torch.uint8)).tolist()
    )


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    vae = tiny_vae().requires_grad_(True)
    loss = AutoencoderLoss(pictures(4) // 4 * 0 + 200, torch.ones(4), batch=4)
    before = float(loss(vae, 0, rng()).detach())
    settings = TrainingSettings(steps=20, lr=1e-2, warmup=1, ema=0.5, checkpoint_every=20)
    average = train(vae, loss, settings, tmp_path, progress=False)
    assert float(loss(average, 0, rng()).detach()) < 0.7 * before


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 0},
        {"kl": -1.0},
        {"edges": -1.0},
        {"colour": -1.0},
        {"reach": -1},
        {"shuffled": 1.5},
    ],
)
def test_bad_settings_name_their_key(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"training.{next(iter(change))} = "):
        AutoencoderLoss(**({"images": pictures(1), "weights": torch.ones(1), "batch": 1} | change))

"""DDIM inversion of real digits with the shipped U-Net, and back."""

import pytest
import torch

from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.evaluation.image import psnr
from scoregeo.inversion.ddim import DDIMInversion
from scoregeo.score.diffusers_unet import unet_score


@pytest.mark.slow
def test_inversion_and_back_returns_the_digit() -> None:
    dataset = RotatedMNIST(identities="all", angles=[60], pairs_per_angle=2, source="embedded")
    field = unet_score(dataset, seed=0, timestep=400, model="digits_unet_all")
    ends, inversion = dataset.pairs(0).ends, DDIMInversion(steps=50)
    lifted = inversion.lift(ends, field, torch.Generator())
    back = inversion.decode(lifted.flatten(0, 1), field)
    found = psnr(back, ends.flatten(0, 1))
    print(f"PSNR after 50 steps up and 50 down: {found.mean():.1f} dB, least {found.min():.1f} dB")
    # 25 dB is a root mean square error of 0.11 in pixels from -1 to 1: the same digit to the eye.
    assert found.min() > 25
    # Standardised, an inverted digit is about as spread as noise: the lift went all the way up.
    assert lifted.std() > 0.8 * field.sigma

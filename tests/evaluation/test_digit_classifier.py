"""The shipped digit classifier."""

from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import save_tensors
from scoregeo._utils.seed import generator
from scoregeo.dataset.digits import load_digits
from scoregeo.dataset.identities import pixels
from scoregeo.dataset.rotation import rotate
from scoregeo.evaluation.digit_classifier import FEATURES, WEIGHTS, load_digit_classifier
from scoregeo.evaluation.feature_network import FeatureNetwork, load_feature_network


def test_it_reads_held_out_digits_at_any_angle() -> None:
    digits = load_digits("test", "embedded")
    images = rotate(
        pixels(digits.images[:1000]), 360 * torch.rand(1000, generator=generator(1, "angles"))
    )
    guess = torch.cat([load_digit_classifier()(part).argmax(1) for part in images.split(250)])
    accuracy = float((guess == digits.labels[:1000]).float().mean())
    assert accuracy >= 0.97


def test_features_feed_the_last_layer_and_hardly_feel_float16() -> None:
    model = load_digit_classifier()
    x = torch.rand(3, 1, 28, 28, generator=generator(1, "images")) * 2 - 1
    assert model.features(x).shape == (3, FEATURES)
    assert torch.equal(model.head(model.features(x)), model(x))
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())
    assert not any(p.requires_grad for p in model.parameters())


def test_confidence_is_the_greatest_class_probability() -> None:
    network = load_feature_network("digit_classifier")
    assert isinstance(network, FeatureNetwork)
    x = torch.rand(6, 1, 28, 28, generator=generator(2, "images")) * 2 - 1
    sure = network.confidence(network.features(x).view(2, 3, FEATURES))
    assert sure is not None and sure.shape == (2, 3)
    probability = load_digit_classifier()(x).double().softmax(1)
    assert torch.allclose(
        sure.flatten(), probability.max(1).values, atol=1e-6
    )  # the last layer is in float32
    assert (
        FeatureNetwork("other", "without a head", network.module).confidence(network.features(x))
        is None
    )


def test_a_cross_fade_is_less_sure_than_digits() -> None:
    network = load_feature_network("digit_classifier")
    assert isinstance(network, FeatureNetwork)
    images = pixels(load_digits("test", "embedded").images[:400])
    sure = [
        network.confidence(network.features(x)) for x in (images, (images[:200] + images[200:]) / 2)
    ]
    assert sure[0] is not None and sure[1] is not None
    # Measured: 0.980 and 0.849; a mean of 200 whose spread is 0.2 deviates by 0.014.
    assert float(sure[0].mean()) > float(sure[1].mean()) + 0.1


def test_missing_damaged_and_foreign_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere.safetensors"):
        load_digit_classifier(tmp_path / "nowhere.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(WEIGHTS.read_bytes()[:-1000])
    with pytest.raises(DataError, match="cut.safetensors"):
        load_digit_classifier(cut)
    save_tensors(tmp_path / "other.safetensors", {"weight": torch.zeros(2)})
    with pytest.raises(DataError, match="other.safetensors"):
        load_digit_classifier(tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="pickle"):
        load_digit_classifier(tmp_path / "model.pt")

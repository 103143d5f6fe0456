"""FID, KID, precision and recall of a method's frames, from features: in one run, or gathered from
its shards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from scoregeo.evaluation.distribution import (
    DistributionResult,
    compare_features,
    fitting_subset,
    inner_frame_features,
)
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.precision_recall import NEIGHBOURS
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import NOT_DECODED, Estimate, NotAvailable


@dataclass(frozen=True)
class FrameFeatures:
    """Of a method's inner frames: `features` [rows, frames, d], float64, on the CPU, or why there
    are none.

    `network`: whose features they are. `confidence` [rows]: its classifier's, None without one.
    """

    features: torch.Tensor | NotAvailable
    network: str
    confidence: torch.Tensor | None = None


@dataclass(frozen=True)
class FrameSets:
    """All of a method's frames, and the images they are compared with. Frames may have no features
    (`NotAvailable`), which a measure passes on.

    `frames`: features of all rows; `reference` [count, d]: those of the images, None where `frames`
    has no features; `units`: the pair of each row, whose rows are one observation; `settings`,
    `seed`: of KID's subsets.
    """

    frames: FrameFeatures
    reference: torch.Tensor | None
    units: tuple[str, ...]
    settings: EvaluationSettings
    seed: int


@dataclass(frozen=True)
class SetMeasures:
    """Measures of all of a method's frames together.

    `cells` by name; `rows`, those with one value a row; `jackknife`, the cells' values with
    each pair left out, [pairs] each, in the same order for every method; `whole`, their values of
    all pairs computed in that way, where these are not the cells' own.
    """

    cells: Mapping[str, Estimate | NotAvailable] = field(default_factory=dict)
    rows: Mapping[str, torch.Tensor | NotAvailable] = field(default_factory=dict)
    jackknife: Mapping[str, torch.Tensor] = field(default_factory=dict)
    whole: Mapping[str, float] = field(default_factory=dict)


def frame_features(
    network: FeatureNetwork | NotAvailable, name: str, frames: torch.Tensor | None
) -> FrameFeatures:
    """Features of the inner frames of `frames` [rows, points, C, H, W] by the network `name`, and
    its classifier's mean confidence of each row; or why there are none. `frames`: None where paths
    were not decoded.
    """
    if isinstance(network, NotAvailable) or frames is None:
        return FrameFeatures(network if isinstance(network, NotAvailable) else NOT_DECODED, name)
    features = inner_frame_features(network, frames.cpu())
    sure = network.confidence(features)
    return FrameFeatures(features, network.name, None if sure is None else sure.mean(1))


def distribution_measures(sets: FrameSets) -> SetMeasures:
    """FID, KID and recall of all frames, those without each pair, and each row's precision."""
    frames, settings = sets.frames, sets.settings
    if isinstance(frames.features, NotAvailable):
        reason = frames.features
        return SetMeasures({"fid": reason, "kid": reason, "recall": reason}, {"precision": reason})
    assert sets.reference is not None
    rows = _rows_of_units(sets.units)
    own = frames.features[rows].flatten(1, 2)  # all rows of one pair are one observation
    result = compare_features(
        own,
        sets.reference,
        frames.network,
        subset_size=fitting_subset(
            settings.kid_subset_size, own.shape[0] * own.shape[1], len(sets.reference)
        ),
        subsets=settings.kid_subsets,
        seed=sets.seed,
    )
    counts = f"{result.frames} / {result.reference_frames} frames"
    few = NotAvailable(
        f"precision and recall need more than {NEIGHBOURS} images in each set, not {counts}"
    )
    precision = _precision(result, rows, frames.features.shape[1])
    return SetMeasures(
        cells={
            "fid": replace(result.fid, detail=counts),
            "kid": replace(result.kid, detail=f"subsets' deviation {result.kid_spread:.2g}"),
            "recall": few if result.recall is None else result.recall,
        },
        rows={"precision": few if precision is None else precision},
        jackknife=result.jackknife,
        whole=result.whole,
    )


def _rows_of_units(units: Sequence[str]) -> torch.Tensor:
    """Which rows are of each unit, [units, rows of one]."""
    return torch.tensor(
        [[i for i, name in enumerate(units) if name == unit] for unit in dict.fromkeys(units)]
    )


def _precision(result: DistributionResult, rows: torch.Tensor, frames: int) -> torch.Tensor | None:
    """Share of each row's frames in the reference's manifold, [rows]."""
    if result.inside is None:
        return None
    found = torch.empty(rows.numel(), dtype=torch.float64)
    found[rows.flatten()] = result.inside.reshape(-1, frames).double().mean(1)
    return found

"""FID, KID, precision and recall of a method's frames, from features: in one run, or gathered from
its shards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from scoregeo._utils.files import load_tensors, save_tensors
from scoregeo.evaluation.distribution import DistributionResult, compare_features
from scoregeo.evaluation.precision_recall import NEIGHBOURS
from scoregeo.evaluation.settings import EvaluationSettings
from scoregeo.evaluation.statistics import Estimate, NotAvailable

_REFERENCE = "reference.safetensors"


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
class SetMeasures:
    """Measures of all of a method's frames together.

    `cells` by name; `rows`, those with one value a row; `resampled`, the cells' values for the same
    draws of pairs for every method, [resamples] each.
    """

    cells: Mapping[str, Estimate | NotAvailable]
    rows: Mapping[str, torch.Tensor | NotAvailable]
    resampled: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class SetComparison:
    """Compares features of frames with those of the references, `reference` [count, d], as the
    settings ask.
    """

    reference: torch.Tensor | None
    settings: EvaluationSettings
    seed: int

    def save(self, folder: Path) -> None:
        """Keep the references' features in `folder`, where there are any."""
        if self.reference is not None:
            save_tensors(folder / _REFERENCE, {"features": self.reference})

    @classmethod
    def load(cls, folder: Path, settings: EvaluationSettings, seed: int) -> "SetComparison":
        """With the features kept in `folder`. Raises DataError where the file is damaged."""
        path = folder / _REFERENCE
        return cls(load_tensors(path)["features"] if path.exists() else None, settings, seed)

    def of(self, found: FrameFeatures | None, units: Sequence[str]) -> SetMeasures:
        """Measures of the frames of all rows, `units` naming each row's pair; nothing where nothing
        is asked for.
        """
        if found is None:
            return SetMeasures({}, {}, {})
        if isinstance(found.features, NotAvailable):
            reason = found.features
            return SetMeasures(
                {"fid": reason, "kid": reason, "recall": reason}, {"precision": reason}, {}
            )
        assert self.reference is not None
        rows, settings = _rows_of_units(units), self.settings
        result = compare_features(
            found.features[rows].flatten(1, 2),  # all rows of one pair are drawn together
            self.reference,
            found.network,
            subset_size=settings.kid_subset_size,
            subsets=settings.kid_subsets,
            resamples=settings.fid_resamples,
            seed=self.seed,
        )
        counts = f"{result.frames} / {result.reference_frames} frames"
        few = NotAvailable(
            f"precision and recall need more than {NEIGHBOURS} images in each set, not {counts}"
        )
        precision = _precision(result, rows, found.features.shape[1])
        sure = {} if found.confidence is None else {"confidence": found.confidence}
        return SetMeasures(
            cells={
                "fid": replace(result.fid, detail=counts),
                "kid": replace(result.kid, detail=f"subsets' deviation {result.kid_spread:.2g}"),
                "recall": few if result.recall is None else result.recall,
            },
            rows={"precision": few if precision is None else precision} | sure,
            resampled=result.resampled,
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

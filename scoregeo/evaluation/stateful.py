"""Measures that gather batches: torchmetrics' update, compute and reset over the pure functions of
this package.

For evaluation loops whose paths do not fit at once, and for frames from elsewhere. A run itself
calls the functions."""

from collections.abc import Callable
from typing import Any

import torch
from torchmetrics import Metric

from scoregeo._utils.errors import DataError
from scoregeo._utils.words import count
from scoregeo.evaluation.distribution import compare_features, inner_frame_features
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.statistics import NotAvailable, mean_with_interval


class PathMean(Metric):
    """Mean over pairs, with its t interval, of a measure with one value a pair.

    `measure` maps what `update` is given to [pairs]: `inner_frame_psnr(frames, truth)`,
    `Lpips.inner_frames`, `straightness(path)`. `compute` gives "mean", "low", "high" and "n", as
    `mean_with_interval` has them."""

    full_state_update = False
    values: list[torch.Tensor]

    def __init__(
        self,
        measure: Callable[..., torch.Tensor],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.measure = measure
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, *paths: torch.Tensor) -> None:
        """Add a batch of pairs. Raises what the measure raises, and DataError where it gives no
        single value a pair.
        """
        found = self.measure(*paths)
        if found.shape != paths[0].shape[:1]:
            raise DataError(
                f"The measure gave shape {list(found.shape)} for {count(len(paths[0]), 'pair')};"
                " one value a pair is expected."
            )
        self.values.append(found.double().cpu())

    def per_pair(self) -> torch.Tensor:
        """The value of each pair so far, [pairs], float64."""
        values: Any = self.values  # one tensor after a reduction over processes
        return values if isinstance(values, torch.Tensor) else torch.cat(values)

    def compute(self) -> dict[str, torch.Tensor]:
        """Float64 scalars; raises DataError where no pair has a finite value."""
        if len(self.values) == 0:
            raise DataError("No pair has been given: call update before compute.")
        found = mean_with_interval(self.per_pair())
        if isinstance(found, NotAvailable):
            raise DataError(f"No mean: {found.reason}.")
        named = {"mean": found.mean, "low": found.low, "high": found.high, "n": float(found.n)}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in named.items()}


class FrameDistribution(Metric):
    """FID, KID, precision and recall of the inner frames of all pairs against reference images, by
    one feature network.

    Only features are kept, never frames. `options` of `compare_features`: `subset_size`, `subsets`,
    `level`, `seed`."""

    full_state_update = False
    features: list[torch.Tensor]

    def __init__(self, network: FeatureNetwork, reference: torch.Tensor, **options: Any) -> None:
        """`reference`: images [count, channels, height, width] in [-1, 1], at least two."""
        super().__init__()
        self.network, self.options = network, options
        self.reference = network.features(reference)
        self.add_state("features", default=[], dist_reduce_fx="cat")

    def update(self, frames: torch.Tensor) -> None:
        """Add the inner frames of paths [pairs, points, channels, height, width]; every batch with
        as many points.
        """
        self.features.append(inner_frame_features(self.network, frames))

    def compute(self) -> dict[str, torch.Tensor]:
        """Float64 scalars: "fid", "fid_low", "fid_high", the same of kid, "kid_spread", "frames",
        "reference_frames", and, where there are more than three images, "precision", "recall".
        Bounds are NaN of one pair, and KID's of fewer than six.
        Raises as `compare_features`."""
        if len(self.features) == 0:
            raise DataError("No frame has been given: call update before compute.")
        features: Any = self.features
        given = features if isinstance(features, torch.Tensor) else torch.cat(features)
        result = compare_features(given, self.reference, self.network.name, **self.options)
        named = {
            "fid": result.fid.mean,
            "fid_low": result.fid.low,
            "fid_high": result.fid.high,
            "kid": result.kid.mean,
            "kid_low": result.kid.low,
            "kid_high": result.kid.high,
            "kid_spread": result.kid_spread,
            "frames": float(result.frames),
            "reference_frames": float(result.reference_frames),
        }
        if result.inside is not None and result.recall is not None:
            named |= {
                "precision": float(result.inside.double().mean()),
                "recall": result.recall.mean,
            }
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in named.items()}

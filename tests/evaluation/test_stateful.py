"""Gathered batches give what the pure functions give of everything at once."""

import pytest
import torch
from torch import nn

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.distribution import compare_features, inner_frame_features
from scoregeo.evaluation.feature_network import FeatureNetwork
from scoregeo.evaluation.image import inner_frame_psnr
from scoregeo.evaluation.stateful import FrameDistribution, PathMean
from scoregeo.evaluation.statistics import Estimate, mean_with_interval

PIXELS = FeatureNetwork("flat", "pixels", nn.Flatten())


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_means_of_batches() -> None:
    truth = images(5, 4, 1, 12, 12)
    frames = truth + 0.1 * images(5, 4, 1, 12, 12, seed=1)
    mean = PathMean(inner_frame_psnr)
    for part in (slice(0, 2), slice(2, 5)):
        mean.update(frames[part], truth[part])
    wanted = mean_with_interval(inner_frame_psnr(frames, truth))
    assert isinstance(wanted, Estimate)
    assert {k: float(v) for k, v in mean.compute().items()} == {
        "mean": wanted.mean,
        "low": wanted.low,
        "high": wanted.high,
        "n": 5,
    }
    mean.reset()
    with pytest.raises(DataError, match="update before compute"):
        mean.compute()


def test_distributions_of_batches() -> None:
    frames, reference = images(6, 7, 1, 3, 3), images(30, 1, 3, 3, seed=1)
    gathered = FrameDistribution(PIXELS, reference, subset_size=10, subsets=5)
    gathered.update(frames[:1])
    gathered.update(frames[1:])
    found = gathered.compute()
    wanted = compare_features(
        inner_frame_features(PIXELS, frames),
        PIXELS.features(reference),
        "flat",
        subset_size=10,
        subsets=5,
    )
    assert float(found["fid"]) == wanted.fid.mean and float(found["kid_high"]) == wanted.kid.high
    assert wanted.recall is not None and float(found["recall"]) == wanted.recall.mean
    assert (int(found["frames"]), int(found["reference_frames"])) == (30, 30)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="one value a pair"):
        PathMean(lambda path: path.mean()).update(images(3, 2))
    with pytest.raises(DataError, match="none of 1 pair gave"):
        nothing = PathMean(lambda path: path.mean(1))
        nothing.update(torch.full((1, 2), float("nan")))
        nothing.compute()
    with pytest.raises(DataError, match="update before compute"):
        FrameDistribution(PIXELS, images(5, 1, 3, 3)).compute()
    with pytest.raises(DataError, match="reference set of 1 image"):
        alone = FrameDistribution(PIXELS, images(1, 1, 3, 3), subset_size=2)
        alone.update(images(1, 6, 1, 3, 3))
        alone.compute()

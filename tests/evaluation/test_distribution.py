"""FID, KID and recall of a method's frames: intervals, subsets, bad input."""

import math

import pytest
import torch
from torch import nn

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.evaluation.difference import jackknife_difference
from scoregeo.evaluation.distribution import (
    check_frame_counts,
    compare_features,
    inner_frame_features,
)
from scoregeo.evaluation.feature_network import FeatureNetwork, load_feature_network
from scoregeo.evaluation.fid_kid import (
    polynomial_mmd,
    weighted_kid,
)
from scoregeo.evaluation.statistics import NotAvailable
from tests.evaluation.clouds import cloud


def test_interval_surrounds_the_value() -> None:
    features, reference = cloud(12, 10, 8, shift=0.3), cloud(300, 8, seed=1)
    result = compare_features(features, reference, "given", subset_size=50, subsets=20)
    assert result.fid.low < result.fid.mean < result.fid.high
    assert result.kid.low < result.kid.mean < result.kid.high
    assert (result.fid.n, result.frames, result.reference_frames, result.network) == (
        12,
        120,
        300,
        "given",
    )
    again = compare_features(features, reference, "given", subset_size=50, subsets=20)
    assert (result.fid, result.kid, result.recall, result.kid_spread) == (
        again.fid,
        again.kid,
        again.recall,
        again.kid_spread,
    )
    # Another method on the same pairs moves with them.
    other = compare_features(features + 0.1, reference, "given", subset_size=50, subsets=20)
    assert (
        torch.corrcoef(torch.stack([result.jackknife["fid"], other.jackknife["fid"]]))[0, 1] > 0.9
    )
    # The mean over subsets estimates the same as all images do; its spread says how far it may
    # stray.
    assert result.kid.mean == pytest.approx(
        polynomial_mmd(features.flatten(0, 1), reference), abs=result.kid_spread
    )


@pytest.mark.parametrize("subset_size, subsets", [(10, 10), (5, 2)])
def test_kid_s_random_subsets_raise_no_false_alarm(subset_size: int, subsets: int) -> None:
    """Two methods of one distribution, of whose frames the subsets see a few."""
    reference, alarms, covered, trials = cloud(200, 8, seed=1), 0, 0, 40
    every = torch.ones(1, 10, dtype=torch.float64)
    for trial in range(trials):
        # each pair has a mean of its own, which both methods share
        pairs = cloud(10, 1, 8, seed=1000 + trial)
        frames = [pairs + cloud(10, 10, 8, seed=10 * trial + k) for k in (2, 3)]
        one, other = (
            compare_features(
                each, reference, "given", subset_size=subset_size, subsets=subsets, seed=trial
            )
            for each in frames
        )
        found = jackknife_difference(
            one.whole["kid"], other.whole["kid"], one.jackknife["kid"], other.jackknife["kid"]
        )
        alarms += found.p < 0.05
        difference = [float(weighted_kid(each, reference, every)) for each in frames]
        assert found.mean == pytest.approx(difference[0] - difference[1], rel=1e-9)
        # of the frames at hand, whose KID the subsets estimate
        covered += one.kid.low <= polynomial_mmd(frames[0].flatten(0, 1), reference) <= one.kid.high
    # 5 % and 95 %, with two binomial deviations of 40 trials
    assert alarms / trials <= 0.05 + 0.07 and covered / trials >= 0.95 - 0.07


def test_one_subset_has_no_interval() -> None:
    features, reference = cloud(12, 10, 8), cloud(300, 8, seed=1)
    result = compare_features(features, reference, "given", subset_size=50, subsets=1)
    assert math.isnan(result.kid.low) and math.isfinite(result.fid.low)


@pytest.mark.parametrize("pairs", [2, 5, 6])
def test_kid_has_an_interval_from_six_pairs_on(pairs: int) -> None:
    """Of fewer it would cover too rarely; its error by the jackknife, for differences, stays."""
    features, reference = cloud(pairs, 10, 8), cloud(40, 8, seed=1)
    result = compare_features(features, reference, "given", subset_size=10)
    assert math.isfinite(result.kid.low) == math.isfinite(result.kid.high) == (pairs >= 6)
    assert result.kid.n == pairs == len(result.jackknife["kid"])
    assert math.isfinite(result.fid.low)


def test_one_pair_has_no_interval() -> None:
    result = compare_features(cloud(1, 30, 4), cloud(40, 4, seed=1), "given", subset_size=10)
    assert math.isnan(result.fid.low) and math.isnan(result.kid.high)


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    compare_features(cloud(3, 10, 4), cloud(40, 4, seed=1), "given", subset_size=10)
    assert torch.equal(torch.rand(3), wanted)


def test_features_of_inner_frames_in_order() -> None:
    network = FeatureNetwork("flat", "pixels", nn.Flatten())
    frames = torch.linspace(-1, 1, 2 * 4 * 9).reshape(2, 4, 1, 3, 3)
    features = inner_frame_features(network, frames)
    assert features.shape == (2, 2, 9) and features.dtype == torch.float64
    assert torch.equal(features[1, 0], frames[1, 1].flatten().double())


def test_bad_input() -> None:
    network = FeatureNetwork("flat", "pixels", nn.Flatten())
    frames = torch.zeros(2, 4, 1, 3, 3)
    frames[0, 1, 0, 0, 0] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        inner_frame_features(network, frames)
    with pytest.raises(DataError, match="points >= 3"):
        inner_frame_features(network, torch.zeros(2, 2, 1, 3, 3))
    with pytest.raises(DataError, match="shape"):
        FeatureNetwork("unflat", "pixels", nn.Identity()).features(torch.zeros(2, 1, 3, 3))
    with pytest.raises(
        ConfigError, match=r"kid_subset_size = 100.*at most.*20 inner frames, 50 reference"
    ):
        compare_features(cloud(2, 10, 4), cloud(50, 4), "given")
    with pytest.raises(
        ConfigError,
        match=r"set evaluation\.kid_subset_size=30 or less, or compare more pairs or points",
    ):
        check_frame_counts(5, 8, 1000, 31)
    with pytest.raises(
        ConfigError,
        match=r"set evaluation\.kid_subset_size=20 or less, or raise evaluation\.reference_frames",
    ):
        check_frame_counts(5, 8, 20, 31)
    with pytest.raises(ConfigError, match="compare more pairs or points"):
        check_frame_counts(1, 3, 20, 2)
    check_frame_counts(5, 8, 1000, 30)
    with pytest.raises(DataError, match="reference set of 1 image"):
        check_frame_counts(20, 32, 1, 50)
    with pytest.raises(DataError, match="reference set of 1 image"):
        compare_features(cloud(2, 10, 4), cloud(1, 4), "given", subset_size=10)
    digits = load_feature_network("digit_classifier")
    assert isinstance(digits, FeatureNetwork)
    with pytest.raises(
        DataError, match=r"takes images of shape \[1, 28, 28\]; these have \[1, 32, 32\]"
    ):
        digits.features(torch.zeros(2, 1, 32, 32))
    with pytest.raises(DataError, match="from 0 to 255"):
        digits.features(torch.linspace(0, 255, 2 * 784).reshape(2, 1, 28, 28))
    with pytest.raises(DataError, match="every frame"):
        compare_features(cloud(2, 10, 4) * float("nan"), cloud(50, 4), "given", subset_size=10)
    with pytest.raises(ConfigError, match=r"evaluation\.network = 'resnet'"):
        load_feature_network("resnet")


def test_inception_without_weights_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    answer = load_feature_network("inception", download=False)
    assert isinstance(answer, NotAvailable)
    assert "weights-inception-2015-12-05-6726825d.pth" in answer.reason

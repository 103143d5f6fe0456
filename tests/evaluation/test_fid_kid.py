"""FID and KID against closed forms, torchmetrics and torch-fidelity, and of few pairs."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from scoregeo.evaluation.fid_kid import (
    frechet_distance,
    gaussian_frechet,
    nuclear_norm,
    polynomial_mmd,
    torchmetrics_fid,
    torchmetrics_kid,
    weighted_fid,
    weighted_kid,
)
from scoregeo.evaluation.precision_recall import coverage
from tests.evaluation.clouds import cloud


def test_frechet_distance_of_commuting_gaussians() -> None:
    # Diagonal covariances: |m_a - m_b|^2 + sum (sqrt a - sqrt b)^2.
    a, b = torch.tensor([1.0, 4.0, 0.0]).double(), torch.tensor([9.0, 4.0, 1.0]).double()
    mean = torch.tensor([1.0, 2.0, 2.0]).double()
    wanted = 9 + (1 - 3) ** 2 + 0 + 1
    assert gaussian_frechet(
        mean, torch.diag(a), torch.zeros(3).double(), torch.diag(b)
    ) == pytest.approx(wanted, abs=1e-12)


def test_fid_of_samples_tends_to_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    a = (
        torch.randn(20000, 3, generator=generator, dtype=torch.float64)
        * torch.tensor([1.0, 2.0, 3.0])
        + 1
    )
    b = torch.randn(20000, 3, generator=generator, dtype=torch.float64) * 2
    wanted = 3 + 1 + 0 + 1
    # Sampling error of mean and deviations, about 2 * 2 / sqrt(20000) = 0.03 a term.
    assert frechet_distance(a, b) == pytest.approx(wanted, abs=0.15)


@pytest.mark.parametrize(
    ("count", "features"), [(300, 16), (60, 96)]
)  # the second has singular covariances
def test_fid_of_three_libraries(count: int, features: int) -> None:
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )  # type: ignore[import-untyped]

    a, b = cloud(count, features), cloud(2 * count, features, seed=1, shift=0.2)
    ours = frechet_distance(a, b)
    other = fid_statistics_to_metric(
        fid_features_to_statistics(a), fid_features_to_statistics(b), verbose=False
    )
    # Singular products have rounding of about 1e-16 under a square root in torchmetrics and
    # torch-fidelity.
    assert ours == pytest.approx(torchmetrics_fid(a, b), rel=1e-5)
    assert ours == pytest.approx(other[KEY_METRIC_FID], rel=1e-5)


def test_kid_of_three_libraries() -> None:
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric  # type: ignore[import-untyped]

    a, b = cloud(80, 12), cloud(80, 12, seed=1, shift=0.3)
    ours = polynomial_mmd(a, b)
    mean, spread = torchmetrics_kid(a, b, subset_size=80, subsets=2, seed=0)
    other = kid_features_to_metric(a, b, kid_subsets=2, kid_subset_size=80, verbose=False)
    # Subsets of all images leave nothing to chance: only the order of sums differs.
    assert mean == pytest.approx(ours, rel=1e-9)
    assert spread == pytest.approx(0, abs=1e-9)
    assert other[KEY_METRIC_KID_MEAN] == pytest.approx(ours, rel=1e-9)


def test_kid_over_subsets_of_two_libraries() -> None:
    from torch_fidelity.metric_kid import (
        KEY_METRIC_KID_MEAN,
        KEY_METRIC_KID_STD,
        kid_features_to_metric,
    )

    # Each library draws subsets of its own.
    a, b = cloud(400, 12), cloud(60, 12, seed=1, shift=1.0)
    mean, spread = torchmetrics_kid(a, b, subset_size=60, subsets=1000, seed=0)
    other = kid_features_to_metric(a, b, kid_subsets=1000, kid_subset_size=60, verbose=False)
    error = spread / math.sqrt(
        1000
    )  # of either mean; 3.5 of the difference's are one chance in 2,000
    assert mean == pytest.approx(other[KEY_METRIC_KID_MEAN], abs=3.5 * math.sqrt(2) * error)
    assert spread == pytest.approx(
        other[KEY_METRIC_KID_STD], rel=0.1
    )  # a deviation of 1,000 draws is known to 2.2 %


def test_kid_of_equal_distributions_is_about_zero() -> None:
    values = [polynomial_mmd(cloud(40, 8, seed=s), cloud(50, 8, seed=1000 + s)) for s in range(60)]
    # Unbiased: the mean of 60 draws lies within three of its standard errors.
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(60)


def test_kid_of_few_pairs_is_too_high_by_what_frames_of_one_pair_share() -> None:
    # Over all sets of two or three of five pairs the mean is exact, nothing is drawn.
    pairs, frames = 5, 4
    features = cloud(pairs, 1, 3) + 0.3 * cloud(pairs, frames, 3, seed=1)
    reference = cloud(30, 3, seed=2)
    kernel = ((features.flatten(0, 1) @ features.flatten(0, 1).T / 3 + 1) ** 3).view(
        pairs, frames, pairs, frames
    )
    one = torch.stack([kernel[i, :, i] for i in range(pairs)])
    same = (one.sum() - one.diagonal(dim1=1, dim2=2).sum()) / (pairs * frames * (frames - 1))
    other = (kernel.sum() - one.sum()) / (pairs * (pairs - 1) * frames**2)
    assert same > 1.2 * other
    k_yy = (reference @ reference.T / 3 + 1) ** 3
    within = (k_yy.sum() - k_yy.trace()) / (30 * 29)
    cross = ((features.flatten(0, 1) @ reference.T / 3 + 1) ** 3).mean()
    for p in (2, 3):
        held = [list(chosen) for chosen in combinations(range(pairs), p)]
        mean = np.mean([polynomial_mmd(features[k].flatten(0, 1), reference) for k in held])
        bias = (frames - 1) / (p * frames - 1) * (same - other)
        assert mean == pytest.approx(float(other + within - 2 * cross + bias), rel=1e-12)


def test_frames_of_few_pairs_raise_fid_and_lower_recall() -> None:
    # 240 frames of the reference's own distribution, of 240 pairs and of 24 whose frames are alike
    reference = cloud(2000, 8, seed=9)
    many = cloud(240, 8)
    few = (
        math.sqrt(0.95) * cloud(24, 1, 8, seed=1) + math.sqrt(0.05) * cloud(24, 10, 8, seed=2)
    ).flatten(0, 1)
    assert frechet_distance(few, reference) > 5 * frechet_distance(many, reference)
    assert polynomial_mmd(few, reference) > 5 * abs(polynomial_mmd(many, reference))
    assert coverage(few, reference).recall < 0.1 < 0.8 < coverage(many, reference).recall


def test_holding_every_pair_once_gives_the_value_itself() -> None:
    features, reference = cloud(5, 8, 6), cloud(70, 6, seed=1, shift=0.2)
    once = torch.ones(1, 5, dtype=torch.float64)
    flat = features.flatten(0, 1)
    assert float(weighted_fid(features, reference, once)) == pytest.approx(
        frechet_distance(flat, reference), rel=1e-9
    )
    k_yy = (reference @ reference.T / 6 + 1) ** 3
    constant = float((k_yy.sum() - k_yy.trace()) / (70 * 69))
    assert float(weighted_kid(features, reference, once)) + constant == pytest.approx(
        polynomial_mmd(flat, reference), rel=1e-9
    )


@pytest.mark.parametrize("references", [70, 6, 4])  # more than features, as many, fewer
def test_weights_give_fid_of_the_frames_they_hold(references: int) -> None:
    features, reference = cloud(4, 10, 6), cloud(references, 6, seed=1)
    held = [[0, 0, 2, 3], [0, 1, 3]]  # the second leaves one out
    weights = torch.tensor([[2, 0, 1, 1], [1, 1, 0, 1]], dtype=torch.float64)
    for index, found in zip(held, weighted_fid(features, reference, weights), strict=True):
        # A singular covariance's root is known to the root of float64's precision.
        expected = frechet_distance(features[index].flatten(0, 1), reference)
        assert float(found) == pytest.approx(expected, rel=1e-9 if references > 6 else 1e-7)
    alone = weighted_kid(features, reference, weights)[1]
    wanted = polynomial_mmd(features[held[1]].flatten(0, 1), reference)
    k_yy = (reference @ reference.T / 6 + 1) ** 3
    constant = (k_yy.sum() - k_yy.trace()) / (references * (references - 1))
    assert float(alone + constant) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("shape", ((12, 40), (40, 12), (20, 20)))
def test_the_nuclear_norm_is_that_of_a_singular_value_decomposition(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = float(torch.linalg.matrix_norm(matrix, "nuc"))
    assert float(nuclear_norm(matrix)) == pytest.approx(expected, rel=1e-12)
    # Of less than full rank: each lost singular value may add 1e-8 of the largest.
    low = matrix[:, :3] @ matrix[:3]
    expected = float(torch.linalg.matrix_norm(low, "nuc"))
    assert float(nuclear_norm(low)) == pytest.approx(expected, rel=1e-8 * min(shape))

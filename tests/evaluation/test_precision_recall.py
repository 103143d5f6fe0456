"""Precision and recall against torch-fidelity, and sets where both are known."""

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.distribution import compare_features
from scoregeo.evaluation.precision_recall import coverage


def cloud(count: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return (
        torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        + shift
    )


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_same_as_torch_fidelity(shift: float) -> None:
    from torch_fidelity.metric_prc import prc_features_to_metric  # type: ignore[import-untyped]

    features, reference = cloud(60, 0, shift), cloud(90, 1)
    wanted = prc_features_to_metric(
        features,
        reference,
        prc_neighborhood=3,
        prc_batch_size=1000,
        save_cpu_ram=False,
        verbose=False,
    )
    found = coverage(features, reference)
    # Shares of counts: equal, but for its sums in float32.
    assert found.precision == pytest.approx(wanted["precision"], abs=1e-6)
    assert found.recall == pytest.approx(wanted["recall"], abs=1e-6)
    if shift == 1.0:
        assert 0 < found.precision < 1 and 0 < found.recall < 1


def test_known_sets() -> None:
    # One tight cluster of the two that the reference has: all of it is real, and it covers one
    # half.
    reference = torch.cat([cloud(40, 0), cloud(40, 1) + 100])
    found = coverage(cloud(40, 0), reference)
    assert found.precision == 1.0 and found.recall == pytest.approx(0.5)
    apart = coverage(cloud(40, 2) + 1000, reference)
    assert apart.precision == apart.recall == 0.0


def test_pairs_keep_their_own_frames() -> None:
    inside, outside = cloud(20, 0), cloud(20, 1, 50.0)
    result = compare_features(
        torch.stack([inside, outside]), torch.cat([inside, cloud(40, 3)]), "given", subset_size=10
    )
    assert result.inside is not None and result.inside.shape == (2, 20)
    assert result.inside[0].all() and not result.inside[1].any()
    # Without the first pair nothing is covered, without the second what the first covers alone.
    assert result.recall is not None
    alone = (
        coverage(torch.cat([inside, outside]), torch.cat([inside, cloud(40, 3)]))
        .covers[:20]
        .any(0)
        .double()
        .mean()
    )
    assert result.jackknife["recall"].tolist() == pytest.approx([0.0, float(alone)])


def test_too_few_images() -> None:
    assert compare_features(cloud(3, 0)[None], cloud(40, 1), "given", subset_size=2).inside is None
    with pytest.raises(DataError, match="more than 3 images in each set, not 3"):
        coverage(cloud(3, 0), cloud(40, 1))
    with pytest.raises(DataError, match="every frame"):
        coverage(cloud(9, 0) * float("nan"), cloud(40, 1))
    with pytest.raises(DataError, match="expected"):
        coverage(cloud(9, 0), cloud(40, 1)[:, :2])

"""The empirical score against brute force, its log density, and its own pieces."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError, ScoreError
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.sphere import Sphere
from scoregeo.score.empirical import EmpiricalScore, empirical_score
from scoregeo.score.sphere import SphereScore


def brute_force(x: torch.Tensor, sample: torch.Tensor, sigma: float) -> torch.Tensor:
    """Float64, one point at a time, distances as sums of squared differences."""
    data = sample.double().flatten(1)
    rows = []
    for point in x.double().flatten(1):
        weight = (-(point - data).square().sum(1) / (2 * sigma**2)).softmax(0)
        rows.append((weight @ data - point) / sigma**2)
    return torch.stack(rows).view(x.shape)


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return RotatedMNIST(identities=10, sample_angles=180, source="embedded").sample(1800, 0)


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0, 8.0])
def test_float32_digits_against_brute_force(digits: torch.Tensor, sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    chord = digits[:20].lerp(digits[200:220], 0.4)
    between = digits[:20].lerp(
        digits[1:21], 0.5
    )  # neighbours: the weights are decided by small differences of distances
    noisy = digits[:20] + sigma * torch.randn(20, 1, 28, 28, generator=generator)
    x = torch.cat([chord, between, noisy])
    value, expected = EmpiricalScore(digits).score(x, sigma), brute_force(x, digits, sigma)
    assert value.dtype == torch.float32 and value.shape == x.shape
    # Logits are exact to 1e-12; the mean is float32: 6e-8 of pixels of order 1, over sigma^2, a few
    # roundings.
    assert (value - expected).abs().max() < 5e-7 * max(1 / sigma**2, float(expected.abs().max()))


@pytest.mark.parametrize("sigma", [0.05, 0.5])
def test_autograd_and_finite_differences_of_the_log_density(sigma: float) -> None:
    sample = Sphere(2, 4).sample(300, 0)
    score = EmpiricalScore(sample)
    x = (
        Sphere(2, 4).sample(6, 1)
        + sigma * torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    ).requires_grad_()
    value = score.score(x, sigma).detach()
    (slope,) = torch.autograd.grad(score.log_density(x, sigma).sum(), x)
    torch.testing.assert_close(
        slope, value, rtol=1e-10, atol=1e-10 / sigma
    )  # rounding of exponents of order 1 / sigma^2
    step, columns = sigma / 100, []
    for axis in torch.eye(
        4, dtype=torch.float64
    ):  # order 4; higher derivatives grow where weights change hands
        y = x.detach()
        a, b = (
            score.log_density(y + k * step * axis, sigma)
            - score.log_density(y - k * step * axis, sigma)
            for k in (1, 2)
        )
        columns.append((8 * a - b) / (12 * step))
    assert (torch.stack(columns, 1) - value).abs().max() < 1e-6 * (
        float(value.abs().max()) + 1 / sigma
    )


def test_log_density_of_one_gaussian() -> None:
    score = EmpiricalScore(torch.ones(1, 5, dtype=torch.float64))
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = -(x - 1).square().sum(1) / (2 * 0.3**2) - 2.5 * math.log(2 * math.pi * 0.3**2)
    torch.testing.assert_close(score.log_density(x, 0.3), expected)
    torch.testing.assert_close(score.score(x, 0.3), (1 - x) / 0.3**2)


def test_pieces_do_not_matter(digits: torch.Tensor) -> None:
    x = digits[:40].lerp(digits[100:140], 0.5)
    whole, small = EmpiricalScore(digits), EmpiricalScore(digits, chunk_bytes=2**20)
    assert small._sample_chunk < len(digits) / 10
    # Different order of float32 sums.
    torch.testing.assert_close(small.score(x, 0.5), whole.score(x, 0.5), rtol=1e-5, atol=1e-5)
    small._point_chunk = 7
    torch.testing.assert_close(small.score(x, 0.5), whole.score(x, 0.5), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        small.log_density(x, 0.5), whole.log_density(x, 0.5), rtol=1e-12, atol=1e-9
    )


def test_differentiable_in_both_modes_across_pieces() -> None:
    score = EmpiricalScore(Sphere(2, 3).sample(200, 0))
    score._sample_chunk = 33
    x = (0.9 * Sphere(2, 3).sample(5, 1)).requires_grad_()
    v = torch.randn(5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda y: score.score(y, 0.2), (x,))
    (backward,) = torch.autograd.grad((score.score(x, 0.2) * v).sum(), x)
    _, forward = torch.func.jvp(lambda y: score.score(y, 0.2), (x.detach(),), (v,))
    torch.testing.assert_close(
        forward, backward, rtol=1e-9, atol=1e-9
    )  # symmetric Jacobian; rounding


def test_a_dense_sample_has_the_sphere_score() -> None:
    x = Sphere(2, 3).sample(20, 1) * 1.1
    exact = SphereScore(2, 3).score(x, 0.3)
    # Monte Carlo: standard error about (0.3 / 0.3^2) / sqrt(200000 * 0.02 effective) = 0.05 a
    # component, three of them.
    assert (EmpiricalScore(Sphere(2, 3).sample(200_000, 0)).score(x, 0.3) - exact).abs().max() < 0.2


def test_far_points_and_small_sigma_stay_finite(digits: torch.Tensor) -> None:
    x = torch.cat([digits[:2], 100 * digits[:2]])
    score = EmpiricalScore(digits)
    assert score.score(x, 1e-3).isfinite().all()
    assert (
        score.score(digits[:2], 1e-3).abs().max() < 1
    )  # nothing but the point itself counts: (y - y) / sigma^2 is rounding


def test_lists_arrays_and_whole_weights_are_taken() -> None:
    sample = Sphere(2, 3).sample(4, 0)
    x = Sphere(2, 3).sample(2, 1)
    wanted = EmpiricalScore(sample, weights=torch.tensor([1.0, 2.0, 1.0, 4.0])).score(x, 0.3)
    given: tuple[Any, ...] = (sample, sample.tolist(), sample.numpy())
    weights: tuple[Any, ...] = ([1, 2, 1, 4], np.array([1.0, 2, 1, 4]), torch.tensor([1, 2, 1, 4]))
    for one, shares in zip(given, weights, strict=True):
        torch.testing.assert_close(EmpiricalScore(one, weights=shares).score(x, 0.3), wanted)


def test_a_sample_or_weights_that_are_none_are_refused() -> None:
    wrong: tuple[Any, ...] = (None, "x", [[1.0], [1.0, 2.0]], torch.zeros(3, 2).to_sparse())
    for sample in wrong:
        with pytest.raises(DataError, match="the sample (is a|has layout)"):
            EmpiricalScore(sample)
    with pytest.raises(DataError, match="weights is a str"):
        EmpiricalScore(torch.zeros(3, 2), weights="x")  # type: ignore[arg-type]
    shares: tuple[Any, ...] = (
        [1.0, float("inf"), 1.0],
        [1, 1],
        [1.0, 0.0, 1.0],
        torch.ones(3) * 1j,
    )
    for weights in shares:
        with pytest.raises(DataError, match="weights must be 3 finite numbers above 0"):
            EmpiricalScore(torch.zeros(3, 2), weights=weights)


def test_bad_input() -> None:
    sample = Sphere(2, 3).sample(10, 0)
    with pytest.raises(DataError, match="NaN"):
        EmpiricalScore(torch.full((2, 3), float("nan")))
    for bad in (
        torch.zeros(0, 3),
        torch.zeros(3, 0),
        torch.zeros(5),
        torch.zeros(5, 3, dtype=torch.long),
    ):
        with pytest.raises(DataError, match="not empty"):
            EmpiricalScore(bad)
    with pytest.raises(ConfigError, match=r"score\.chunk_bytes"):
        EmpiricalScore(sample, chunk_bytes=10)
    x = torch.zeros(3, 3, dtype=torch.float64)
    x[1, 0] = float("nan")
    with pytest.raises(ScoreError, match="point 1 of 3.*sigma 0.2"):
        EmpiricalScore(sample).score(x, 0.2)
    with pytest.raises(ScoreError, match="shape"):
        EmpiricalScore(sample).score(torch.zeros(3, 4), 0.2)


def test_factory() -> None:
    field = empirical_score(Sphere(2, 3), 0, sigma=0.1, count=50, chunk_mb=1)
    x = Sphere(2, 3).sample(4, 5)
    torch.testing.assert_close(
        field(x), brute_force(x, Sphere(2, 3).sample(50, 0), 0.1), rtol=1e-9, atol=1e-9
    )
    for sigma in (None, 0.0, -1.0, 1e-9, float("nan"), "small"):
        with pytest.raises(ConfigError, match=r"score\.sigma"):
            empirical_score(Sphere(2, 3), 0, sigma=sigma, count=5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"score\.count"):
        empirical_score(Sphere(2, 3), 0, sigma=1.0, count=0)
    with pytest.raises(ConfigError, match=r"score\.chunk_mb"):
        empirical_score(Sphere(2, 3), 0, sigma=1.0, chunk_mb=0)
    with pytest.raises(ConfigError, match=r"score\.timestep"):
        empirical_score(Sphere(2, 3), 0, timestep=400)


def test_a_part_of_finite_data_is_said(caplog: pytest.LogCaptureFixture) -> None:
    digit = RotatedMNIST(identities=1, sample_angles=8, source="embedded")
    assert empirical_score(digit, 0, sigma=1.0, count=8).note == "" and not caplog.records
    assert empirical_score(Sphere(2, 3), 0, sigma=0.1, count=8).note == "" and not caplog.records
    part = empirical_score(digit, 0, sigma=1.0, count=5)
    assert "5 of the data's 8 points: score.count=8" in part.note and part.note in caplog.text

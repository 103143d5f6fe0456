"""The bend's covariance against the Brownian bridge's, in closed form and over draws."""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.initializer.perturbed import PerturbedInitializer, bridge_modes
from scoregeo.path.interpolation import linear
from tests.initializer.cases import given, ring, ring_metric


def bend(ends: torch.Tensor, num_points: int, **settings: float | int | None) -> torch.Tensor:
    starter = PerturbedInitializer(**settings).prepare(ring_metric(), given(ring(60)))  # type: ignore[arg-type]
    return starter(ends, num_points) - linear(ends, num_points)


def bridge(num_points: int) -> torch.Tensor:
    """`min(u, v) (1 - max(u, v))`."""
    u = torch.linspace(0, 1, num_points, dtype=torch.float64)
    return torch.minimum(u[:, None], u) * (1 - torch.maximum(u[:, None], u))


@pytest.mark.parametrize("n", [2, 7, 32])
def test_modes_square_to_the_inverse_laplacian(n: int) -> None:
    waves = bridge_modes(n)
    laplacian = 2 * torch.eye(n - 1, dtype=torch.float64)
    laplacian -= torch.diag(torch.ones(n - 2, dtype=torch.float64), 1) + torch.diag(
        torch.ones(n - 2, dtype=torch.float64), -1
    )
    torch.testing.assert_close((waves.T @ waves)[1:-1, 1:-1], torch.linalg.inv(laplacian) / n)
    torch.testing.assert_close(waves.T @ waves, bridge(n + 1))


def test_draws_have_the_bridge_s_covariance() -> None:
    pairs, size, amplitude = 4000, 5, 0.3
    ends = torch.zeros(pairs, 2, size, dtype=torch.float64)
    ends[:, 1, 0] = 2.0
    drawn = bend(ends, 9, amplitude=amplitude, modes=None)
    samples = drawn.transpose(1, 2).reshape(-1, 9)  # pairs and coordinates are independent alike
    expected = (2 * amplitude * 2.0) ** 2 / size * bridge(9)
    covariance = samples.T @ samples / len(samples)
    # The standard error of a Gaussian's covariance; 6 of them among 49 entries come by chance once
    # in ten million.
    spread = ((expected.diag()[:, None] * expected.diag() + expected**2) / len(samples)).sqrt()
    assert bool(((covariance - expected).abs() <= 6 * spread).all())
    middle = drawn[:, 4].square().sum(1).mean().sqrt()
    assert float(middle) == pytest.approx(amplitude * 2.0, rel=6 / math.sqrt(2 * pairs * size))
    across = (drawn[:, 4, 0] * drawn[:, 4, 1]).mean() / expected[4, 4]
    assert abs(float(across)) < 6 / math.sqrt(pairs)


def test_a_smooth_bend_converges_as_points_are_added() -> None:
    ends = torch.stack([ring(60)[0], ring(60)[20]])[None]
    fine = bend(ends, 257, modes=3)
    errors = [
        float((bend(ends, n + 1, modes=3) - fine[:, :: 256 // n]).norm(dim=2).max())
        for n in (8, 16, 32)
    ]
    ratios = [a / b for a, b in zip(errors, errors[1:], strict=False)]
    assert all(3.5 < ratio < 4.6 for ratio in ratios)  # sin(x) / x of the eigenvalues: second order


def test_seeds_and_pairs_differ() -> None:
    ends = torch.stack([ring(60)[0], ring(60)[20]])[None].expand(2, 2, 2)
    one, other = bend(ends, 9, seed=0), bend(ends, 9, seed=1)
    assert not torch.equal(one[0], one[1]) and not torch.equal(one, other)


@pytest.mark.parametrize(("key", "value"), [("amplitude", 0.0), ("modes", 0), ("seed", -1)])
def test_bad_settings_name_the_key(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"initializer\.{key} = "):
        PerturbedInitializer(**{key: value})  # type: ignore[arg-type]

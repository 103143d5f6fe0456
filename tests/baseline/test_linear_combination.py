"""Linear combinations of latents keep the law of independent Gaussian ends; LERP does not."""

import math

import torch

from scoregeo.baseline.base import Ends
from scoregeo.baseline.lerp import Lerp
from scoregeo.baseline.linear_combination import LinearCombination
from scoregeo.path.interpolation import spherical
from tests.baseline.cases import between, draws, field

PAIRS, POINTS = 20_000, 5
# Correlated coordinates of different variances: x = factor z
FACTOR = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [-0.5, 0.3, 0.1]], dtype=torch.float64)


def latents() -> Ends:
    """Pairs of independent draws of N(0, FACTOR FACTOR^T)."""
    noise = torch.randn(PAIRS, 2, 3, generator=draws(5), dtype=torch.float64)
    both = noise @ FACTOR.T
    return Ends(both, both, field([1.0] * 3))


def distance_to_normal(values: torch.Tensor) -> float:
    """Kolmogorov's, of a sample to the standard normal distribution."""
    law = torch.special.ndtr(values.sort().values)
    steps = torch.arange(len(values) + 1, dtype=torch.float64) / len(values)
    return float(torch.maximum(steps[1:] - law, law - steps[:-1]).max())


def test_every_point_has_the_law_of_the_ends() -> None:
    path = LinearCombination().path(latents(), POINTS, draws()).path
    # P(distance > c / sqrt(N)) = 2 exp(-2 c^2): 1e-6 at c = 2.7, over nine numbers
    bound = 2.7 / math.sqrt(PAIRS)
    white = path @ torch.linalg.inv(FACTOR).T
    for point in range(1, POINTS - 1):
        for coordinate in range(3):
            assert distance_to_normal(white[:, point, coordinate]) < bound
        # and independent: a mean of N products of standard normals has deviation N^-1/2
        moments = white[:, point].T @ white[:, point] / PAIRS - torch.eye(3).double()
        assert moments.abs().max() < 6 * math.sqrt(2 / PAIRS)
    straight = Lerp("noise").path(latents(), POINTS, draws()).path @ torch.linalg.inv(FACTOR).T
    # of N(0, 1/2): 0.083
    assert distance_to_normal(straight[:, POINTS // 2, 0]) > 3 * bound


def test_it_has_slerp_s_points_between_orthogonal_ends_of_equal_norm() -> None:
    """At weights (1 - u, u) the angle is atan(u / (1 - u))."""
    given = between([2.0, 0.0, 0.0], [0.0, 2.0, 0.0], field([1.0] * 3))
    found = LinearCombination().path(given, 5, draws()).path[0]
    torch.testing.assert_close(found.norm(dim=1), torch.full((5,), 2.0).double())
    angles = torch.atan2(torch.linspace(0, 1, 5).double(), torch.linspace(1, 0, 5).double())
    torch.testing.assert_close(torch.atan2(found[:, 1], found[:, 0]), angles)
    torch.testing.assert_close(found[2], spherical(given.lifted, 5)[0, 2])


def test_the_scale_of_the_coordinates_does_not_matter() -> None:
    given = latents()
    scaled = Ends(given.clean * 7, given.lifted * 7, given.field)
    torch.testing.assert_close(
        LinearCombination().path(scaled, 4, draws()).path,
        7 * LinearCombination().path(given, 4, draws()).path,
    )

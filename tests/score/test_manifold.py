"""The quadrature score against closed forms: spheres, circles, and the matrix Fisher distribution
of rotations.
"""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.special import ive

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.ellipsoid import Ellipsoid
from scoregeo.dataset.flat_torus import FlatTorus
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.rotation_group import RotationGroup
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.wiggly_sphere import WigglySphere
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.field import ScoreField
from scoregeo.score.manifold import manifold_score
from scoregeo.score.sphere import SphereScore


def points(data: AbstractDataset, sigma: float) -> torch.Tensor:
    """On the noise shell, and half-way along chords."""
    sample = data.sample(80, 1)
    noise = torch.randn(
        sample.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return torch.cat([sample + sigma * noise, (sample[:20] + sample[20:40]) / 2])


def circles(x: torch.Tensor, sigma: float, radius: float) -> torch.Tensor:
    """The score of a product of circles, one plane at a time."""
    return torch.cat([SphereScore(1, 2, radius).score(plane, sigma) for plane in x.split(2, 1)], 1)


@pytest.mark.parametrize("sigma", [0.1, 0.4])
def test_against_closed_forms(sigma: float) -> None:
    ball, x = Ellipsoid((1.0, 1.0, 1.0)), points(Sphere(), sigma)
    close(
        manifold_score(ball, 0, sigma=sigma)(x),
        SphereScore(2, 3).score(x, sigma),
        x.norm(dim=1),
        sigma,
    )
    flat = FlatTorus(2, radius=1.0)
    x = points(flat, sigma)
    outside = x.view(-1, 2, 2).norm(dim=2).amax(1)
    close(manifold_score(flat, 0, sigma=sigma)(x), circles(x, sigma, 1.0), outside, sigma)
    ring = ClosedCurve(height=0.0)
    x = points(ring, sigma)
    close(
        manifold_score(ring, 0, sigma=sigma)(x),
        SphereScore(1, 3).score(x, sigma),
        x[:, :2].norm(dim=1),
        sigma,
    )


def close(found: torch.Tensor, expected: torch.Tensor, out: torch.Tensor, sigma: float) -> None:
    """N equal steps around a unit circle err by the aliased Fourier coefficient, `I_N(k) / I_0(k)`
    of the density with `k = out / sigma^2`, `out` the distance from the centre; Gauss-Legendre
    rings likewise. A score is of order 1 / sigma."""
    kappa, count = (out / sigma**2).numpy(), math.floor(2 * math.pi * 1.25 / sigma)
    bound = 1e-9 + 5 * torch.from_numpy(ive(count, kappa) / ive(0, kappa))
    assert ((found - expected).norm(dim=1) * sigma < bound).all() and bound.median() < 1e-6


def normaliser(s: list[float]) -> float:
    """log of the matrix Fisher distribution's constant for singular values s (Lee 2018, theorem 1),
    without its growth.
    """
    a, b, c = s

    def integrand(u: float) -> float:
        first, second = (a - b) * (1 - u) / 2, (a + b) * (1 + u) / 2
        growth = abs(first) + abs(second) + c * u - (a + b + c)
        return 0.5 * ive(0, first) * ive(0, second) * math.exp(growth)

    return math.log(quad(integrand, -1, 1, epsabs=0, epsrel=1e-12, limit=200)[0]) + a + b + c


def test_rotations_against_the_matrix_fisher_distribution() -> None:
    sigma, step = 0.4, 1e-4
    data = RotationGroup()
    x = points(data, sigma)[::10]
    found = manifold_score(data, 0, sigma=sigma)(x)
    u, s, vt = torch.linalg.svd(x.view(-1, 3, 3))
    # Proper rotations on both sides; the last singular value takes the sign.
    sign = torch.sign(torch.linalg.det(u)), torch.sign(torch.linalg.det(vt))
    u, vt, s = u.clone(), vt.clone(), s.clone()
    u[:, :, 2] *= sign[0][:, None]
    vt[:, 2] *= sign[1][:, None]
    s[:, 2] *= sign[0] * sign[1]
    for index in range(len(x)):
        scaled = (s[index] / sigma**2).tolist()
        slope = []
        for k in range(3):  # central differences: step^2 / 6 times a third derivative of order one
            up, down = list(scaled), list(scaled)
            up[k], down[k] = up[k] + step, down[k] - step
            slope.append((normaliser(up) - normaliser(down)) / (2 * step))
        mean = u[index] @ torch.diag(torch.tensor(slope, dtype=torch.float64)) @ vt[index]
        expected = (mean.flatten() - x[index]) / sigma**2
        assert (found[index] - expected).abs().max() < 1e-6 / sigma**2


@pytest.mark.parametrize("data", [Ellipsoid(), WigglySphere()], ids=["ellipsoid", "wiggly"])
def test_finer_nodes_change_nothing(data: AbstractDataset) -> None:
    x = points(data, 0.1)
    usual, fine = (manifold_score(data, 0, sigma=0.1, nodes_per_sigma=n)(x) for n in (1.25, 2.0))
    assert (usual - fine).abs().max() < 1e-6 / 0.1


def test_weights_are_a_sample_with_repeats() -> None:
    sample = Sphere().sample(6, 0)
    weights = torch.tensor([1.0, 2.0, 3.0, 1.0, 1.0, 2.0])
    repeated = sample.repeat_interleave(weights.long(), 0)
    x = points(Sphere(), 0.3)
    a, b = EmpiricalScore(sample, weights=weights), EmpiricalScore(repeated)
    torch.testing.assert_close(a.score(x, 0.3), b.score(x, 0.3), atol=1e-11, rtol=0)
    torch.testing.assert_close(a.log_density(x, 0.3), b.log_density(x, 0.3), atol=1e-11, rtol=0)
    for bad in (torch.ones(5), torch.zeros(6)):
        with pytest.raises(DataError, match="weights"):
            EmpiricalScore(sample, weights=bad)


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match="score=empirical"):
        manifold_score(RotatedMNIST(identities=1, source="embedded"), 0, sigma=1.0)
    with pytest.raises(ConfigError, match=r"score\.sigma"):
        manifold_score(FlatTorus(), 0)
    with pytest.raises(ConfigError, match=r"score\.timestep"):
        manifold_score(FlatTorus(), 0, sigma=0.1, timestep=4)
    with pytest.raises(ConfigError, match=r"score\.nodes_per_sigma"):
        manifold_score(FlatTorus(), 0, sigma=0.1, nodes_per_sigma=0)
    assert isinstance(manifold_score(FlatTorus(), 0, sigma=0.3), ScoreField)

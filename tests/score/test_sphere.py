"""The exact sphere score against its log density, quadrature, Monte Carlo and limits."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.score.bessel import _continued_fraction, _hankel, bessel_ratio, switch
from scoregeo.score.sphere import SphereScore, sphere_score

CASES = [(1, 2, 1.0), (2, 3, 1.0), (2, 50, 1.0), (3, 5, 2.0), (10, 12, 1.0), (49, 60, 0.5)]


def near_points(
    dimension: int, ambient: int, radius: float, sigma: float, count: int = 6
) -> torch.Tensor:
    """Points of the blurred sphere, a point inside and one outside."""
    data = Sphere(dimension, ambient, radius)
    x = data.sample(count, 0)
    x = x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    x[-2] *= 0.4
    x[-1] *= 2.5
    return x


def log_density_slope(score: SphereScore, x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Central differences of order 4 with steps of sigma / 100: error about 1e-9 / sigma, rounding
    about 1e-14 |log p| / step.
    """
    step = sigma / 100
    columns = []
    for axis in torch.eye(x.shape[1], dtype=x.dtype):
        a, b = (
            score.log_density(x + k * step * axis, sigma)
            - score.log_density(x - k * step * axis, sigma)
            for k in (1, 2)
        )
        columns.append((8 * a - b) / (12 * step))
    return torch.stack(columns, 1)


@pytest.mark.parametrize(("dimension", "ambient", "radius"), CASES)
@pytest.mark.parametrize("sigma", [0.02, 0.1, 1.0, 10.0])
def test_finite_differences_of_the_log_density(
    dimension: int, ambient: int, radius: float, sigma: float
) -> None:
    score = SphereScore(dimension, ambient, radius)
    x = near_points(dimension, ambient, radius, sigma)
    expected = log_density_slope(score, x, sigma)
    value = score.score(x, sigma)
    # 1e-6 of the score's natural size: its own length, and 1 / sigma where it nearly vanishes.
    assert ((value - expected).norm(dim=1) / (expected.norm(dim=1) + 1 / sigma)).max() < 1e-6


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 10, 49, 100])
def test_bessel_ratio_against_scipy(dimension: int) -> None:
    limit = switch(dimension)
    kappa = np.concatenate(
        [
            np.geomspace(1e-3, 1e6, 60),
            [0.999, 1.0, 1.001],
            limit * np.array([0.5, 0.999, 1.0, 1.001, 2]),
        ]
    )
    nu = (dimension - 1) / 2
    bottom, top = special.ive(nu, kappa), special.ive(nu + 1, kappa)
    # scipy's own error is some 1e-14, and it underflows for large nu and small kappa.
    fine = (top > 1e-250) & np.isfinite(top)
    value = bessel_ratio(torch.from_numpy(kappa[fine]) ** 2, dimension).numpy()
    np.testing.assert_allclose(value, (top / bottom / kappa)[fine], rtol=1e-12)
    # I_nu ~ (kappa / 2)^nu / Gamma(nu + 1) near 0.
    assert float(bessel_ratio(torch.zeros(1, dtype=torch.float64), dimension)) == pytest.approx(
        1 / (dimension + 1), rel=1e-14
    )


def test_closed_form_of_the_2_sphere_equals_the_general_one() -> None:
    q = torch.from_numpy(np.geomspace(1e-6, 1e12, 200))
    limit = switch(2)
    general = torch.where(
        q < limit**2,
        _continued_fraction(q.clamp_max(limit**2), 2, limit),
        _hankel(q.clamp_min(limit**2), 2),
    )
    # Just above kappa = 1 the closed form subtracts numbers four times its size: a few roundings.
    torch.testing.assert_close(bessel_ratio(q, 2), general, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dimension", [1, 2, 5, 20])
def test_bessel_ratio_is_differentiable_twice(dimension: int) -> None:
    q = torch.tensor([0.0, 0.5, 30.0, 5e3, 1e6], dtype=torch.float64, requires_grad=True)
    value = bessel_ratio(q, dimension)
    (slope,) = torch.autograd.grad(value.sum(), q, create_graph=True)
    kappa, ratio = q.detach().sqrt(), value.detach() * q.detach().sqrt()
    # Riccati: A' = 1 - A^2 - k A / kappa; so dB/dq = (A' - B) / (2 q). Cancels digits: up to
    # kappa^2 roundings of A.
    riccati = ((1 - ratio**2 - dimension * value.detach()) - value.detach()) / (2 * q.detach())
    torch.testing.assert_close(slope[1:], riccati[1:], rtol=1e-9, atol=0)
    order = dimension + 1
    assert (
        slope[0].item() == pytest.approx(-1 / (order**2 * (order + 2)), rel=1e-12) and kappa[0] == 0
    )
    (second,) = torch.autograd.grad(slope.sum(), q)
    assert second.isfinite().all() and float(second[0]) == pytest.approx(
        4 / (order**3 * (order + 2) * (order + 4)), rel=1e-12
    )


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize(("dimension", "ambient", "radius"), CASES)
def test_finite_and_differentiable_everywhere(
    dimension: int, ambient: int, radius: float, sigma: float
) -> None:
    score = SphereScore(dimension, ambient, radius)
    x = torch.cat(
        [
            torch.zeros(1, ambient, dtype=torch.float64),
            near_points(dimension, ambient, radius, sigma),
        ]
    )
    x[1, : dimension + 1] *= 1e-9
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    x.requires_grad_()
    value = score.score(x, sigma)
    assert torch.equal(value[0].detach(), torch.zeros(ambient, dtype=torch.float64))
    (backward,) = torch.autograd.grad((value * v).sum(), x)
    _, forward = torch.func.jvp(lambda y: score.score(y, sigma), (x.detach(),), (v,))
    # The Jacobian is symmetric, so both modes agree to rounding; it reaches R^2 / sigma^4 at the
    # centre.
    torch.testing.assert_close(
        forward, backward, rtol=1e-8, atol=1e-10 * float(forward.abs().max())
    )
    centre = ((radius / sigma) ** 2 / (dimension + 1) - 1) / sigma**2
    torch.testing.assert_close(
        forward[0, : dimension + 1], centre * v[0, : dimension + 1], rtol=1e-10, atol=0
    )


def test_against_monte_carlo() -> None:
    sigma = 0.5
    x = near_points(2, 3, 1.0, sigma)
    sample = Sphere(2, 3).sample(400_000, 9)
    weight = (-(x[:, None] - sample).square().sum(-1) / (2 * sigma**2)).softmax(1)
    expected = (weight @ sample - x) / sigma**2
    # Standard error of the weighted mean about 1 / sqrt(400000 / some 10 effective), over sigma^2:
    # 0.02.
    assert (SphereScore(2, 3).score(x, sigma) - expected).abs().max() < 0.03


@pytest.mark.parametrize("sigma", [0.2, 0.7])
@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_log_density_against_quadrature(dimension: int, sigma: float) -> None:
    """By symmetry only the angle to x counts: p ~ int sin^(k-1) a exp(-(d^2 + R^2 - 2 d R cos a) /
    (2 sigma^2)) da.
    """
    radius, ambient = 1.3, dimension + 2
    distances = [0.0, 0.4, 1.2, 2.5]
    x = torch.zeros(4, ambient, dtype=torch.float64)
    x[:, 0] = torch.tensor(distances, dtype=x.dtype)
    expected = []
    for d in distances:

        def integrand(a: float, d: float = d) -> float:
            return math.sin(a) ** (dimension - 1) * math.exp(
                -(d * d + radius**2 - 2 * d * radius * math.cos(a)) / (2 * sigma**2)
            )

        expected.append(math.log(integrate.quad(integrand, 0, math.pi, epsabs=0, epsrel=1e-11)[0]))
    got = SphereScore(dimension, ambient, radius).log_density(x, sigma)
    # quad's relative tolerance is an absolute one of the logarithm.
    np.testing.assert_allclose((got - got[0]).numpy(), np.array(expected) - expected[0], atol=1e-9)


def test_dtype_and_shape_follow_x() -> None:
    x = near_points(2, 3, 1.0, 0.05)
    score = SphereScore(2, 3)
    assert score.score(x.float(), 0.05).dtype == torch.float32
    # Arithmetic stays float64: only the rounding of x itself, 6e-8 / sigma^2, is left.
    torch.testing.assert_close(
        score.score(x.float(), 0.05).double(), score.score(x, 0.05), atol=1e-3, rtol=1e-5
    )


def test_factory() -> None:
    field = sphere_score(Sphere(2, 5, 2.0), 0, sigma=0.1)
    assert field.shape == (5,) and field.sigma == 0.1
    with pytest.raises(ConfigError, match="Torus"):
        sphere_score(Torus(), 0, sigma=0.1)
    with pytest.raises(ConfigError, match="exactly one"):
        sphere_score(Sphere(), 0)
    with pytest.raises(ConfigError, match=r"score\.timestep"):
        sphere_score(Sphere(), 0, timestep=400)
    for sigma in (0.0, -1.0, float("nan"), "big"):
        with pytest.raises(ConfigError, match=r"score\.sigma"):
            sphere_score(Sphere(), 0, sigma=sigma)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"dataset\.dimension = 3"):
        SphereScore(3, 3)

"""The torus score against autograd and finite differences of its log density, and an independent
double integral.
"""

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.score.torus import TorusScore, torus_score


def points(data: Torus, sigma: float, count: int = 8) -> torch.Tensor:
    """Points of the blurred torus, the centre, a point of the axis and one well outside."""
    x = data.sample(count, 0)
    x = x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    extra = [[0.0, 0, 0], [0, 0, 0.3 * data.major], [data.major + 2 * data.minor, 0, data.minor]]
    return torch.cat([x, torch.tensor(extra, dtype=x.dtype)])


@pytest.mark.parametrize(("major", "minor"), [(1.0, 0.4), (1.0, 0.9), (3.0, 0.2)])
@pytest.mark.parametrize("sigma", [0.01, 0.1, 1.0, 10.0])
def test_autograd_and_finite_differences_of_the_log_density(
    major: float, minor: float, sigma: float
) -> None:
    data, score = Torus(major, minor), TorusScore(major, minor)
    x = points(data, sigma).requires_grad_()
    value = score.score(x, sigma).detach()
    (slope,) = torch.autograd.grad(score.log_density(x, sigma).sum(), x)
    size = value.norm(dim=1, keepdim=True) + 1 / sigma
    # Two formulas for one number: rounding, magnified by exponents of order 1 / sigma^2.
    assert ((slope - value) / size).abs().max() < 1e-8
    step, fixed = sigma / 100, x.detach()
    columns = []
    for axis in torch.eye(3, dtype=torch.float64):  # order 4: error (step / sigma)^4 / 30
        a, b = (
            score.log_density(fixed + k * step * axis, sigma)
            - score.log_density(fixed - k * step * axis, sigma)
            for k in (1, 2)
        )
        columns.append((8 * a - b) / (12 * step))
    assert ((torch.stack(columns, 1) - value) / size).abs().max() < 1e-6


@pytest.mark.parametrize("sigma", [0.15, 0.6])
def test_log_density_and_score_against_a_double_integral(sigma: float) -> None:
    data, score = Torus(1.0, 0.4), TorusScore(1.0, 0.4)
    x = torch.tensor([[1.2, 0.3, 0.1], [0.3, 0.2, 0.2], [1.5, -0.8, 0.5]], dtype=torch.float64)

    def density(point: np.ndarray) -> float:
        def integrand(phi: float, theta: float) -> float:
            wide = data.major + data.minor * math.cos(theta)
            y = (wide * math.cos(phi), wide * math.sin(phi), data.minor * math.sin(theta))
            return wide * math.exp(
                -sum((a - b) ** 2 for a, b in zip(point, y, strict=True)) / (2 * sigma**2)
            )

        centre = math.atan2(point[1], point[0])  # keeps the peak away from the ends of the interval
        return integrate.dblquad(
            integrand,
            -math.pi,
            math.pi,
            centre - math.pi,
            centre + math.pi,
            epsabs=1e-13,
            epsrel=1e-10,
        )[0]

    expected = np.log([density(point) for point in x.numpy()])
    got = score.log_density(x, sigma).numpy()
    np.testing.assert_allclose(
        got - got[0], expected - expected[0], atol=1e-8
    )  # epsrel, with a margin


@pytest.mark.parametrize("sigma", [0.02, 0.3])
def test_nodes_are_enough(sigma: float) -> None:
    x = points(Torus(), sigma)
    coarse, fine = TorusScore(1.0, 0.4), TorusScore(1.0, 0.4, nodes_per_width=97.0)
    # The trapezoid rule has converged, so other nodes change only the rounding.
    torch.testing.assert_close(
        coarse.score(x, sigma), fine.score(x, sigma), rtol=1e-9, atol=1e-9 / sigma
    )


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x, score = points(Torus(), 0.1), TorusScore(1.0, 0.4)
    whole, density = score.score(x, 0.1), score.log_density(x, 0.1)
    monkeypatch.setattr(TorusScore, "_chunk", lambda self, sigma: 3)
    torch.testing.assert_close(score.score(x, 0.1), whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(score.log_density(x, 0.1), density, rtol=1e-12, atol=1e-12)


def test_jacobian_in_both_modes() -> None:
    score, x = TorusScore(1.0, 0.4), points(Torus(), 0.1).requires_grad_()
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    (backward,) = torch.autograd.grad((score.score(x, 0.1) * v).sum(), x)
    _, forward = torch.func.jvp(lambda y: score.score(y, 0.1), (x.detach(),), (v,))
    # An exact score has a symmetric Jacobian.
    torch.testing.assert_close(
        forward, backward, rtol=1e-9, atol=1e-9 * float(backward.abs().max())
    )
    step = 1e-5
    numeric = (
        score.score(x.detach() + step * v, 0.1) - score.score(x.detach() - step * v, 0.1)
    ) / (2 * step)
    # Central differences: (step / sigma)^2 = 1e-8 of the size, rounding 1e-16 |s| / step.
    torch.testing.assert_close(forward, numeric, rtol=1e-6, atol=1e-6 * float(forward.abs().max()))


def test_factory() -> None:
    field = torus_score(Torus(2.0, 0.5), 0, sigma=0.1)
    assert field.shape == (3,) and field.score.score(torch.ones(2, 3), 0.1).dtype == torch.float32
    with pytest.raises(ConfigError, match="Sphere"):
        torus_score(Sphere(), 0, sigma=0.1)
    with pytest.raises(ConfigError, match=r"score\.sigma"):
        torus_score(Torus(), 0, sigma=-0.1)
    with pytest.raises(ConfigError, match=r"dataset\.minor = 2\.0"):
        TorusScore(1.0, 2.0)
    with pytest.raises(ConfigError, match=r"score\.nodes_per_width"):
        TorusScore(1.0, 0.4, nodes_per_width=0)

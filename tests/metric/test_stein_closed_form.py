"""The Stein metric's closed forms against linear algebra, geomstats, finite differences and a graph
whose curvature is known.
"""

import numpy as np
import pytest
import torch

from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture
from tests.metric.outside import geomstats_metric

SIGMA, LAM = 0.4, 7.0


def metric() -> SteinMetric:
    return SteinMetric(ScoreField(mixture(3), SIGMA), LAM)


def draw(count: int = 3, batch: int = 6, dimension: int = 3) -> torch.Tensor:
    return torch.randn(
        count, batch, dimension, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


class CurlScore(AbstractScore):
    """`s = A x` with a matrix that is not symmetric: no gradient."""

    matrix = torch.tensor(
        [[-1.0, 0.7, 0.0], [-0.2, -2.0, 0.4], [0.3, 0.1, -0.5]], dtype=torch.float64
    )

    @property
    def shape(self) -> tuple[int, ...]:
        return (3,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x @ self.matrix.T


def test_closed_forms_are_those_of_the_matrix() -> None:
    x, v, _ = draw()
    s = metric().field(x).numpy()
    full = np.eye(3) + LAM * s[:, :, None] * s[:, None]
    np.testing.assert_allclose(metric().matrix(x).numpy(), full, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        metric().apply(x, v).numpy(),
        np.einsum("bij,bj->bi", full, v.numpy()),
        rtol=1e-12,
        atol=1e-12,
    )
    solved = np.linalg.solve(full, v.numpy()[..., None])[..., 0]
    np.testing.assert_allclose(metric().inverse(x, v).numpy(), solved, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        metric().log_volume(x).numpy(), 0.5 * np.linalg.slogdet(full)[1], rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        metric().inner(x, v, v).numpy(), metric().norm(x, v).numpy() ** 2, rtol=1e-12
    )


def test_connection_and_curvature_are_those_of_geomstats(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = geomstats_metric(metric(), 3, monkeypatch)
    points, u, v = draw(batch=3)
    actions, curvatures = (
        metric().christoffel(points, u, v),
        metric().sectional_curvature(points, u, v),
    )
    for i, point in enumerate(points.numpy()):
        symbols = np.asarray(outside.christoffels(point))
        action = np.einsum("kij,i,j->k", symbols, u[i].numpy(), v[i].numpy())
        np.testing.assert_allclose(actions[i].numpy(), action, rtol=1e-5, atol=1e-7)
        curvature = float(outside.sectional_curvature(u[i].numpy(), v[i].numpy(), point))
        assert float(curvatures[i]) == pytest.approx(curvature, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("score", [mixture(3), CurlScore()], ids=["exact", "curl"])
def test_connection_is_symmetric(score: AbstractScore) -> None:
    x, u, v = draw()
    bent = SteinMetric(ScoreField(score, SIGMA), LAM)
    torch.testing.assert_close(
        bent.christoffel(x, u, v), bent.christoffel(x, v, u), rtol=1e-12, atol=1e-13
    )
    torch.testing.assert_close(
        bent.christoffel(x, u, u), bent.christoffel(x, u, u.clone()), rtol=1e-12, atol=1e-13
    )
    straight = bent.sectional_curvature(x, u, v)
    torch.testing.assert_close(
        straight, bent.sectional_curvature(x, v - 2 * u, 3 * u), rtol=1e-8, atol=0
    )  # the plane's, not the pair's


def test_connection_preserves_the_inner_product() -> None:
    # d/dt <V, W> = <DV, W> + <V, DW> for constant V, W along x + t u, where DV = Gamma(u, V).
    x, u, v = draw()
    w, step, g = draw(4)[3], 1e-4, metric()
    difference = (g.inner(x + step * u, v, w) - g.inner(x - step * u, v, w)) / (2 * step)
    expected = g.inner(x, g.christoffel(x, u, v), w) + g.inner(x, v, g.christoffel(x, u, w))
    torch.testing.assert_close(
        difference, expected, rtol=1e-5, atol=1e-4
    )  # step^2 times a third derivative of order 1/spread^4


def test_gaussian_graph_has_the_curvature_of_its_paraboloid() -> None:
    # The score -a x makes the graph the paraboloid z = c r^2 / 2, c = -sqrt(lam) a, with K = c^2 /
    # (1 + c^2 r^2)^2 at radius r.
    class Gaussian(AbstractScore):
        @property
        def shape(self) -> tuple[int, ...]:
            return (2,)

        def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return -1.5 * x

    bowl = SteinMetric(ScoreField(Gaussian(), SIGMA), LAM)
    x, u, v = draw(dimension=2)
    square = LAM * 1.5**2
    expected = square / (1 + square * x.square().sum(1)).square()
    torch.testing.assert_close(bowl.sectional_curvature(x, u, v), expected, rtol=1e-10, atol=0)


def test_curvature_of_no_plane_is_nan() -> None:
    x, u, v = draw()
    assert metric().sectional_curvature(x, u, -2 * u).isnan().all()
    assert metric().sectional_curvature(x, u, 0 * v).isnan().all()


def test_evaluations_are_as_promised() -> None:
    counted = CountingScore(mixture(3))
    g = SteinMetric(ScoreField(counted, SIGMA), LAM)
    x, u, v = draw()

    def spent(call: object, *vectors: torch.Tensor) -> float:
        before = counted.count
        call(x, *vectors)  # type: ignore[operator]
        return (counted.count - before) / len(x)

    assert [spent(g.inner, u, v), spent(g.apply, v), spent(g.inverse, v), spent(g.log_volume)] == [
        1,
        1,
        1,
        1,
    ]
    assert [
        spent(g.christoffel, u, u),
        spent(g.christoffel, u, v),
        spent(g.sectional_curvature, u, v),
    ] == [3, 6, 6]

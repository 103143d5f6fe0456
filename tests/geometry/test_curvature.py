"""Curvature against geomstats and against spaces whose curvature is known."""

import pytest
import torch

from scoregeo.geometry.curvature import ricci, sectional_curvature
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.score.field import ScoreField
from tests.fields import mixture
from tests.geometry.adapter import Reference
from tests.geometry.cases import LAM, SIGMA, draw, stein


def test_sectional_curvature_as_in_geomstats() -> None:
    metric, x, u, v = stein(), draw(2, 3), draw(2, 3, seed=1), draw(2, 3, seed=2)
    reference = Reference(metric.field, LAM)
    expected = [reference.sectional_curvature(*planes) for planes in zip(x, u, v, strict=True)]
    assert sectional_curvature(metric, x, u, v).tolist() == pytest.approx(expected, rel=1e-5)


def test_sectional_curvature_belongs_to_the_plane() -> None:
    metric, x, u, v = stein(), draw(3, 3), draw(3, 3, seed=1), draw(3, 3, seed=2)
    one, other = (
        sectional_curvature(metric, x, u, v),
        sectional_curvature(metric, x, 2 * u - v, u + 3 * v),
    )
    torch.testing.assert_close(one, other, rtol=1e-9, atol=0)
    assert sectional_curvature(metric, x, u, 2 * u).isnan().all()


def estimates(metric, x: torch.Tensor, v: torch.Tensor, count: int) -> torch.Tensor:  # type: ignore[no-untyped-def]
    draws = torch.Generator().manual_seed(0)
    return torch.stack([ricci(metric, x, v, 1, draws) for _ in range(count)])


def test_ricci_is_unbiased() -> None:
    metric, x, v = stein(), draw(1, 3), draw(1, 3, seed=1)
    values = estimates(metric, x, v, 60)[:, 0]
    error = values.std() / len(values) ** 0.5
    truth = Reference(metric.field, LAM).ricci(x[0], v[0])
    # Four standard errors, and an estimate worth the name: the error is a tenth of the truth or
    # less.
    assert abs(values.mean() - truth) < 4 * error and error < 0.1 * abs(truth)


def test_ricci_is_the_sum_of_the_planes_curvatures() -> None:
    metric, x, v = (
        ConformalMetric(ScoreField(mixture(), SIGMA), 0.4),
        draw(1, 4),
        torch.eye(4, dtype=torch.float64)[:1],
    )
    across = torch.eye(4, dtype=torch.float64)[
        1:
    ]  # orthogonal in a conformal metric as in the flat one
    exact = sectional_curvature(
        metric, x.expand(3, 4).contiguous(), v.expand(3, 4).contiguous(), across
    ).sum()
    values = estimates(metric, x, v, 60)[:, 0]
    assert abs(values.mean() - exact) < 4 * values.std() / len(values) ** 0.5


def test_flat_space_is_flat() -> None:
    x, u, v = draw(2, 3, 2), draw(2, 3, 2, seed=1), draw(2, 3, 2, seed=2)
    assert torch.equal(
        sectional_curvature(EuclideanMetric(), x, u, v), torch.zeros(2, dtype=torch.float64)
    )
    assert torch.equal(
        ricci(EuclideanMetric(), x, v, 3, torch.Generator()), torch.zeros(2, dtype=torch.float64)
    )
    v[0] = 0
    assert ricci(EuclideanMetric(), x, v, 1, torch.Generator()).isnan().tolist() == [True, False]

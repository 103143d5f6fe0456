"""Parallel transport against geomstats, and what it must keep."""

import torch

from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.transport import parallel_transport, transport_along_geodesic
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED
from tests.fields import mixture, wavy
from tests.geometry.adapter import Reference
from tests.geometry.cases import LAM, SIGMA, WalledScore, draw, stein


def products(
    metric: AbstractMetric, path: torch.Tensor, first: torch.Tensor, second: torch.Tensor
) -> torch.Tensor:
    """`<first, second>` at every point, [pairs, points]."""
    return metric.inner(*(t.flatten(0, 1) for t in (path, first, second))).view(path.shape[:2])


def test_along_a_geodesic_as_in_geomstats() -> None:
    metric, x, v, vector = stein(), draw(1, 3), 0.3 * draw(1, 3, seed=1), draw(1, 3, seed=2)
    flow, moved = transport_along_geodesic(metric, x, v, vector, rtol=1e-7)
    end, expected = Reference(metric.field, LAM).geodesic(x[0], v[0], vector[0])
    # Both integrate at rtol 1e-7.
    torch.testing.assert_close(flow.end[0], end, rtol=0, atol=1e-6)
    torch.testing.assert_close(moved[0, -1], expected, rtol=0, atol=1e-6)


def test_along_a_geodesic_inner_products_and_the_velocity_itself_are_kept() -> None:
    metric, x, v = stein(), draw(2, 3), 0.3 * draw(2, 3, seed=1)
    flow, first = transport_along_geodesic(metric, x, v, draw(2, 3, seed=2), points=4)
    _, second = transport_along_geodesic(metric, x, v, draw(2, 3, seed=3), points=4)
    kept = products(metric, flow.path, first, second)
    torch.testing.assert_close(kept, kept[:, :1].expand_as(kept), rtol=0, atol=1e-6)
    _, carried = transport_along_geodesic(metric, x, v, v, points=4)
    torch.testing.assert_close(carried, flow.velocity, rtol=0, atol=1e-6)


def test_along_any_path_inner_products_are_kept() -> None:
    # The curve is not a geodesic, and the spline through seven points not the curve: the products
    # are kept all the same.
    path = 0.3 * wavy(7)
    field = ScoreField(mixture(), SIGMA)
    for metric in (SteinMetric(field, LAM), ConformalMetric(field, 0.5, nodes=200)):
        first = parallel_transport(metric, path, draw(1, 4))
        second = parallel_transport(metric, path, draw(1, 4, seed=1))
        assert first.status == (CONVERGED,) and first.vector.shape == path.shape
        kept = products(metric, path, first.vector, second.vector)
        torch.testing.assert_close(kept, kept[:, :1].expand_as(kept), rtol=1e-6, atol=1e-6)
        assert (first.vector[:, -1] - first.vector[:, 0]).norm() > 0.1


def test_a_discrete_geodesic_carries_as_the_geodesic_does_to_fourth_order() -> None:
    metric, x, v, vector = stein(), draw(1, 3), 0.5 * draw(1, 3, seed=1), draw(1, 3, seed=2)
    flow, moved = transport_along_geodesic(metric, x, v, vector, points=17)
    errors = [
        float((parallel_transport(metric, flow.path[:, ::k], vector).end - moved[:, -1]).norm())
        for k in (4, 2, 1)
    ]
    # A cubic spline's error falls sixteenfold, its slope's eightfold, when the points are doubled.
    assert errors[0] > 7 * errors[1] > 49 * errors[2]


def test_flat_space_carries_vectors_unchanged() -> None:
    vector = draw(1, 4)
    moved = parallel_transport(EuclideanMetric(), wavy(5), vector)
    assert (
        torch.equal(moved.vector, vector[:, None].expand(1, 5, 4))
        and int(moved.score_evaluations) == 0
    )


def test_a_path_of_no_length_leaves_its_vector() -> None:
    vector = draw(1, 3, seed=1)
    moved = parallel_transport(stein(), draw(1, 3)[:, None].repeat(1, 4, 1), vector)
    assert torch.equal(moved.end, vector)


def test_a_bad_score_and_a_budget_leave_the_part_before() -> None:
    metric = SteinMetric(ScoreField(WalledScore(1.0), SIGMA), LAM)
    u = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    path = torch.stack([u * torch.tensor([2.0, 0, 0]), u * torch.tensor([0, 0.5, 0.0])]).double()
    moved = parallel_transport(metric, path, draw(2, 3))
    assert moved.status == (FAILED, CONVERGED)
    assert 0.45 < moved.reached[0] <= 0.5
    assert (
        moved.vector[0, :5].isfinite().all()
        and moved.vector[0, 6:].isnan().all()
        and moved.vector[1].isfinite().all()
    )
    short = parallel_transport(stein(), path, draw(2, 3), max_evaluations=45)
    assert (
        short.status == (BUDGET, BUDGET)
        and (short.score_evaluations <= 45).all()
        and short.end.isnan().all()
    )


def test_counts_every_evaluation() -> None:
    score = CountingScore(mixture())
    metric = SteinMetric(ScoreField(score, SIGMA), LAM)
    moved = parallel_transport(metric, 0.2 * wavy(5), draw(1, 4))
    assert score.count == int(moved.score_evaluations)
    score.count = 0
    flow, _ = transport_along_geodesic(
        metric, draw(1, 4), 0.1 * draw(1, 4, seed=1), draw(1, 4, seed=2)
    )
    assert score.count == int(flow.score_evaluations)


def test_a_loop_turns_vectors_by_the_curvature_inside() -> None:
    # Gauss-Bonnet: around a small square of side h the holonomy is K h^2 to leading order, in the
    # square's own plane.
    metric, h = stein(), 0.02
    x = draw(1, 3)
    corners = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=torch.float64) * h
    plane = torch.eye(3, dtype=torch.float64)[:2]
    vector = plane[:1]
    for here, there in zip(corners[:-1], corners[1:], strict=True):
        u = torch.linspace(0, 1, 4, dtype=torch.float64)[:, None]
        side = x + ((1 - u) * here + u * there) @ plane
        vector = parallel_transport(metric, side[None], vector).end
    change = metric.inner(x, vector - plane[:1], plane[1:])
    gram = metric.matrix(x)[0][:2, :2]
    curvature = metric.sectional_curvature(x, plane[:1], plane[1:])
    # R(u, v, u, v) h^2, the area of the parallelogram in the metric included; third order in h is
    # left.
    torch.testing.assert_close(
        change.abs(), (curvature * torch.linalg.det(gram) * h**2).abs(), rtol=5 * h, atol=0
    )


def test_transports_what_exponential_computes() -> None:
    metric, x, v = stein(), draw(2, 3), 0.5 * draw(2, 3, seed=1)
    flow, _ = transport_along_geodesic(metric, x, v, v)
    torch.testing.assert_close(flow.end, exponential(metric, x, v).end, rtol=0, atol=1e-7)

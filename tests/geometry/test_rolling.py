"""Transport by rotations of the normal: its order, what it keeps whatever its step, its count."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from scipy.integrate import solve_ivp

from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.rolling import carry
from scoregeo.geometry.spline_transport import Rolled, roll_along
from scoregeo.geometry.transport import parallel_transport
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import CONVERGED, FAILED
from tests.fields import Curl, mixture, shell_field
from tests.geometry.cases import LAM, SIGMA, WalledScore, draw, stein

FROM, TO = draw(1, 3), draw(1, 3, seed=1)


def parabola(rows: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """A curve that no geodesic and no straight line is."""
    u = times[:, None]
    return FROM + u * (TO - FROM) + u * (1 - u) * draw(1, 3, seed=5)


def velocity(time: float) -> torch.Tensor:
    return TO - FROM + (1 - 2 * time) * draw(1, 3, seed=5)


@cache
def by_the_equation() -> tuple[SteinMetric, torch.Tensor, torch.Tensor]:
    """A metric, a vector, and what becomes of it by `V' = -Gamma(x', V)` along the parabola, by
    scipy.
    """
    metric, vector = stein(), draw(1, 3, seed=2)

    def change(time: float, state: np.ndarray) -> np.ndarray:
        x = parabola(torch.zeros(1, dtype=torch.int64), torch.tensor([time], dtype=torch.float64))
        moved = torch.from_numpy(state.copy())[None]
        return -metric.christoffel(x, velocity(time), moved)[0].numpy()

    found = solve_ivp(change, (0, 1), vector[0].numpy(), method="DOP853", rtol=1e-11, atol=1e-12)
    return metric, vector, torch.from_numpy(found.y[:, -1].copy())[None]


def rolled(
    metric: SteinMetric,
    points: int,
    tolerance: float,
    vector: torch.Tensor,
    curve: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = parabola,
) -> Rolled:
    times = torch.linspace(0, 1, points, dtype=torch.float64)
    return roll_along(metric.least_squares, curve, times, vector, tolerance, 10**5)


def test_it_is_of_fourth_order() -> None:
    metric, vector, truth = by_the_equation()
    errors = np.array(
        [
            float((rolled(metric, n, torch.inf, vector).vector[:, -1] - truth).norm())
            for n in (5, 9, 17)
        ]
    )
    orders = np.log2(errors[:-1] / errors[1:])
    assert (orders > 3.6).all(), (errors, orders)


def test_the_polygon_of_normals_is_of_second_order() -> None:
    metric, vector, truth = by_the_equation()
    errors = []
    for n in (17, 33, 65):
        times = torch.linspace(0, 1, n, dtype=torch.float64)
        path = parabola(torch.zeros(n, dtype=torch.int64), times)[None]
        errors.append(float((carry(metric.least_squares, path, vector) - truth).norm()))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (abs(orders - 2) < 0.3).all(), (errors, orders)


def test_the_tolerance_is_met() -> None:
    metric, vector, truth = by_the_equation()
    for tolerance in (1e-3, 1e-5, 1e-7):
        found = rolled(metric, 2, tolerance, vector)
        assert found.status == (CONVERGED,)
        error = metric.norm(TO, found.vector[:, -1] - truth)
        assert float(error) < tolerance * float(metric.norm(TO, truth))
    assert int(found.evaluations) < 400


def test_inner_products_are_kept_to_rounding_whatever_the_step() -> None:
    # Of a field that is no gradient, too.
    for field in (mixture(3, 4), Curl(0.7)):
        metric = SteinMetric(ScoreField(field, SIGMA), LAM)
        first, second = draw(1, 3, seed=2), draw(1, 3, seed=3)
        ends = [rolled(metric, 2, torch.inf, v).vector[:, -1] for v in (first, second)]
        torch.testing.assert_close(
            metric.inner(TO, *ends), metric.inner(FROM, first, second), rtol=1e-12, atol=1e-12
        )


def test_on_a_thin_shell_it_costs_scores_by_the_hundred() -> None:
    # lam 1000 at sigma 0.05: the normal turns by almost pi within 1e-4 of the ridge.
    metric = SteinMetric(shell_field(0.05), 1000.0)
    x = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    flow = exponential(metric, x, torch.tensor([[-0.0014, 1.57, 0.0]]).double(), points=17)
    moved = parallel_transport(metric, flow.path, flow.velocity[:, 0])
    assert moved.status == (CONVERGED,) and int(moved.score_evaluations) < 500
    # The velocity of a geodesic is parallel: the spline through 17 of its points is off by 1e-4.
    assert float(metric.norm(flow.end, moved.end - flow.velocity[:, -1])) < 2e-3


def test_every_score_is_counted_and_a_wall_ends_the_row_alone() -> None:
    score = CountingScore(WalledScore(1.0))
    metric = SteinMetric(ScoreField(score, SIGMA), LAM)
    heads = torch.tensor([[2.0, 0, 0], [0.0, 0.5, 0]], dtype=torch.float64)
    found = rolled(metric, 5, 1e-6, draw(2, 3), lambda rows, u: u[:, None] * heads[rows])
    assert score.count == int(found.evaluations.sum())
    assert found.status == (FAILED, CONVERGED)
    assert 0.499 < float(found.reached[0]) <= 0.5 and float(found.reached[1]) == 1
    free = SteinMetric(ScoreField(WalledScore(9.0), SIGMA), LAM)
    alone = rolled(free, 5, 1e-6, draw(2, 3), lambda rows, u: u[:, None] * heads[rows])
    torch.testing.assert_close(found.vector[1], alone.vector[1])
    torch.testing.assert_close(found.vector[0, :2], alone.vector[0, :2], rtol=1e-5, atol=1e-5)

"""Exponential map, logarithm and transport on the paper's hard case: accuracy and cost, counted.

The unit sphere in R^3 at sigma 0.05 and lam 1000, where moving off the ridge of the density costs
a thousand times as much as along it.
"""

import math

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import fsolve

from scoregeo.geometry.exponential_map import exponential
from scoregeo.geometry.logarithm_map import logarithm
from scoregeo.geometry.transport import parallel_transport
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore
from scoregeo.solver.base import CONVERGED
from scoregeo.solver.gauss_newton import GaussNewton

SIGMA, LAM = 0.05, 1000.0
METRIC = SteinMetric(ScoreField(SphereScore(dimension=2, ambient=3), SIGMA), LAM)
X, Y = torch.eye(3, dtype=torch.float64)[:2, None]


def radial(r: float) -> tuple[float, float]:
    """The score along the radius, and its derivative, in closed form."""
    kappa = r / SIGMA**2
    mean, slope = 1 / math.tanh(kappa) - 1 / kappa, 1 / kappa**2
    return (mean - r) / SIGMA**2, (slope / SIGMA**2 - 1) / SIGMA**2


def planar(start: np.ndarray) -> np.ndarray:
    """Radius and angle after unit time of the geodesic of `W dr^2 + r^2 dtheta^2` from r = 1 with
    velocity `start` (radial, angular).
    """

    def change(_: float, state: np.ndarray) -> list[float]:
        r, speed, _ = state
        s, slope = radial(r)
        bend = (start[1] ** 2 / r**3 - LAM * s * slope * speed**2) / (1 + LAM * s**2)
        return [speed, bend, start[1] / r**2]

    found = solve_ivp(change, (0, 1), [1.0, start[0], 0.0], method="DOP853", rtol=1e-11, atol=1e-13)
    return found.y[[0, 2], -1]


def reference() -> torch.Tensor:
    """The logarithm of a quarter of a great circle, from the plane problem."""
    goal = np.array([1.0, math.pi / 2])
    start = fsolve(lambda v: planar(v) - goal, [-0.0014, 1.57], xtol=1e-11)
    assert abs(planar(start) - goal).max() < 1e-9
    return torch.tensor([[start[0], start[1], 0.0]], dtype=torch.float64)


def test_the_exponential_map_takes_a_few_hundred_evaluations() -> None:
    truth = reference()
    for rtol, most, error in ((1e-8, 300, 1e-7), (1e-5, 200, 1e-5)):
        flow = exponential(METRIC, X, truth, rtol=rtol, atol=rtol / 100)
        assert flow.status == (CONVERGED,)
        assert float((flow.end - Y).norm()) < error
        assert int(flow.score_evaluations) < most


def test_a_velocity_without_end_names_the_budget_that_ended_it() -> None:
    flow = exponential(METRIC, X, 1e3 * (X + Y), max_evaluations=2000, points=3)
    assert flow.status == ("out_of_budget",) and int(flow.score_evaluations) <= 2100
    assert float(flow.reached) < 1
    assert "max_evaluations = 2,000 was spent at" in flow.reason[0]
    assert exponential(METRIC, X, 0.1 * Y).reason == ("",)
    hopeless = exponential(METRIC, X, 1e9 * (X + Y))
    assert hopeless.status == ("out_of_budget",) and int(hopeless.score_evaluations) < 4000
    assert "given up at" in hopeless.reason[0] and "at its pace" in hopeless.reason[0]


def test_the_logarithm_is_right_to_a_ten_thousandth() -> None:
    solver = GaussNewton(num_points=64, max_subnodes=4)
    found = logarithm(METRIC, X, Y, solver)
    assert found.status == (CONVERGED,)
    assert float(found.residual) < 1e-6 * math.sqrt(2)
    # By another integration of another form of the equation it arrives there, too. Which of the
    # geodesics between the points it is, the solver decides.
    assert abs(float(found.velocity[0, 2])) < 1e-9
    end = planar(found.velocity[0, :2].numpy())
    assert abs(end - np.array([1.0, math.pi / 2])).max() < 1e-5
    beyond = int((found.score_evaluations - found.solution.score_evaluations).sum())
    assert beyond < 6000


def test_the_velocity_is_transported_into_the_velocity() -> None:
    flow = exponential(METRIC, X, reference(), points=17)
    moved = parallel_transport(METRIC, flow.path, flow.velocity[:, 0])
    assert moved.status == (CONVERGED,) and int(moved.score_evaluations) < 500
    there = flow.end
    torch.testing.assert_close(
        METRIC.norm(there, moved.end), METRIC.norm(X, flow.velocity[:, 0]), rtol=1e-10, atol=0
    )
    # The spline through 17 points is off by 1e-7, of which the metric makes 1e-4.
    assert float(METRIC.norm(there, moved.end - flow.velocity[:, -1])) < 1e-3

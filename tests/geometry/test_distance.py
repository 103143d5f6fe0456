"""Distances against an integral that is exact for a round shell, and their limit on the sphere."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq

from scoregeo.geometry.distances import distance, distance_matrix
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.solver.base import CONVERGED, FAILED, AbstractSolver, Solution, Step
from scoregeo.solver.gauss_newton import GaussNewton
from tests.fields import arcs, shell_field
from tests.geometry.cases import draw, stein


@dataclass(frozen=True)
class Idle(AbstractSolver):
    """Leaves its start as it is, for tests of what is made of a path."""

    num_points: int
    status: str = CONVERGED

    def check(self, metric: AbstractMetric) -> None:
        pass

    def solve(
        self,
        metric: AbstractMetric,
        start: torch.Tensor,
        on_step: Callable[[Step], None] | None = None,
    ) -> Solution:
        flat = GaussNewton(self.num_points).solve(EuclideanMetric(), start)
        return replace(flat, path=start, status=(self.status,) * len(start))


def round_distance(angle: float, sigma: float, lam: float) -> float:
    """Length of the shortest geodesic between points of the unit sphere, by Clairaut's relation for
    `W dr^2 + r^2 dtheta^2`.

    From its least radius c to 1, `theta = 2 int c sqrt(W) / (r sqrt(r^2 - c^2)) dr` and
    `length = 2 int r sqrt(W) / sqrt(r^2 - c^2) dr`, `W = 1 + lam s_r^2`. Substituted
    `r^2 = c^2 + (1 - c^2) t^2`.
    """

    def radial(r: float) -> float:
        kappa = r / sigma**2
        return (1 / math.tanh(kappa) - 1 / kappa - r) / sigma**2

    ridge = brentq(radial, 0.5, 1.0)

    def integrals(c: float) -> tuple[float, float]:
        k = math.sqrt(1 - c * c)
        kink = [math.sqrt(max(ridge**2 - c * c, 0.0)) / k]
        both = []
        for power in (2, 0):

            def integrand(t: float, power: int = power) -> float:
                r = math.sqrt(c * c + k * k * t * t)
                return math.sqrt(1 + lam * radial(r) ** 2) * k * (c / r**2 if power else 1.0)

            both.append(2 * quad(integrand, 0, 1, points=kink, epsabs=1e-9, limit=200)[0])
        return both[0], both[1]

    grid = np.concatenate([np.linspace(0.8, 0.99, 20), np.linspace(0.9905, 0.9999, 20)])
    angles = np.array([integrals(c)[0] for c in grid]) - angle
    roots = [
        brentq(lambda c: integrals(c)[0] - angle, *grid[i : i + 2])
        for i in np.nonzero(angles[:-1] * angles[1:] < 0)[0]
    ]
    return min(integrals(c)[1] for c in roots)


@pytest.mark.parametrize(("sigma", "lam"), [(0.2, 1.0), (0.1, 10.0), (0.05, 10.0)])
def test_on_a_round_shell_it_is_clairauts_integral(sigma: float, lam: float) -> None:
    ends, _ = arcs(1, 1.0, 1.0)
    found = distance(
        SteinMetric(shell_field(sigma), lam),
        ends[:, 0],
        ends[:, 1],
        GaussNewton(64, subnodes=2, tolerance=1e-6),
    )
    # A longer path between the same ends, by the error of 64 points: second order in 1 / (64
    # sigma).
    truth = round_distance(1.0, sigma, lam)
    assert truth - 1e-5 < float(found) < truth * (1 + 4e-4)


def test_tends_to_the_great_circle_as_sigma_goes_to_zero() -> None:
    # A path of angle theta may cut inside the ridge by d, for phi = sqrt(lam) d^2 / (2 sigma^2)
    # there and back: it is shortest at d = (theta^2 sigma^4 / (2 lam))^(1/3). So 1 - length / theta
    # falls as sigma^(4/3), and sigma^2 for the ridge's radius.
    ends, angle = arcs(1, 1.0, 1.0)
    sigmas = [0.1, 0.05, 0.025]
    solver = GaussNewton(128, subnodes=2, tolerance=1e-6)
    short = [
        1
        - float(distance(SteinMetric(shell_field(s), 1.0), ends[:, 0], ends[:, 1], solver) / angle)
        for s in sigmas
    ]
    order = np.polyfit(np.log(sigmas), np.log(short), 1)[0]
    assert short[0] < 0.02 and short[2] < 0.004
    assert order == pytest.approx(4 / 3, abs=0.15)


def test_where_the_density_is_flat_along_the_way_it_is_the_arc() -> None:
    ends, angles = arcs(3, 0.5, 1.5)
    found = distance(
        SteinMetric(shell_field(0.05), 1000.0),
        ends[:, 0],
        ends[:, 1],
        GaussNewton(128, subnodes=2, tolerance=1e-6),
    )
    # Inside a shell a path may be shorter by sigma^2, and a polygon of 128 points is longer than
    # its curve by less than that.
    torch.testing.assert_close(found, angles, rtol=0.01, atol=0)


def test_a_certified_distance_charges_for_valleys_leapt_over() -> None:
    # Two points a side of the empty middle of the shell: three points leap it, their certificate
    # does not.
    ends, angle = arcs(1, 2.4, 2.4)
    metric, coarse = SteinMetric(shell_field(0.1), 100.0), GaussNewton(3)
    plain = distance(metric, ends[:, 0], ends[:, 1], coarse, certify=False)
    certified = distance(metric, ends[:, 0], ends[:, 1], coarse)
    assert float(plain) < 1.5 * float(angle) < 5 * float(angle) < float(certified)


def test_the_matrix_holds_the_distances() -> None:
    metric, points, solver = stein(), draw(5, 3), GaussNewton(16)
    matrix = distance_matrix(metric, points, solver, batch=4)
    assert torch.equal(matrix, matrix.T) and (matrix.diagonal() == 0).all()
    i, j = torch.triu_indices(5, 5, 1)
    torch.testing.assert_close(matrix[i, j], distance(metric, points[i], points[j], solver))
    # The way back is the same way: to the solver's tolerance, 1e-3 of the energy.
    torch.testing.assert_close(
        matrix[j, i], distance(metric, points[j], points[i], solver), rtol=1e-3, atol=0
    )
    assert (
        matrix[:, None] <= (matrix[:, :, None] + matrix[None]).transpose(1, 2) * (1 + 1e-3)
    ).all()  # triangles


def test_flat_space_has_euclidean_distances_and_equal_points_none() -> None:
    points = draw(6, 2, 3)
    points[4] = points[1]
    flat = points.flatten(1)
    torch.testing.assert_close(
        distance_matrix(EuclideanMetric(), points, GaussNewton(4)),
        torch.cdist(flat, flat),
        atol=1e-7,
        rtol=0,
    )
    assert distance_matrix(stein(), draw(1, 3).repeat(2, 1), GaussNewton(4)).eq(0).all()


def test_conformal_lengths_are_in_one_unit() -> None:
    # On a path the metric's unit is its first point; a distance must not depend on which end that
    # is.
    metric = ConformalMetric(stein().field, 0.2)

    x, y = draw(2, 3), draw(2, 3, seed=1)
    there, back = (distance(metric, a, b, Idle(65)) for a, b in ((x, y), (y, x)))
    torch.testing.assert_close(there, back, rtol=1e-3, atol=0)  # the trapezoid rule of 256 parts
    u = torch.linspace(0, 1, 513, dtype=torch.float64)[:, None]
    line = x[0] + u * (y[0] - x[0])
    speed = metric.norm(line, (y[0] - x[0]).expand_as(line))
    assert float(there[0]) == pytest.approx(float(torch.trapezoid(speed, dx=1 / 512)), rel=1e-3)


def test_a_start_is_used_and_a_failed_pair_is_nan() -> None:
    x, y = draw(1, 3), draw(1, 3, seed=1)
    detour = torch.stack([x, x + 1, y], 1)
    expected = (3**0.5 + (y - x - 1).norm()).double()
    assert float(distance(EuclideanMetric(), x, y, Idle(3), start=detour)) == pytest.approx(
        float(expected)
    )
    assert distance(EuclideanMetric(), x, y, Idle(3, FAILED)).isnan().all()

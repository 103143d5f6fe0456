"""LAND and RBF metrics against their sums written out, quadrature, and geodesics of one dimension,
whose energy is half the square of an integral.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.baseline.base import Ends
from scoregeo.baseline.data_geodesic import DataGeodesic
from scoregeo.metric.diagonal import AbstractDiagonalMetric
from scoregeo.metric.land import LandMetric
from scoregeo.metric.rbf import RbfMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.georce import Georce
from scoregeo.solver.lbfgs import LBFGS
from tests.baseline.cases import draws, field
from tests.fields import wavy

POINTS = torch.randn(40, 4, generator=draws(8), dtype=torch.float64)
X, U, V = torch.randn(3, 5, 4, generator=draws(9), dtype=torch.float64)
METRICS = [LandMetric(POINTS, gamma=0.8, rho=0.05), RbfMetric(POINTS, clusters=6, rho=0.05)]
each = pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)


def test_land_is_the_sum_written_out() -> None:
    weight = METRICS[0].weight(X).numpy()
    points = POINTS.numpy()
    for x, found in zip(X.numpy(), weight, strict=True):
        for a in range(4):
            h = sum(
                np.exp(-np.sum((p - x) ** 2) / (2 * 0.8**2)) * (p[a] - x[a]) ** 2 for p in points
            )
            assert found[a] == pytest.approx(1 / (h + 0.05), rel=1e-10)
    far = LandMetric(POINTS + 1e4, gamma=0.8, rho=0.05)  # little cancels far from the origin
    np.testing.assert_allclose(far.weight(X + 1e4).numpy(), weight, rtol=1e-6)


def test_land_s_own_width_is_the_median_distance_to_the_nearest_other() -> None:
    distances = torch.cdist(POINTS, POINTS).fill_diagonal_(torch.inf)
    assert LandMetric(POINTS).gamma == pytest.approx(float(distances.amin(1).median()))


def test_rbf_is_the_best_fit_to_one_by_weights_at_least_zero() -> None:
    """By the conditions of Karush, Kuhn and Tucker, on bumps written out."""
    metric = METRICS[1]
    assert isinstance(metric, RbfMetric)
    centres, rates = metric.centres.numpy(), metric.rates.numpy()
    bumps = np.array(
        [[np.exp(-r / 2 * np.sum((p - c) ** 2)) for c, r in zip(centres, rates, strict=True)]
         for p in POINTS.numpy()]
    )  # fmt: skip
    omega = metric.weights.numpy()
    slope = bumps.T @ (bumps @ omega - 1)
    assert (omega >= 0).all() and (slope > -1e-10).all()
    np.testing.assert_allclose(slope * omega, 0, atol=1e-10)
    np.testing.assert_allclose(
        metric.weight(POINTS).numpy(), np.repeat(1 / (bumps @ omega + 0.05)[:, None], 4, 1)
    )
    # Its clusters are k-means': every point is nearest to the mean of its own
    nearest = torch.cdist(POINTS, metric.centres).argmin(1)
    counts = nearest.bincount(minlength=len(centres)).numpy()
    assert (counts == 1).any()
    for label in range(len(centres)):
        own = POINTS[nearest == label]
        torch.testing.assert_close(own.mean(0), metric.centres[label])
        if len(own) > 1:
            spread = float((own - metric.centres[label]).square().sum(1).mean())
            assert rates[label] == pytest.approx(1 / (2 * spread))
        else:  # the median width of the others
            widths = (1 / (2 * rates[counts > 1])) ** 0.5
            assert (1 / (2 * rates[label])) ** 0.5 == pytest.approx(np.median(widths))


@each
def test_products_and_inverses_are_those_of_the_matrix(metric: AbstractDiagonalMetric) -> None:
    full = metric.matrix(X)
    torch.testing.assert_close(full, torch.diag_embed(metric.weight(X)))
    torch.testing.assert_close(metric.inner(X, U, V), torch.einsum("bi,bij,bj->b", U, full, V))
    velocity = wavy(5).diff(dim=1, append=wavy(5)[:, :1])
    slope, inverse = metric.linearise(wavy(5), velocity)
    matrices = metric.matrix(wavy(5)[0])
    torch.testing.assert_close(inverse.apply(inverse.multiply(velocity)), velocity)
    solved = torch.linalg.solve(torch.linalg.inv(matrices).sum(0), velocity[0, 0])
    torch.testing.assert_close(inverse.solve_sum(velocity[:, 0])[0], solved)
    step = 1e-6 * torch.eye(4, dtype=torch.float64)
    for a in range(4):
        up, down = (metric.inner(wavy(5)[0] + s * step[a], *(velocity[0],) * 2) for s in (1, -1))
        torch.testing.assert_close(slope[0, :, a], (up - down) / 2e-6, rtol=1e-6, atol=1e-6)


@each
def test_energy_converges_to_the_integral(metric: AbstractDiagonalMetric) -> None:
    """Along a straight line, by scipy; the rule's error falls with the square of its steps."""
    a, b = X[0], X[1]

    def speed(u: float) -> float:
        point = torch.lerp(a, b, u)[None]
        return float(metric.inner(point, (b - a)[None], (b - a)[None]))

    truth = 0.5 * quad(speed, 0, 1, epsabs=1e-10, limit=200)[0]
    length = quad(lambda u: speed(u) ** 0.5, 0, 1, epsabs=1e-10, limit=200)[0]
    errors = []
    for points in (33, 65, 129):
        measured = metric.measure(linear(torch.stack([a, b])[None], points), Quadrature())
        errors.append(abs(float(measured.energy) - truth))
        assert float(measured.length) == pytest.approx(length, rel=2e-2)
    for coarse, fine in zip(errors[:-1], errors[1:], strict=True):
        assert 3 < coarse / fine < 5
    again = metric.measure(wavy(9), Quadrature("trapezoid", 2))
    assert float(again.length) ** 2 <= 2 * float(again.energy)  # Cauchy-Schwarz


LINE = torch.tensor([[-0.6], [-0.2], [0.1], [0.5], [0.7]], dtype=torch.float64)
ON_A_LINE: list[AbstractDiagonalMetric] = [
    LandMetric(LINE, gamma=0.3, rho=0.02),
    RbfMetric(LINE, clusters=2, rho=0.2),
]


@pytest.mark.parametrize("metric", ON_A_LINE, ids=lambda m: m.name)
@pytest.mark.parametrize("solver", [LBFGS, Georce], ids=lambda s: s.__name__)
def test_a_geodesic_of_one_dimension_has_the_energy_of_its_length(
    metric: AbstractDiagonalMetric, solver: Any
) -> None:
    """E = d^2 / 2, d the integral of sqrt(g); and points at equal lengths."""
    ends = torch.tensor([[[-1.0], [1.0]]], dtype=torch.float64)

    def speed(x: float) -> float:
        return float(metric.weight(torch.tensor([[x]], dtype=torch.float64)).sqrt())

    length = quad(speed, -1, 1, epsabs=1e-9, limit=200)[0]
    found = solver(num_points=49).solve(metric, linear(ends, 49))
    assert found.status == ("converged",) and int(found.score_evaluations.sum()) == 0
    fine = metric.measure(found.path, Quadrature("simpson", 4))
    # GEORCE minimises the left-point rule, of order 1 in the segments' length
    near = 4 if solver is Georce else 1
    assert float(fine.energy) == pytest.approx(length**2 / 2, rel=5e-3 * near)
    middle = float(found.path[0, 24, 0])
    assert quad(speed, -1, middle, limit=200)[0] == pytest.approx(length / 2, rel=2e-2 * near)


def test_the_row_bends_towards_the_data_and_asks_no_score() -> None:
    """Points of a half circle between the ends."""
    angles = torch.linspace(0, torch.pi, 60, dtype=torch.float64)
    arc = torch.stack([angles.cos(), angles.sin()], 1)
    ends = torch.stack([arc[0], arc[-1]])[None]
    given = Ends(ends, ends, field([1.0, 1.0]), lambda count: arc[:count])
    row = DataGeodesic(partial(LandMetric, gamma=0.3, rho=0.01), LBFGS(max_iterations=100), 60)
    found = row.path(given, 17, draws())
    assert torch.equal(found.path[:, [0, -1]], ends)
    assert int(found.score_evaluations.sum()) == 0 == given.field.score.count  # type: ignore[attr-defined]
    assert float(found.path[0, 8, 1]) > 0.5
    with pytest.raises(ConfigError, match="needs data points"):
        row.path(Ends(ends, ends, given.field), 17, draws())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (partial(LandMetric, rho=0), r"metric\.rho = 0"),
        (partial(LandMetric, gamma=-1), r"metric\.gamma = -1"),
        (partial(LandMetric, gamma="auto"), r"metric\.gamma = 'auto'"),
        (partial(RbfMetric, clusters=0), r"metric\.clusters = 0"),
        (partial(RbfMetric, kappa=0), r"metric\.kappa = 0"),
    ],
)
def test_bad_settings_name_the_key_and_value(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DataGeodesic(make, LBFGS())


def test_bad_points_and_solvers_are_refused() -> None:
    with pytest.raises(DataError, match="two data points or more"):
        LandMetric(POINTS[:1])
    with pytest.raises(DataError, match="not finite"):
        RbfMetric(torch.full((3, 2), torch.nan))
    for points in (torch.zeros(5, 0), torch.ones(5, 2).long(), torch.ones(5, 2).cfloat()):
        for metric in (LandMetric, RbfMetric):
            with pytest.raises(DataError, match="floating-point numbers, at least one"):
                metric(points)
    with pytest.raises(ConfigError, match=r"metric\.kappa = 1e-300 .*greater"):
        RbfMetric(POINTS, kappa=1e-300)
    with pytest.raises(DataError, match="copies of others"):
        LandMetric(torch.ones(4, 2))
    with pytest.raises(DataError, match="points have 3 numbers, those of metric land 2"):
        LandMetric(POINTS[:, :2]).measure(torch.zeros(1, 4, 3), Quadrature())
    with pytest.raises(ConfigError, match="'gauss_newton' does not serve metric = 'land'"):
        DataGeodesic(LandMetric, GaussNewton())

"""Density geodesics of a Gaussian against scipy's boundary-value solver on the conformal metric's
own equation.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import solve_bvp

from scoregeo._utils.errors import ConfigError, DataError, ScoreError
from scoregeo.baseline.base import Ends
from scoregeo.baseline.density_geodesic import DensityGeodesic
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.path.interpolation import spherical
from scoregeo.score.field import ScoreField
from tests.baseline.cases import between, draws, field, pictures

ALPHA = 0.5
PRECISION = [1.0, 3.0]
A, B = [1.5, 0.3], [-0.8, 1.2]


def reference(of: ScoreField, alpha: float) -> np.ndarray:
    """The geodesic of `p^(-2 alpha) I` from A to B at 4,001 points [., 2], by collocation of x'' =
    -Gamma(x', x').
    """
    metric = ConformalMetric(of, alpha=alpha)
    a, b = np.array(A)[:, None], np.array(B)[:, None]

    def flow(_: np.ndarray, state: np.ndarray) -> np.ndarray:
        x, v = torch.from_numpy(state[:2].T.copy()), torch.from_numpy(state[2:].T.copy())
        return np.vstack([state[2:], -metric.christoffel(x, v, v).numpy().T])

    def ends(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.concatenate([first[:2] - a[:, 0], last[:2] - b[:, 0]])

    t = np.linspace(0, 1, 41)
    found = solve_bvp(
        flow,
        ends,
        t,
        np.vstack([a + (b - a) * t, np.repeat(b - a, 41, 1)]),
        tol=1e-8,
        max_nodes=20_000,
    )
    assert found.success
    return found.sol(np.linspace(0, 1, 4001))[:2].T


def gap(path: torch.Tensor, curve: np.ndarray) -> float:
    """Greatest distance of the path's points [points, 2] from a curve of many."""
    return float(np.linalg.norm(path.numpy()[:, None] - curve, axis=2).min(1).max())


def exact(levels: int, **more: object) -> DensityGeodesic:
    """Settings that meet the discrete equation to rounding."""
    settings = {
        "alpha": ALPHA,
        "iterations": 800,
        "learning_rate": 1.0,
        "sphere": False,
        "tolerance": 1e-7,
    } | more
    return DensityGeodesic(levels=levels, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("sigma", [0.5, 3.0])  # the coordinates it works in do not matter
def test_it_is_the_conformal_metrics_geodesic_to_second_order(sigma: float) -> None:
    of = field(PRECISION, sigma)
    curve = reference(of, ALPHA)
    given = between(A, B, of)
    gaps = []
    for levels in (2, 3, 4):
        found = exact(levels).path(given, 2**levels + 1, draws())
        assert found.status == ("converged",)
        gaps.append(gap(found.path[0], curve))
    line = torch.tensor(A) + torch.linspace(0, 1, 17)[:, None] * (torch.tensor(B) - torch.tensor(A))
    assert gap(line, curve) > 0.3  # far from the straight line
    orders = np.log2(np.array(gaps[:-1]) / np.array(gaps[1:]))
    assert (np.abs(orders - 2) < 0.2).all(), gaps
    assert gaps[-1] < 3e-3


def test_a_larger_alpha_keeps_nearer_to_the_mode() -> None:
    nearest = []
    for alpha in (0.05, 0.5, 2.0):
        found = exact(3, alpha=alpha).path(
            between([1.0, 1.0], [-1.0, 1.0], field([1.0, 1.0])), 9, draws()
        )
        nearest.append(float(found.path[0, 4].norm()))
    assert nearest[0] > nearest[1] > nearest[2]


def test_on_a_sphere_an_isotropic_density_leaves_the_great_circle() -> None:
    """There the score is all radial, and a geodesic is the great circle, for every alpha: SLERP."""
    given = pictures(2, dtype=torch.float64)
    norms = given.lifted.flatten(2).norm(dim=2)[..., None, None, None]
    ends = given.lifted / norms * 5
    found = DensityGeodesic(tolerance=1e-8).path(Ends(given.clean, ends, given.field), 17, draws())
    # The cubic spline's x'' of a circle has a part along x only, to the order of its step: what is
    # left is rounding.
    torch.testing.assert_close(found.path, spherical(ends, 17), atol=1e-9, rtol=0)


def test_on_a_sphere_the_equation_holds_along_the_path() -> None:
    """Of a path in S^2: the geodesic curvature, by finite differences of a fine path, is -alpha s
    across it.
    """
    of, alpha = field([0.5, 1.0, 4.0]), 0.3
    a, b = torch.tensor([0.9, 0.1, 0.6]).double(), torch.tensor([-0.2, 0.9, 0.7]).double()
    ends = 2 * torch.stack([a / a.norm(), b / b.norm()])[None]
    found = exact(5, alpha=alpha, sphere=True).path(Ends(ends, ends, of), 33, draws())
    assert found.status == ("converged",)
    path = found.path[0]
    torch.testing.assert_close(
        path.norm(dim=1), torch.full((33,), 2.0).double(), atol=1e-12, rtol=0
    )
    x, v, w = (
        path[1:-1],
        (path[2:] - path[:-2]) * 16,
        (path[2:] - 2 * path[1:-1] + path[:-2]) * 32**2,
    )
    normal = torch.linalg.cross(x, v)
    normal = normal / normal.norm(dim=1, keepdim=True)
    bent = (w * normal).sum(1) / v.square().sum(1)
    asked = -alpha * (of(x) * normal).sum(1)
    assert asked.abs().max() > 0.2
    # Second order in 1/64 inside; the natural spline's ends disturb the nodes next to them.
    torch.testing.assert_close(bent[4:-4], asked[4:-4], atol=5e-3, rtol=0)


def test_bisection_costs_what_it_says_and_stops_where_it_is_done() -> None:
    given = pictures(1)
    whole = DensityGeodesic(levels=4, iterations=3, tolerance=0.0).path(given, 5, draws())
    assert whole.score_evaluations.tolist() == [
        3 * (1 + 3 + 7 + 15)
    ] and whole.iterations.tolist() == [12]
    assert whole.status == ("out_of_budget",)
    released = DensityGeodesic()
    assert (
        released.iterations * sum(2**level - 1 for level in range(1, released.levels + 1)) == 2600
    )
    assert released.path(given, 5, draws()).score_evaluations.item() < 2600


def test_a_bad_score_is_told() -> None:
    with pytest.raises(ScoreError, match="not finite"):
        DensityGeodesic(sphere=False).path(
            between([0.0, 1.0], [2.0, 0.0], field(PRECISION, wall=0.5)), 5, draws()
        )


@pytest.mark.parametrize("second", [[2.0, 2.0], [-3.0, -3.0], [0.0, 0.0]])
def test_ends_without_a_great_circle_are_refused_on_the_sphere_only(second: list[float]) -> None:
    given = between([1.0, 1.0], second, field(PRECISION))
    with pytest.raises(DataError, match="pair 0 are parallel.*sphere=false"):
        DensityGeodesic().path(given, 5, draws())
    assert DensityGeodesic(sphere=False, alpha=ALPHA).path(given, 5, draws()).path.isfinite().all()


def _settings() -> list[tuple[str, object]]:
    bad: list[tuple[str, object]] = [
        ("alpha", 0),
        ("alpha", -0.1),
        ("alpha", float("nan")),
        ("levels", 0),
        ("levels", 11),
    ]
    return [*bad, ("iterations", 0), ("learning_rate", 0.0), ("tolerance", -1.0), ("sphere", 1)]


@pytest.mark.parametrize(("key", "value"), _settings())
def test_bad_settings_are_refused(key: str, value: object) -> None:
    make: Callable[..., DensityGeodesic] = DensityGeodesic
    with pytest.raises(ConfigError, match=rf"baseline\.density_geodesic\.{key} = {value!r}"):
        make(**{key: value})

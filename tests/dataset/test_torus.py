"""Torus: shortest geodesics against Clairaut's relation, the equation itself, known curves and a
discrete shortest path.
"""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.torus import Torus
from scoregeo.dataset.torus_geodesic import shoot, shortest_geodesic

SHAPES = [(1.0, 0.4), (1.0, 0.9), (3.0, 0.2)]


def between(data: Torus, first: tuple[float, float], second: tuple[float, float]) -> Pairs:
    truth = torch.tensor([[first, second]], dtype=torch.float64)
    return Pairs(data.embed(truth[:, 0]), data.embed(truth[:, 1]), ("p",), ("all",), truth)


@pytest.mark.parametrize(("major", "minor"), SHAPES)
def test_pairs_and_true_path(major: float, minor: float) -> None:
    data = Torus(major, minor, num_pairs=4, min_angle=0.5, max_angle=2.0)
    pairs = data.pairs(0)
    path, length = data.true_path(pairs, 33), data.true_length(pairs)
    assert path.shape == (4, 33, 3) and torch.equal(data.pairs(0).ends, pairs.ends)
    apart = torch.remainder(pairs.truth.diff(dim=1)[:, 0] + math.pi, 2 * math.pi) - math.pi  # type: ignore[union-attr]
    assert ((apart.abs().amax(1) >= 0.5) & (apart.abs().amax(1) <= 2.0)).all()
    # The end is reached to 1e-9 by construction; the start and the surface to rounding.
    torch.testing.assert_close(path[:, 0], pairs.first, atol=1e-13, rtol=0)
    torch.testing.assert_close(path[:, -1], pairs.second, atol=1e-8, rtol=0)
    assert data.distance(path.flatten(0, 1)).max() < 1e-13
    # Constant speed: chords over equal arcs h differ by the curvature, at most (h k)^2 / 24 with k
    # <= 1 / r, 1 / (R - r).
    chords = path.diff(dim=1).norm(dim=-1)
    step = length[:, None] / 32
    curvature = max(1 / minor, 1 / (major - minor))
    assert (chords <= step * (1 + 1e-9)).all()
    assert (chords >= step * (1 - (step * curvature) ** 2 / 24 - 1e-9)).all()


def test_true_continuation_of_known_curves() -> None:
    data = Torus()
    # A meridian, the inner equator, and the outer equator past its first conjugate point, pi sqrt(r
    # / (R + r)) = 1.68.
    firsts, seconds = (
        [(0.3, 1.0), (math.pi, 0.0), (0.0, 0.0)],
        [(1.5, 1.0), (math.pi, 1.2), (0.0, 1.2)],
    )
    truth = torch.tensor([firsts, seconds], dtype=torch.float64).transpose(0, 1)
    pairs = Pairs(
        data.embed(truth[:, 0]), data.embed(truth[:, 1]), ("a", "b", "c"), ("all",) * 3, truth
    )
    reach = torch.tensor([1.5, 1.0, 0.9], dtype=torch.float64)
    u = torch.linspace(0, 1, 17, dtype=torch.float64)
    step = truth[:, 1] - truth[:, 0]
    exact = data.embed(truth[:, 1, None] + (reach[:, None] * step)[:, None] * u[:, None])
    # The geodesic meets the second end to 1e-9; on the unstable inner equator (K = -1 / 0.24) what
    # is missing there grows by cosh(0.72 / sqrt(0.24)) = 2.3.
    torch.testing.assert_close(data.true_continuation(pairs, reach, 17), exact, atol=1e-8, rtol=0)


def test_true_continuation_goes_on_from_the_true_path() -> None:
    data = Torus(num_pairs=3, max_angle=2.5)
    pairs = data.pairs(1)
    length, path = data.true_length(pairs), data.true_path(pairs, 401)
    beyond = data.true_continuation(pairs, 0.5, 201)  # at the same spacing
    assert data.distance(beyond.flatten(0, 1)).max() < 1e-13
    joined = torch.cat([path[:, -2:], beyond[:, 1:3]], 1)
    assert (beyond[:, 0] - path[:, -1]).norm(dim=1).max() < 1e-9
    # No corner at b: the second difference is h^2 times a curvature of at most 1 / r = 2.5, within
    # rounding of 1e-11 / h.
    bend = (joined[:, 2:] - 2 * joined[:, 1:-1] + joined[:, :-2]).norm(dim=-1)
    assert (bend <= 2.51 * (length[:, None] / 400) ** 2).all()
    # w^2 ph' is the same before and after, per unit of arc (Clairaut); finite differences of step h
    # err by h^2.
    rate = [_clairaut(data, part, length / 400) for part in (path, beyond)]
    assert (torch.cat(rate, 1) - rate[0][:, :1]).abs().max() < 1e-4


def _clairaut(data: Torus, path: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    rho = path[..., :2].norm(dim=-1)
    turn = path[:, 2:, 1].atan2(path[:, 2:, 0]) - path[:, :-2, 1].atan2(path[:, :-2, 0])
    turn = torch.remainder(turn + math.pi, 2 * math.pi) - math.pi
    return rho[:, 1:-1] ** 2 * turn / (2 * step[:, None])


@pytest.mark.parametrize(("major", "minor"), SHAPES)
def test_clairaut_and_the_geodesic_equation(major: float, minor: float) -> None:
    data = Torus(major, minor, num_pairs=3, max_angle=2.5)
    for (start, stop), length in zip(
        data._ends(data.pairs(1)), data.true_length(data.pairs(1)).tolist(), strict=True
    ):
        alpha, found = shortest_geodesic(major, minor, start, stop)
        assert found == length
        theta, phi, theta_rate, phi_rate, *_ = shoot(
            major, minor, start, alpha, length, np.linspace(0, 1, 201)
        )
        wide = major + minor * np.cos(theta)
        # Both are conserved exactly; the integrator's relative tolerance is 1e-11 a step, over some
        # tens of steps.
        assert np.ptp(wide**2 * phi_rate) < 1e-9 * major
        assert np.abs((minor * theta_rate) ** 2 + (wide * phi_rate) ** 2 - 1).max() < 1e-9
        # The acceleration in R^3 has no part along the surface. Second differences with step h =
        # length / 2000 near the middle: error h^2 / 12 times the fourth derivative, a few 1 / r^3.
        middle = shoot(major, minor, start, alpha, length, 0.5 + np.array([-1, 0, 1]) / 2000)[:2]
        points = data.embed(torch.from_numpy(middle.T.copy())).numpy()
        acceleration = (points[2] - 2 * points[1] + points[0]) / (length / 2000) ** 2
        t, p = middle[:, 1]
        along = np.array(
            [
                [-math.sin(t) * math.cos(p), -math.sin(t) * math.sin(p), math.cos(t)],
                [-math.sin(p), math.cos(p), 0.0],
            ]
        )
        assert np.abs(along @ acceleration).max() < 1e-4 / minor
        # The end: direct, without the code's own stopping test.
        miss = [
            (b - a + math.pi) % (2 * math.pi) - math.pi
            for a, b in zip((theta[-1], phi[-1]), stop, strict=True)
        ]
        assert max(abs(m) for m in miss) < 1e-8


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [
        ((0.3, 1.0), (1.5, 1.0), 0.4 * 1.2),  # along a meridian: r dth
        (
            (-2.9, 0.5),
            (2.9, 0.5),
            0.4 * (2 * math.pi - 5.8),
        ),  # across th = pi, the short way round the tube
        (
            (math.pi, -0.8),
            (math.pi, 1.2),
            0.6 * 2.0,
        ),  # inner equator: (R - r) dph, always shortest up to half a turn
        ((math.pi, 3.0), (math.pi, -3.0), 0.6 * (2 * math.pi - 6.0)),  # across ph = pi
        (
            (0.0, 0.0),
            (0.0, 0.5),
            1.4 * 0.5,
        ),  # outer equator before its first conjugate point, pi sqrt(r / (R + r)) = 1.68
    ],
)
def test_known_lengths(
    first: tuple[float, float], second: tuple[float, float], length: float
) -> None:
    data = Torus()
    # Ends within 1e-9, so lengths within 1e-9.
    torch.testing.assert_close(
        data.true_length(between(data, first, second)),
        torch.tensor([length], dtype=torch.float64),
        atol=2e-9,
        rtol=0,
    )


def test_the_outer_equator_is_left_where_it_is_not_shortest() -> None:
    data = Torus()
    pairs = between(data, (0.0, 0.0), (0.0, 3.0))
    # Over the top, along the inner equator and down again is shorter than 1.4 * 3 = 4.2.
    assert data.true_length(pairs) < 2 * 0.4 * math.pi + 0.6 * 3
    assert data.angles(data.true_path(pairs, 65))[0, :, 0].abs().max() > 1


def discrete_length(
    data: Torus, first: list[float], second: list[float], bend: float, count: int = 32
) -> float:
    """Length of the path of least chord energy in R^3 among those with `count` segments, from one
    initial guess.
    """
    u = np.linspace(0, 1, count + 1)[1:-1]
    guess = np.outer(1 - u, first) + np.outer(u, second)
    guess[:, 0] += bend * np.sin(np.pi * u)

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        theta, phi = np.vstack([first, flat.reshape(-1, 2), second]).T
        outward = np.stack([np.cos(phi), np.sin(phi), 0 * phi], -1)
        around = np.stack([-np.sin(phi), np.cos(phi), 0 * phi], -1)
        cosine, sine = np.cos(theta)[:, None], np.sin(theta)[:, None]
        rho, up = data.major + data.minor * cosine, np.array([0.0, 0.0, 1.0])
        steps = np.diff(rho * outward + data.minor * sine * up, axis=0)
        change = count * (steps[:-1] - steps[1:])
        by_theta = data.minor * (cosine * up - sine * outward)[1:-1]
        slope = np.stack([by_theta, (rho * around)[1:-1]], 1)
        lengths.append(float(np.linalg.norm(steps, axis=1).sum()))
        return float(count / 2 * (steps**2).sum()), np.einsum("ni,nki->nk", change, slope).ravel()

    lengths: list[float] = []
    best = minimize(
        energy,
        guess.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 3000, "ftol": 1e-15, "gtol": 1e-8},
    )
    energy(best.x)
    return lengths[-1]


@pytest.mark.slow
def test_against_a_discrete_shortest_path_over_windings_and_guesses() -> None:
    data = Torus(1.0, 0.5, num_pairs=2, min_angle=1.5, max_angle=3.1)
    pairs = data.pairs(5)
    assert pairs.truth is not None
    for (first, second), length in zip(
        pairs.truth.tolist(), data.true_length(pairs).tolist(), strict=True
    ):
        found = [
            discrete_length(
                data, first, [second[0] + 2 * math.pi * m, second[1] + 2 * math.pi * n], bend
            )
            for m in (-1, 0, 1)
            for n in (-1, 0, 1)
            for bend in (-1.5, 0.0, 1.5)
        ]
        # Chords cut corners: each is short by (h k)^2 / 24 with h about 3 / 32 and k <= 2, so
        # 1.5e-3 in all; none is longer.
        assert length * (1 - 2e-3) < min(found) < length * (1 + 1e-5)


def test_distance_and_angles() -> None:
    data = Torus(2.0, 0.5)
    points = torch.tensor(
        [[0.0, 0, 0], [2.0, 0, 0], [0, 3.0, 0], [0, 2.0, 1.0]], dtype=torch.float64
    )
    assert data.distance(points).tolist() == [1.5, 0.5, 0.5, 0.5]
    sample = data.sample(100, 0)
    torch.testing.assert_close(data.embed(data.angles(sample)), sample, atol=1e-14, rtol=0)


def test_sample_is_uniform_in_area() -> None:
    sample = Torus(1.0, 0.6).sample(40_000, 0)
    assert Torus(1.0, 0.6).distance(sample).max() < 1e-14
    theta, phi = Torus(1.0, 0.6).angles(sample).T
    # The density in th is (1 + 0.6 cos th) / 2 pi: E cos th = 0.3; five standard errors of at most
    # 1 / sqrt(2 * 40000).
    assert abs(float(theta.cos().mean()) - 0.3) < 0.02 and abs(float(theta.sin().mean())) < 0.02
    assert abs(float(phi.cos().mean())) < 0.02 and abs(float(phi.sin().mean())) < 0.02


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("minor", {"minor": 1.0}),
        ("minor", {"minor": 1.5}),
        ("minor", {"minor": 0.0}),
        ("minor", {"minor": 0.0199}),
        ("major", {"major": -1.0}),
        ("major", {"major": "big"}),
        ("num_pairs", {"num_pairs": 0}),
        ("min_angle", {"min_angle": -0.1}),
        ("max_angle", {"max_angle": 3.5}),
        ("max_angle", {"max_angle": 0.5}),
        ("max_angle", {"max_angle": float("nan")}),
    ],
)
def test_bad_settings_are_refused(key: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.{key} = {settings[key]!r} .*must be"):
        Torus(**settings)

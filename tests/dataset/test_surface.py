"""Ellipsoids and wiggly spheres: great circles, elliptic integrals, Gauss-Bonnet, and a discrete
shortest path.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import ellipeinc

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.ellipsoid import Ellipsoid
from scoregeo.dataset.level_set import LevelSet
from scoregeo.dataset.surface import AbstractSurface
from scoregeo.dataset.wiggly_sphere import WigglySphere

SURFACES = [
    Ellipsoid(num_pairs=3),
    Ellipsoid((2.0, 1.0, 1.0), num_pairs=3),
    WigglySphere(num_pairs=3),
]
IDS = ["ellipsoid", "spheroid", "wiggly"]


@cache
def solved(data: AbstractSurface) -> tuple[Pairs, torch.Tensor, torch.Tensor]:
    """Pairs, their true paths of 401 points, and the lengths."""
    pairs = data.pairs(0)
    return pairs, data.true_path(pairs, 401), data.true_length(pairs)


@cache
def nodes_of(data: AbstractSurface) -> tuple[torch.Tensor, torch.Tensor]:
    """Points at most 0.02 apart, and their weights."""
    return data.quadrature(0.02)


def between(first: list[float], second: list[float]) -> Pairs:
    ends = torch.tensor([[first, second]], dtype=torch.float64)
    return Pairs(ends[:, 0], ends[:, 1], ("p",), ("all",))


def test_equal_axes_are_a_sphere() -> None:
    data = Ellipsoid((2.0, 2.0, 2.0), num_pairs=4, max_angle=3.0)
    pairs = data.pairs(3)
    unit = pairs.ends / 2
    angle = (unit[:, 0] * unit[:, 1]).sum(1).acos()
    # Ends are met to 1e-9.
    torch.testing.assert_close(data.true_length(pairs), 2 * angle, atol=2e-9, rtol=0)
    u = torch.linspace(0, 1, 17, dtype=torch.float64)[:, None]
    for path, (a, b), w in zip(data.true_path(pairs, 17), unit, angle, strict=True):
        torch.testing.assert_close(
            path, 2 * (((1 - u) * w).sin() * a + (u * w).sin() * b) / w.sin(), atol=1e-8, rtol=0
        )
    torch.testing.assert_close(
        data.curvature(pairs.first), torch.full((4,), 0.25, dtype=torch.float64)
    )


@pytest.mark.parametrize("t", [0.4, 1.0])
def test_the_shortest_way_along_an_axis_plane_is_an_elliptic_integral(t: float) -> None:
    # Of the plane through the longest and the shortest half-axis, a closed geodesic; (c sin t, 0, a
    # cos t) about the flat end.
    a, c = 1.5, 0.6
    pairs = between([a * math.sin(t), 0, c * math.cos(t)], [-a * math.sin(t), 0, c * math.cos(t)])
    length = 2 * a * ellipeinc(t, 1 - (c / a) ** 2)
    torch.testing.assert_close(
        Ellipsoid((a, 1.0, c)).true_length(pairs),
        torch.tensor([length], dtype=torch.float64),
        atol=2e-9,
        rtol=0,
    )


@pytest.mark.parametrize("data", SURFACES, ids=IDS)
def test_true_path_lies_on_the_surface_at_constant_speed_and_is_geodesic(
    data: AbstractSurface,
) -> None:
    pairs, path, length = solved(data)
    assert (
        torch.equal(path[:, 0], pairs.first)
        and (path[:, -1] - pairs.second).norm(dim=1).max() < 1e-8
    )
    points = path.numpy()
    # The integrator's relative tolerance is 1e-11, and errors grow with the Jacobi field.
    assert np.abs(data.surface.value(points) - 1).max() < 1e-8
    h = length.numpy()[:, None] / 400
    speed = np.linalg.norm(np.diff(points, axis=1), axis=-1) / h
    # Chords are short by (h k)^2 / 24, with normal curvatures k below 6.
    assert speed.max() < 1 + 1e-9 and speed.min() > 1 - (6 * h.max()) ** 2 / 24
    bend = (points[:, 2:] - 2 * points[:, 1:-1] + points[:, :-2]) / h[..., None] ** 2
    slope = data.surface.gradient(points[:, 1:-1])
    slope /= np.linalg.norm(slope, axis=-1, keepdims=True)
    along = bend - (bend * slope).sum(-1, keepdims=True) * slope
    # Second differences err by h^2 / 12 times the fourth derivative, below k^2 times the waves
    # squared.
    assert np.linalg.norm(along, axis=-1).max() < h.max() ** 2 / 12 * 36 * 64


def discrete_length(
    data: AbstractSurface, first: np.ndarray, second: np.ndarray, bend: np.ndarray, count: int = 48
) -> float:
    """Length of the path of least chord energy among those with `count` segments, points given by
    their directions.
    """
    u = np.linspace(0, 1, count + 1)[1:-1, None]
    guess = (1 - u) * first + u * second + np.sin(np.pi * u) * bend
    axes, surface = np.array(data.surface.axes), data.surface

    def value(x: np.ndarray) -> np.ndarray:
        waves = np.cos(surface.waves * x) - 1
        return ((x / axes) ** 2 + surface.wiggle * waves).sum(-1, keepdims=True)

    def slope(x: np.ndarray) -> np.ndarray:
        return 2 * x / axes**2 - surface.wiggle * surface.waves * np.sin(surface.waves * x)

    def inner(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x * y).sum(-1, keepdims=True)

    def sizes(x: np.ndarray) -> np.ndarray:
        """Where the rays through x meet the surface, by Newton's method."""
        size = np.ones((len(x), 1))
        for _ in range(7):
            size = size * (1 - (value(size * x) - 1) / inner(slope(size * x), size * x))
        return size

    def steps(points: np.ndarray) -> np.ndarray:
        return np.diff(np.vstack([first, points, second]), axis=0)

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = flat.reshape(-1, 3)
        size = sizes(x)
        found = steps(size * x)
        change, normal = count * (found[:-1] - found[1:]), slope(size * x)
        # The derivative of the size is that of the implicit function.
        change = size * (change - normal * inner(change, x) / inner(normal, x))
        return float(count / 2 * (found**2).sum()), change.ravel()

    best = minimize(
        energy,
        guess.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 600, "ftol": 1e-13},
    )
    x = best.x.reshape(-1, 3)
    return float(np.linalg.norm(steps(sizes(x) * x), axis=1).sum())


@pytest.mark.slow
@pytest.mark.parametrize("data", [SURFACES[0], SURFACES[2]], ids=["ellipsoid", "wiggly"])
def test_against_a_discrete_shortest_path_over_guesses(data: AbstractSurface) -> None:
    pairs, _, lengths = solved(data)
    for first, second, length in zip(pairs.first, pairs.second, lengths.tolist(), strict=True):
        ends = first.numpy(), second.numpy()
        across = np.cross(*ends)
        found = [discrete_length(data, *ends, bend * across) for bend in (-0.7, 0.0, 0.7)]
        # Chords cut corners, each short by (h k)^2 / 24 with h about 1.5 / 48 and k up to 6; none
        # is longer.
        assert length * (1 - 2e-3) < min(found) < length * (1 + 1e-5)


def test_curvature_of_the_ellipsoid_and_gauss_bonnet() -> None:
    data = SURFACES[0]
    points = data.sample(50, 0)
    h = (points / torch.tensor([1.5, 1.0, 0.6], dtype=torch.float64) ** 2).square().sum(1)
    torch.testing.assert_close(
        data.curvature(points), 1 / (1.5 * 1.0 * 0.6 * h) ** 2, rtol=1e-12, atol=0
    )
    for surface in SURFACES:
        # The curvature adds up to 4 pi over any closed surface of genus 0, so this checks curvature
        # and area element alike.
        nodes, weights = surface.quadrature(0.04)
        assert abs(float(weights.sum()) - 1) < 1e-12
        area = _area(surface)
        assert abs(area * float((weights * surface.curvature(nodes)).sum()) - 4 * math.pi) < 1e-8


def _area(data: AbstractSurface) -> float:
    """From the volume's derivative: the flux of a unit normal field, by quadrature over directions
    in spherical angles.
    """
    theta, weight = np.polynomial.legendre.leggauss(200)
    theta = (theta + 1) * math.pi / 2
    phi = np.arange(400) * (math.pi / 200)
    ring = np.sin(theta)[:, None]
    directions = np.stack(
        [
            ring * np.cos(phi),
            ring * np.sin(phi),
            np.broadcast_to(np.cos(theta)[:, None], (200, 400)),
        ],
        -1,
    )
    radius = data.surface.radius(directions)
    slope = data.surface.gradient(radius[..., None] * directions)
    cosine = (slope * directions).sum(-1) / np.linalg.norm(slope, axis=-1)
    return float(
        (radius**2 / cosine * ring * (weight * math.pi / 2)[:, None]).sum() * (math.pi / 200)
    )


@pytest.mark.parametrize("data", SURFACES, ids=IDS)
def test_distance(data: AbstractSurface) -> None:
    on = data.sample(40, 1)
    slope = torch.from_numpy(data.surface.gradient(on.numpy()))
    normal = slope / slope.norm(dim=1, keepdim=True)
    for off in (-0.08, -0.01, 0.0, 0.05):  # within the radius of curvature, 1 / 6 of the wiggly one
        torch.testing.assert_close(
            data.distance(on + off * normal),
            torch.full((40,), abs(off), dtype=torch.float64),
            atol=1e-9,
            rtol=0,
        )
    far = torch.tensor([[0.1, 0.2, 0.15], [1.4, 1.3, 0.9], [0, 0, 0]], dtype=torch.float64)
    nodes, _ = nodes_of(data)
    brute = (far[:, None] - nodes).norm(dim=-1).amin(1)
    # Nodes 0.02 apart are at most 0.014 beside the nearest point: 0.014^2 / (2 d) of a distance d
    # above 0.3.
    found = data.distance(far)
    assert ((found <= brute + 1e-12) & (found > brute - 5e-4)).all()


def test_sample_is_uniform_in_area() -> None:
    for data in SURFACES:
        sample = data.sample(20_000, 0)
        assert data.distance(sample[:500]).max() < 1e-9
        nodes, weights = nodes_of(data)
        for moment in (
            lambda x: x[:, 2].square(),
            lambda x: (x[:, 0] * 8).cos(),
            lambda x: x.norm(dim=1),
        ):
            mean, spread = float(moment(sample).mean()), float(moment(sample).std())
            assert abs(mean - float((weights * moment(nodes)).sum())) < 5 * spread / math.sqrt(
                20_000
            )  # five standard errors


def test_continuation_goes_on_from_the_true_path() -> None:
    data = SURFACES[0]
    pairs, whole, length = solved(data)
    beyond = data.true_continuation(pairs, 1.0, 401)
    torch.testing.assert_close(whole[:, -1], beyond[:, 0], atol=1e-8, rtol=0)
    joined = torch.cat([whole[:, -2:], beyond[:, 1:2]], 1)
    h = length[:, None] / 400
    assert (
        (joined[:, 2] - 2 * joined[:, 1] + joined[:, 0]).norm(dim=1) <= 6 * h[:, 0] ** 2
    ).all()  # no corner: k below 6
    assert data.distance(beyond.flatten(0, 1)).max() < 1e-7


def test_groups_by_curvature() -> None:
    data = Ellipsoid(num_pairs=4, curvature_groups=2)
    pairs = data.pairs(0)
    highest = data.curvature(data.true_path(pairs, 65).flatten(0, 1)).abs().view(4, 65).amax(1)
    assert torch.equal(pairs.first, Ellipsoid(num_pairs=4).pairs(0).first)
    assert sorted(pairs.groups.count(group) for group in set(pairs.groups)) == [2, 2]
    for group, value in zip(pairs.groups, highest.tolist(), strict=True):
        low, high = (float(part) for part in group.removeprefix("curvature ").split(" to "))
        assert low * 0.94 < value < high * 1.06  # names have two digits


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Ellipsoid((1.0, 1.0)), "axes"),
        (lambda: Ellipsoid((1.0, 1.0, 0.0)), "axes"),
        (lambda: Ellipsoid((11.0, 1.0, 1.0)), "axes"),
        (lambda: Ellipsoid("abc"), "axes"),
        (lambda: Ellipsoid(num_pairs=0), "num_pairs"),
        (lambda: Ellipsoid(num_pairs=4, curvature_groups=5), "curvature_groups"),
        (lambda: Ellipsoid(min_angle=1.0, max_angle=0.5), "max_angle"),
        (lambda: WigglySphere(wiggle=0.4, waves=12.0), "wiggle"),
        (lambda: WigglySphere(radius=1e6), "wiggle = .* and dataset.radius = 1e"),
        (lambda: WigglySphere(min_angle=2), "max_angle = 1.5 .* above dataset.min_angle = 2"),
        (lambda: WigglySphere(radius=0.0), "radius"),
        (lambda: WigglySphere(waves=-1.0), "waves"),
    ],
)
def test_bad_settings(make: Any, key: str) -> None:
    with pytest.raises(ConfigError, match=f"dataset.{key}"):
        make()


def test_star_shape() -> None:
    assert (
        LevelSet((1.0, 1.0, 1.0)).is_star_shaped()
        and not LevelSet((1.0, 1.0, 1.0), 0.4, 12.0).is_star_shaped()
    )

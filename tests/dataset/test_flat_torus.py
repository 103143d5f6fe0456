"""Products of circles: lengths in angles, the geodesic equation, distance by definition."""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.flat_torus import FlatTorus


@pytest.mark.parametrize("circles", [1, 2, 3])
def test_true_path_and_length(circles: int) -> None:
    data = FlatTorus(circles, radius=0.8, num_pairs=5)
    pairs = data.pairs(0)
    path, length = data.true_path(pairs, 201), data.true_length(pairs)
    torch.testing.assert_close(path[:, [0, -1]], pairs.ends, atol=1e-14, rtol=0)
    assert data.distance(path.flatten(0, 1)).max() < 1e-14
    # Chords over equal arcs h are short by (h / r)^2 / 24 at most.
    h = length / 200
    torch.testing.assert_close(
        path.diff(dim=1).norm(dim=-1),
        h[:, None].expand(-1, 200),
        rtol=float((h / 0.8).max()) ** 2 / 20,
        atol=0,
    )
    # No part of the acceleration lies along the torus: in each plane it points to the circle's
    # centre.
    bend = (path[:, 2:] - 2 * path[:, 1:-1] + path[:, :-2]).unflatten(-1, (circles, 2))
    x = path[:, 1:-1].unflatten(-1, (circles, 2))
    assert (bend[..., 0] * x[..., 1] - bend[..., 1] * x[..., 0]).abs().max() < 1e-13
    # The truth is not needed: ends alone give the same.
    bare = Pairs(pairs.first, pairs.second, pairs.names, pairs.groups)
    torch.testing.assert_close(data.true_length(bare), length, atol=1e-12, rtol=0)
    beyond = data.true_continuation(bare, 0.5, 11)
    torch.testing.assert_close(
        beyond[:, 2], data.embed(pairs.truth[:, 1] + 0.1 * pairs.truth.diff(dim=1)[:, 0])
    )  # type: ignore[index, union-attr]


def test_pairs_keep_their_angles() -> None:
    data = FlatTorus(2, num_pairs=200, min_angle=0.5, max_angle=1.0)
    pairs = data.pairs(1)
    assert pairs.truth is not None
    turn = pairs.truth.diff(dim=1)[:, 0].abs()
    assert (
        turn.amax() <= 1.0
        and turn.amax(1).amin() >= 0.5
        and torch.equal(data.pairs(1).first, pairs.first)
    )


def test_distance_is_to_the_nearest_of_many_points() -> None:
    data = FlatTorus(2)
    points = torch.randn(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nodes, _ = data.quadrature(0.02)
    brute = (points[:, None] - nodes).norm(dim=-1).amin(1)
    assert (
        (data.distance(points) <= brute + 1e-12) & (data.distance(points) > brute - 2e-3)
    ).all()  # 0.014 beside it, at most


def test_quadrature_integrates_exactly_and_refuses_too_many_nodes() -> None:
    data = FlatTorus(2, radius=1.0)
    nodes, weights = data.quadrature(0.3)
    assert abs(float((weights * nodes[:, 0].square() * nodes[:, 3].square()).sum()) - 0.25) < 1e-14
    with pytest.raises(ConfigError, match="nodes"):
        FlatTorus(5).quadrature(0.05)


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("circles", {"circles": 0}),
        ("radius", {"radius": 0.0}),
        ("num_pairs", {"num_pairs": 1.5}),
        ("min_angle", {"min_angle": 0.0}),
        ("max_angle", {"max_angle": math.pi}),
        ("max_angle = 0.4 .* above dataset.min_angle = 0.5", {"max_angle": 0.4}),
    ],
)
def test_bad_settings(key: str, settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"dataset.{key}"):
        FlatTorus(**settings)  # type: ignore[arg-type]

"""SO(3) against scipy's rotations, brute force and the moments of the uniform distribution."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.base import Pairs
from scoregeo.dataset.rotation_group import RotationGroup


def test_true_path_is_scipy_s() -> None:
    data = RotationGroup(num_pairs=5)
    pairs = data.pairs(0)
    path, length = data.true_path(pairs, 9), data.true_length(pairs)
    for ends, found, total in zip(pairs.ends, path, length, strict=True):
        rotations = Rotation.from_matrix(ends.view(2, 3, 3).numpy())
        expected = Slerp([0, 1], rotations)(torch.linspace(0, 1, 9).numpy())
        torch.testing.assert_close(
            found.view(9, 3, 3), torch.from_numpy(expected.as_matrix()), atol=1e-7, rtol=0
        )
        # A rotation by an angle moves matrices by sqrt(2) times it: two columns turn on unit
        # circles, the axis stays.
        assert (
            abs(
                float(total) - math.sqrt(2) * float((rotations[0].inv() * rotations[1]).magnitude())
            )
            < 1e-12
        )
    bare = Pairs(pairs.first, pairs.second, pairs.names, pairs.groups)
    torch.testing.assert_close(data.true_path(bare, 9), path, atol=1e-12, rtol=0)
    beyond = data.true_continuation(pairs, 0.5, 5)
    again = Pairs(pairs.first, beyond[:, -1], pairs.names, pairs.groups)
    torch.testing.assert_close(
        data.true_length(again)[length < 2.5], 1.5 * length[length < 2.5], atol=1e-10, rtol=0
    )
    assert data.distance(beyond.flatten(0, 1)).max() < 1e-12


def test_distance_against_many_rotations() -> None:
    data = RotationGroup()
    points = torch.randn(30, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sample = data.sample(60_000, 0)
    brute = torch.cdist(points, sample).amin(1)
    found = data.distance(points)
    # 60,000 rotations lie 0.16 apart; the nearest rotation is beside a sample by that, second order
    # in the distance.
    assert ((found <= brute + 1e-12) & (found > brute - 0.03)).all()
    assert (torch.linalg.det(points.view(-1, 3, 3)) < 0).any()


def test_quadrature_has_the_uniform_moments() -> None:
    nodes, weights = RotationGroup().quadrature(0.8)
    assert abs(float(weights.sum()) - 1) < 1e-12
    # Of the uniform distribution: E R = 0, E R_ij R_kl = delta_ik delta_jl / 3 (Schur), E det = 1.
    assert (weights @ nodes).abs().max() < 1e-14
    torch.testing.assert_close(
        (weights * nodes.T) @ nodes, torch.eye(9, dtype=torch.float64) / 3, atol=1e-13, rtol=0
    )
    sample = RotationGroup().sample(40_000, 1)
    assert (sample.mean(0)).abs().max() < 5 / math.sqrt(
        3 * 40_000
    )  # five standard errors of numbers of variance 1 / 3


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("num_pairs", {"num_pairs": 0}),
        ("min_angle", {"min_angle": 0}),
        ("max_angle", {"max_angle": 3.2}),
        ("max_angle = 2.0 .* above dataset.min_angle = 2.5", {"min_angle": 2.5}),
    ],
)
def test_bad_settings(key: str, settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"dataset.{key}"):
        RotationGroup(**settings)  # type: ignore[arg-type]

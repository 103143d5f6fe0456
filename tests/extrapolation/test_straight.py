"""Straight on: against the lines' own formulas."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.extrapolation.straight import Straight
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.path.quadrature import Quadrature


def quarter_circle(points: int) -> torch.Tensor:
    turn = torch.linspace(0, torch.pi / 2, points, dtype=torch.float64)
    return torch.stack([turn.cos(), turn.sin()], -1)[None]


def test_tangent_and_chord_of_a_quarter_circle() -> None:
    path, reach = (
        quarter_circle(1001).repeat(2, 1, 1),
        torch.tensor([1.0, 0.5], dtype=torch.float64),
    )
    tangent, chord = (
        Straight(kind).extend(EuclideanMetric(), path, reach, 3, Quadrature())
        for kind in ("tangent", "chord")
    )
    # At (0, 1) the circle goes along (-1, 0), its length is pi / 2; the last chord is off by half a
    # step, 8e-4 of the length.
    exact = torch.tensor([[[0, 1], [-torch.pi / 4, 1], [-torch.pi / 2, 1]]], dtype=torch.float64)
    torch.testing.assert_close(tangent.path[:1], exact, atol=1.3e-3, rtol=0)
    torch.testing.assert_close(tangent.path[1, -1], tangent.path[0, 1], atol=1e-14, rtol=0)
    # LERP at u = 1, 1.5, 2 of (1, 0) and (0, 1).
    exact = torch.tensor([[0, 1], [-0.5, 1.5], [-1, 2]], dtype=torch.float64)
    torch.testing.assert_close(chord.path[0], exact, atol=1e-14, rtol=0)
    torch.testing.assert_close(chord.path[1, -1], exact[1], atol=1e-14, rtol=0)
    assert tangent.status == ("complete",) * 2 and tangent.reached.tolist() == [1, 1]
    assert tangent.score_evaluations.tolist() == [0, 0]


def test_images_keep_their_shape_and_type() -> None:
    path = torch.randn(2, 4, 1, 5, 5)
    found = Straight().extend(EuclideanMetric(), path, torch.ones(2), 6, Quadrature())
    assert found.path.shape == (2, 6, 1, 5, 5) and found.path.dtype == torch.float32
    assert torch.equal(found.path[:, 0], path[:, -1])


def test_a_bad_direction_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"extrapolation\.straight\.direction = 'up' .*'tangent', 'chord'"
    ):
        Straight("up")

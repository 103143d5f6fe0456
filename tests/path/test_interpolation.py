"""Straight and spherical paths against their geometry."""

import math
from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo.path.interpolation import linear, spherical


def test_linear_is_even_and_keeps_its_ends() -> None:
    ends = torch.randn(3, 2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    path = linear(ends, 5)
    assert path.shape == (3, 5, 1, 4, 4) and path.dtype == torch.float32
    assert torch.equal(path[:, 0], ends[:, 0]) and torch.equal(path[:, -1], ends[:, 1])
    steps = path.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), rtol=0, atol=1e-6)


def test_spherical_turns_at_constant_speed_on_the_sphere() -> None:
    a, b = torch.tensor([1.0, 0, 0]), torch.tensor([math.cos(2.0), math.sin(2.0), 0])
    path = spherical(torch.stack([a, b])[None].double(), 9)[0]
    torch.testing.assert_close(path.norm(dim=1), torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(
        torch.atan2(path[:, 1], path[:, 0]),
        torch.linspace(0, 2, 9, dtype=torch.float64),
        rtol=0,
        atol=1e-7,
    )


def test_spherical_keeps_norms_as_they_are() -> None:
    a, b = torch.tensor([2.0, 0]), torch.tensor([0, 6.0])
    middle = spherical(torch.stack([a, b])[None], 3)[0, 1]
    torch.testing.assert_close(middle, (a + b) * math.sqrt(0.5))  # sin(pi/4) / sin(pi/2) of each


@pytest.mark.parametrize("factor", [1.0, 1.5, -2.0, 0.0])
def test_spherical_is_straight_where_the_angle_says_nothing(factor: float) -> None:
    a = torch.tensor([1.0, 2.0, 3.0])
    ends = torch.stack([a, factor * a])[None]
    torch.testing.assert_close(spherical(ends, 7), linear(ends, 7))


@pytest.mark.parametrize("between", [linear, spherical])
@pytest.mark.parametrize(
    "ends", [[[[1.0], [2.0]]], torch.ones(1, 2, 3).long(), torch.ones(1, 3, 2), torch.ones(2)]
)
def test_ends_of_another_kind_are_refused(between: Any, ends: Any) -> None:
    """Between integers a path would be rounded to integers."""
    with pytest.raises(DataError, match="ends (are of|is a) .*|ends have shape"):
        between(ends, 5)


@pytest.mark.parametrize("between", [linear, spherical])
@pytest.mark.parametrize("points", [1, 0, -1, 2.5, "9", True])
def test_a_number_of_points_that_is_none_is_refused(between: Any, points: Any) -> None:
    with pytest.raises(ConfigError, match=f"num_points = {points!r} .*at least 2"):
        between(torch.zeros(1, 2, 3), points)

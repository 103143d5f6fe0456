"""Splines against circles, and against their own finite differences."""

import pytest
import torch

from scoregeo.baseline.spline import cubic, cubic_matrix, round_spline, round_velocity


def circle(u: torch.Tensor, angle: float) -> torch.Tensor:
    """A great circle of radius 2, uneven in no way, [1, points, 3]."""
    return (
        2
        * torch.stack([(angle * u).cos(), 0.6 * (angle * u).sin(), 0.8 * (angle * u).sin()], 1)[
            None
        ]
    )


def test_great_circles_are_met_at_every_speed() -> None:
    """At angles between nodes from 1e-9 to 1.2 rad, the spline and its velocity
    are the circle's.
    """
    fine, coarse = (
        torch.linspace(0, 1, 33, dtype=torch.float64),
        torch.linspace(0, 1, 5, dtype=torch.float64),
    )
    for angle in (4e-9, 1e-3, 1.0, 4.8):
        found = round_spline(circle(coarse, angle), fine)
        torch.testing.assert_close(found, circle(fine, angle), atol=1e-14, rtol=0)
        assert (found[:, ::8] - circle(coarse, angle)).abs().max() < 1e-15
        quarter = torch.pi / 2 / angle  # a quarter turn on lies the velocity's direction
        exact = angle * circle(coarse[1:-1] + quarter, angle)
        # Neighbours differ by the angle, and their rounding is 1e-16 of 2.
        torch.testing.assert_close(
            round_velocity(circle(coarse, angle)), exact, atol=1e-14, rtol=1e-14 / min(angle, 1)
        )


def test_a_bent_path_keeps_its_norm_and_its_speed_is_that_of_differences() -> None:
    draws = torch.Generator().manual_seed(0)
    nodes = torch.nn.functional.normalize(
        torch.randn(2, 5, 4, generator=draws, dtype=torch.float64), dim=2
    )
    u = torch.linspace(0, 1, 4001, dtype=torch.float64)
    fine = round_spline(nodes, u)
    torch.testing.assert_close(fine.norm(dim=2), torch.ones(2, 4001).double(), atol=1e-14, rtol=0)
    lengths = fine.diff(dim=1).norm(dim=2)
    assert lengths.sort(dim=1).values[:, 4] == pytest.approx(
        lengths.max(1).values, rel=1e-6
    )  # equal but over the three corners
    for k in (1, 2, 3):
        step = 1e-6
        # One great circle takes a quarter of [0, 1]; differences are first order in a step to one
        # side.
        before = (
            nodes[:, k]
            - round_spline(nodes[:, k - 1 : k + 1], torch.tensor([1 - step], dtype=torch.float64))[
                :, 0
            ]
        ) / (step / 4)
        after = (
            round_spline(nodes[:, k : k + 2], torch.tensor([step], dtype=torch.float64))[:, 0]
            - nodes[:, k]
        ) / (step / 4)
        torch.testing.assert_close(
            round_velocity(nodes)[:, k - 1], (before + after) / 2, atol=1e-4, rtol=0
        )


def test_the_cubic_spline_is_natural_and_smooth() -> None:
    nodes = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = torch.linspace(0, 1, 6, dtype=torch.float64)
    torch.testing.assert_close(cubic(nodes, u), nodes, atol=1e-14, rtol=0)
    second = cubic_matrix(6, u, 2) @ nodes[0]
    assert (
        second[[0, -1]].abs().max() < 1e-11
    )  # natural ends; second derivatives are of size 25 of rounded values
    step = 1e-4
    for order in (1, 2):
        rise = cubic_matrix(6, u[1:-1] + step, order - 1) - cubic_matrix(
            6, u[1:-1] - step, order - 1
        )
        # The second derivative has corners at the nodes, so the differences are of first order
        # there.
        torch.testing.assert_close(
            cubic_matrix(6, u[1:-1], order), rise / (2 * step), atol=0.2, rtol=1e-3
        )

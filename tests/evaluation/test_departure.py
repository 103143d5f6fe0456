"""Departure from the chord, against arcs whose departure is known, and its invariances."""

import math

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.departure import chord_feet, departure


def half_circle(points: int, dimension: int = 3) -> torch.Tensor:
    """From (1, 0, ...) to (-1, 0, ...) through (0, 1, ...)."""
    u = torch.linspace(0, math.pi, points, dtype=torch.float64)
    path = torch.zeros(1, points, dimension, dtype=torch.float64)
    path[0, :, 0], path[0, :, 1] = u.cos(), u.sin()
    return path


def test_a_half_circle_departs_by_its_radius_in_its_plane() -> None:
    path = half_circle(33)
    feet = chord_feet(path)
    assert torch.allclose(feet[0, :, 0], path[0, 1:-1, 0]) and bool(
        (feet[0, :, 1:].abs() < 1e-12).all()
    )
    up = torch.tensor([5.0, 2.0, 0.0], dtype=torch.float64).expand(
        1, 31, 3
    )  # its part along the chord does not count
    found = departure(path, up, path)
    assert float(found.greatest) == pytest.approx(0.5)
    assert float(found.along_score) == pytest.approx(1) and found.along_truth is not None
    assert float(found.along_truth) == pytest.approx(1)
    aslant = torch.tensor([0.0, math.cos(0.7), math.sin(0.7)], dtype=torch.float64).expand(1, 31, 3)
    assert float(departure(path, aslant).along_score) == pytest.approx(math.cos(0.7) ** 2)


def test_truth_may_be_scaled_moved_and_turned_away() -> None:
    path = half_circle(17)
    scores = torch.ones(1, 15, 3, dtype=torch.float64)
    moved = departure(path, scores, 0.3 * path + 4).along_truth
    assert moved is not None and float(moved) == pytest.approx(1)
    other = path[..., [0, 2, 1]]  # the half circle in the other plane
    beside = departure(path, scores, other).along_truth
    assert beside is not None and float(beside) == pytest.approx(0, abs=1e-12)


def test_neither_scale_nor_rotation_nor_shift_matters() -> None:
    source = torch.Generator().manual_seed(0)
    path = torch.randn(2, 9, 4, 5, generator=source, dtype=torch.float64)
    scores, truth = (torch.randn(2, n, 4, 5, generator=source, dtype=torch.float64) for n in (7, 9))
    turn, _ = torch.linalg.qr(torch.randn(20, 20, generator=source, dtype=torch.float64))

    def turned(x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(2) @ turn).reshape(x.shape)

    one, two = (
        departure(path, scores, truth),
        departure(3 * turned(path) + 1, 7 * turned(scores), turned(truth)),
    )
    for name in ("greatest", "along_score", "along_truth"):
        assert torch.allclose(getattr(one, name), getattr(two, name), atol=1e-12)


def test_unrelated_directions_have_a_share_of_one_in_the_dimensions_left() -> None:
    source = torch.Generator().manual_seed(1)
    path, scores = (torch.randn(2000, n, 30, generator=source, dtype=torch.float64) for n in (5, 3))
    share = departure(path, scores).along_score.mean()
    assert float(share) == pytest.approx(
        1 / 29, rel=0.05
    )  # 6,000 draws of a share whose deviation is about its mean


def test_a_straight_line_has_no_direction() -> None:
    u = torch.linspace(0, 1, 6, dtype=torch.float64)[None, :, None]
    found = departure(
        u * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), torch.ones(1, 4, 3), None
    )
    assert float(found.greatest) == pytest.approx(0, abs=1e-12) and bool(found.along_score.isnan())


def test_refuses_what_has_no_chord() -> None:
    with pytest.raises(DataError, match="ends are equal"):
        chord_feet(torch.zeros(1, 4, 2))
    with pytest.raises(DataError, match="3 or more points"):
        chord_feet(torch.zeros(1, 2, 2))
    with pytest.raises(DataError, match="scores at their inner points"):
        departure(half_circle(5), torch.zeros(1, 5, 3))
    with pytest.raises(DataError, match="truths of the same shape"):
        departure(half_circle(5), torch.zeros(1, 3, 3), half_circle(6))

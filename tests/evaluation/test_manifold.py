"""Distances to a known truth, in closed form on a circle and a line."""

import math

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.manifold import (
    arrival,
    distance_to_manifold,
    distance_to_path,
    relative_length_error,
)


def arc(angle: float, points: int, radius: float = 1.0) -> torch.Tensor:
    u = torch.linspace(0, angle, points, dtype=torch.float64)
    return radius * torch.stack([u.cos(), u.sin()], 1)[None]


def test_length_error_of_the_chord() -> None:
    chord = arc(math.pi / 2, 2)
    error = relative_length_error(chord, torch.tensor([math.pi / 2], dtype=torch.float64))
    assert float(error) == pytest.approx(math.sqrt(2) / (math.pi / 2) - 1, abs=1e-12)


def test_concentric_arcs_are_their_radii_apart() -> None:
    distance = distance_to_path(arc(1.0, 33, radius=1.1), arc(1.0, 65))
    # Arc length runs alike on both; what is left is the polygons' sagitta, (1 / 32)^2 / 8 = 1.2e-4.
    assert float(distance.greatest) == pytest.approx(0.1, abs=2e-4)
    assert float(distance.mean) == pytest.approx(0.1, abs=2e-4)


def test_arrival_tells_being_behind_from_being_away() -> None:
    paths = torch.cat([arc(0.6, 9), arc(1.0, 9, radius=1.2), arc(2.0, 9)])
    # Two hundred parts of 0.005 each hold the angles 0.6 and 1; beyond the end the nearest point is
    # the end.
    found = arrival(paths, arc(1.0, 201).repeat(3, 1, 1))
    torch.testing.assert_close(
        found.share, torch.tensor([0.6, 1.0, 1.0], dtype=torch.float64), atol=1e-12, rtol=0
    )
    exact = torch.tensor([0.0, 0.2, 2 * math.sin(0.5)], dtype=torch.float64)
    torch.testing.assert_close(found.off, exact, atol=1e-12, rtol=0)
    with pytest.raises(DataError, match="differ in more"):
        arrival(paths, arc(1.0, 9))


def test_spacing_does_not_matter() -> None:
    u = torch.linspace(0, 1, 2001, dtype=torch.float64) ** 3
    crowded = torch.stack([u.cos(), u.sin()], 1)[None]
    # Chords of at most 3 / 2000: sagitta below 3e-7, and the resampling of one polygon against the
    # other as much again.
    assert float(distance_to_path(crowded, arc(1.0, 2001)).greatest) < 1e-5


def test_chord_against_arc() -> None:
    # Chord and arc at equal fractions: symmetric, and farthest in the middle by the sagitta 1 -
    # cos(angle / 2).
    distance = distance_to_path(arc(2.0, 2), arc(2.0, 1001))
    assert float(distance.greatest) == pytest.approx(1 - math.cos(1.0), abs=1e-6)
    assert 0 < float(distance.mean) < float(distance.greatest)


def test_distance_to_the_unit_circle() -> None:
    path = torch.tensor([[[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)
    distance = distance_to_manifold(path, lambda points: (points.norm(dim=1) - 1).abs())
    corner = math.sqrt(2) - 1
    assert float(distance.greatest) == pytest.approx(corner, abs=1e-12)
    assert float(distance.mean) == pytest.approx(corner / 2, abs=1e-12)


def test_distance_is_weighed_by_arc_length() -> None:
    # Distances 1, 1, 0 at arc lengths 0, 3, 4: the trapezoid rule gives (3 + 0.5) / 4.
    path = torch.tensor([[[0.0], [3.0], [4.0]]])
    distance = distance_to_manifold(path, lambda points: (points[:, 0] < 3.5).double())
    assert float(distance.mean) == pytest.approx(3.5 / 4)


def test_a_path_that_rests() -> None:
    distance = distance_to_manifold(torch.full((1, 3, 2), 2.0), lambda points: points[:, 0])
    assert float(distance.mean) == 2.0


def test_bad_input() -> None:
    with pytest.raises(DataError, match="true lengths"):
        relative_length_error(arc(1.0, 3), torch.ones(2))
    with pytest.raises(DataError, match="above 0"):
        relative_length_error(arc(1.0, 3), torch.zeros(1))
    with pytest.raises(DataError, match="truth"):
        distance_to_path(arc(1.0, 3), torch.zeros(1, 3, 5))
    with pytest.raises(DataError, match="3 points"):
        distance_to_manifold(arc(1.0, 3), lambda points: points)

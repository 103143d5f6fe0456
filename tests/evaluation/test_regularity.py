"""Straightness, constancy of speed and ends, against arcs and lines."""

import math

import pytest
import torch

from scoregeo._utils.errors import DataError
from scoregeo.evaluation.regularity import end_error, speed_variation, straightness


def arc(angle: float, points: int) -> torch.Tensor:
    u = torch.linspace(0, angle, points, dtype=torch.float64)
    return torch.stack([u.cos(), u.sin()], 1)[None]


def test_straightness_of_an_arc() -> None:
    # Chord 2 sin(a / 2) over the length a, n chords of 2 sin(a / 2n) for the polygon.
    a, n = 2.0, 50
    assert float(straightness(arc(a, n + 1))) == pytest.approx(
        math.sin(a / 2) / (n * math.sin(a / 2 / n)), rel=1e-12
    )
    assert float(straightness(arc(a, 4001))) == pytest.approx(2 * math.sin(a / 2) / a, rel=1e-6)
    assert float(straightness(arc(2 * math.pi, 65))) == pytest.approx(0, abs=1e-12)


def test_straight_lines_whatever_their_speed() -> None:
    u = torch.tensor([0.0, 0.1, 0.5, 1.0])[None, :, None, None]
    line = u * torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(
        straightness(line), torch.ones(3, dtype=torch.float64), atol=1e-6
    )  # float32 points
    assert bool((straightness(line) <= 1).all())


def test_speed_variation_by_hand() -> None:
    # Segments 1, 1, 4: mean 2, deviation sqrt(2).
    path = torch.tensor([0.0, 1.0, 2.0, 6.0])[None, :, None]
    assert float(speed_variation(path)) == pytest.approx(math.sqrt(2) / 2)
    assert float(speed_variation(arc(1.0, 20))) == pytest.approx(0, abs=1e-12)
    leap = torch.tensor([0.0, 0.0, 0.0, 0.0, 5.0])[None, :, None]
    assert float(speed_variation(leap)) == pytest.approx(
        math.sqrt(3)
    )  # the most that four segments can have
    # Neither depends on the scale or on a rotation.
    path = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turn, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    )
    for measure in (straightness, speed_variation):
        assert torch.allclose(measure(path), measure(7 * path @ turn), atol=1e-12)


def test_a_path_of_no_length_has_neither() -> None:
    still = torch.zeros(1, 4, 2)
    assert bool(straightness(still).isnan()) and bool(speed_variation(still).isnan())


def test_the_worse_end_counts() -> None:
    path = torch.zeros(2, 4, 1, 2, 2)
    ends = torch.zeros(2, 2, 1, 2, 2)
    ends[0, 0] += 1.0  # four pixels off by 1
    ends[0, 1] += 2.0
    assert end_error(path, ends).tolist() == [4.0, 0.0]
    with pytest.raises(DataError, match="ends of shape"):
        end_error(path, ends[:1])

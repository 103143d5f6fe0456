"""Prompt embeddings as functions of the point."""

import pytest
import torch

from scoregeo._utils.errors import DataError, ScoreError
from scoregeo._utils.seed import generator
from scoregeo.score.condition import AlongChord, Fixed, PerPoint

FIRST, SECOND = torch.randn(2, 3, 4, generator=generator(0, "prompts"), dtype=torch.float64)
A, B = torch.randn(2, 2, 5, 5, generator=generator(0, "ends"), dtype=torch.float64)
CHORD = AlongChord(FIRST, SECOND, A, B)


def test_along_the_chord() -> None:
    u = torch.tensor([-0.5, 0.0, 0.25, 0.5, 1.0, 1.5], dtype=torch.float64)
    sideways = torch.randn(2, 5, 5, generator=generator(0, "side"), dtype=torch.float64)
    sideways -= (sideways * (B - A)).sum() / (B - A).square().sum() * (B - A)
    x = A + u[:, None, None, None] * (B - A) + sideways  # moving across the chord changes nothing
    torch.testing.assert_close(CHORD.parameter(x), u.clamp(0, 1), rtol=1e-12, atol=1e-12)
    found = CHORD.at(x)
    for got, expected in zip(
        found,
        (FIRST, FIRST, 0.75 * FIRST + 0.25 * SECOND, (FIRST + SECOND) / 2, SECOND, SECOND),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(CHORD.fixed(u.clamp(0, 1)).at(x), found, rtol=1e-12, atol=1e-12)


def test_the_ends_have_their_own_prompts_exactly() -> None:
    assert torch.equal(CHORD.at(A[None])[0], FIRST)
    torch.testing.assert_close(
        CHORD.at(B[None])[0], SECOND, rtol=1e-15, atol=1e-15
    )  # u(b) is a quotient, to one rounding 1


def test_the_derivative_goes_through_the_parameter_and_its_clamp() -> None:
    x = torch.stack([A + u * (B - A) for u in (-0.3, 0.4, 1.3)])
    v = torch.randn(3, 2, 5, 5, generator=generator(0, "v"), dtype=torch.float64)
    _, slope = torch.func.jvp(CHORD.at, (x,), (v,))
    expected = (CHORD.at(x + 1e-6 * v) - CHORD.at(x - 1e-6 * v)) / 2e-6
    torch.testing.assert_close(slope, expected, rtol=1e-7, atol=1e-9)
    assert torch.equal(slope[0], torch.zeros(3, 4, dtype=torch.float64)) and torch.equal(
        slope[2], slope[0]
    )


def test_fixed_and_per_point() -> None:
    x = torch.zeros(3, 2, 5, 5)
    assert torch.equal(Fixed(FIRST).at(x), torch.stack([FIRST] * 3))
    points = PerPoint(torch.stack([FIRST, SECOND, FIRST]))
    assert torch.equal(points.at(x)[1], SECOND)
    with pytest.raises(ScoreError, match="2 points for 3 embeddings"):
        points.at(x[:2])


def test_bad_input() -> None:
    with pytest.raises(DataError, match="coincide"):
        AlongChord(FIRST, SECOND, A, A)
    with pytest.raises(DataError, match=r"\(2, 5, 5\) and \(2, 5\)"):
        AlongChord(FIRST, SECOND, A, B[:, 0])
    with pytest.raises(DataError, match=r"\(3, 4\), \(2, 4\)"):
        AlongChord(FIRST, SECOND[:2], A, B)
    with pytest.raises(DataError, match="2 dimensions"):
        Fixed(FIRST[None])
    with pytest.raises(DataError, match="3 dimensions"):
        PerPoint(FIRST)
    with pytest.raises(ScoreError, match="chord's ends"):
        CHORD.at(torch.zeros(2, 3))
    for u in (
        torch.tensor([0.5, 1.1]),
        torch.tensor([-0.1]),
        torch.tensor([float("nan")]),
        torch.tensor(0.5),
    ):
        with pytest.raises(ScoreError, match="from 0 to 1"):
            CHORD.fixed(u)

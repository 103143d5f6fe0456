"""Curves: means over pairs against evaluations a point, and how far a step went."""

import math

import pytest
import torch

from scoregeo.solver.base import Step
from scoregeo.tracker.curve import StepLengths, curve


def step(iteration: int, path: torch.Tensor | None) -> Step:
    count = 2 if path is None else len(path)
    return Step(iteration, torch.ones(count), torch.full((count,), 8), path)


def test_rows_are_means_and_leave_out_what_is_not_finite() -> None:
    history = {
        "iteration": [0, 1, 2],
        "energy": [
            [1.0, 3.0],
            [1.0, None],
            [0.5, math.inf],
        ],  # a record read back from JSON has null for NaN
        "score_evaluations": [[0, 0], [10, 20], [20, 40]],
        "points": 5,
    }
    rows = curve("stein_adam", history, {2: 0.25})
    assert [row["evaluations_per_point"] for row in rows] == [0.0, 3.0, 6.0]
    assert rows[0] == {
        "evaluations_per_point": 0.0,
        "curve/stein_adam/iteration": 0.0,
        "curve/stein_adam/energy": 2.0,
        "curve/stein_adam/greatest_energy": 3.0,
    }
    assert "curve/stein_adam/energy" not in rows[1] and "curve/stein_adam/energy" not in rows[2]
    assert rows[2]["curve/stein_adam/step_length"] == 0.25
    assert curve("lerp", {}, {}) == []


def test_a_step_s_length_is_how_far_points_moved() -> None:
    lengths = StepLengths()
    path = torch.zeros(2, 4, 3)
    lengths.hear("a", step(1, path))
    moved = path.clone()
    moved[0, :, 0] = 3.0  # every point of one pair by 3, the other's not at all
    lengths.hear("a", step(2, moved))
    assert lengths.of("a", pairs=2) == {2: pytest.approx(1.5)}
    assert lengths.of("a", pairs=3) == {} and lengths.of("b", pairs=2) == {}


def test_no_length_between_grids_methods_or_without_paths() -> None:
    lengths = StepLengths()
    for iteration, path in enumerate(
        [torch.zeros(1, 4, 3), torch.zeros(1, 8, 3), None, torch.zeros(1, 8, 3)]
    ):
        lengths.hear("a", step(iteration, path))
    assert lengths.of("a", pairs=1) == {}
    lengths.hear("b", step(4, torch.ones(1, 8, 3)))
    assert lengths.of("b", pairs=1) == {} and lengths.of("a", pairs=1) == {}

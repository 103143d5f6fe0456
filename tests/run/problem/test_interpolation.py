"""Interpolation as a run: what is decoded, and how often."""

import pytest
import torch

from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem import interpolation
from scoregeo.run.problem.interpolation import InterpolationProblem
from tests.commands import PLAIN

STEPS, POINTS, PAIRS = 20, 6, 3


def problem() -> InterpolationProblem:
    sizes = (
        f"dataset.num_pairs={PAIRS}",
        f"solver.num_points={POINTS}",
        f"inversion.steps={STEPS}",
    )
    config, _ = compose(["experiment=sphere", "~rivals.adam", "inversion=ddim", *sizes, *PLAIN])
    return InterpolationProblem(build(config))


def test_the_ends_of_noisy_paths_are_decoded_once() -> None:
    made = problem()
    field, inversion = made.experiment.field, made.experiment.inversion
    path = made.methods()["start_lerp"](None).path
    assert path.shape == (PAIRS, POINTS, 3)
    other = path + 0.01 * torch.sin(torch.linspace(0, torch.pi, POINTS, dtype=path.dtype))[
        :, None
    ].round(decimals=12)
    spent = []
    for each in (path, other):
        before = made.experiment.evaluations()
        found = made.decode(each)
        spent.append(made.experiment.evaluations() - before)
        # A score's rows do not see each other: the same numbers, whatever is decoded with them.
        assert torch.allclose(
            found,
            inversion.decode(each.flatten(0, 1), field).reshape(each.shape),
            rtol=0,
            atol=1e-12,
        )
    assert spent == [PAIRS * POINTS * STEPS, PAIRS * (POINTS - 2) * STEPS]


def test_a_path_between_other_points_is_decoded_whole() -> None:
    made = problem()
    path = made.lifted + 0.1  # as those of an extrapolation, of two points or of more
    for each in (path, torch.cat([path, path], 1)):
        field = made.experiment.field
        expected = made.experiment.inversion.decode(each.flatten(0, 1), field).reshape(each.shape)
        assert torch.allclose(made.decode(each), expected, rtol=0, atol=1e-12)


def test_a_single_start_is_solved_by_the_solver_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        interpolation, "solve_multistart", lambda *arguments: pytest.fail("multi-start")
    )
    made = problem()
    solver = made.experiment.solvers["gauss_newton"]
    start = made.methods()["start_lerp"](None)
    outcome = made.methods()["stein_gauss_newton"](None)
    alone = solver.solve(made.experiment.metric, start.path)
    assert torch.equal(outcome.path, alone.path) and outcome.status == alone.status
    assert torch.equal(outcome.score_evaluations, alone.score_evaluations)
    assert outcome.start == start.start == ("lerp",) * PAIRS

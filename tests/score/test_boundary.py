"""A score that gives something else than it says is refused with one clear error."""

from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.field import ScoreField
from scoregeo.score.function import FunctionScore
from scoregeo.solver.gauss_newton import GaussNewton


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, _: [-x], r"the score at sigma 0\.1 is a list"),
        (lambda x, _: None, r"the score at sigma 0\.1 is a NoneType"),
        (lambda x, _: -x.float(), r"torch\.float32 for points of torch\.float64"),
        (lambda x, _: -x[:, :1], r"has shape \(33, 1\) for points \(33, 2\)"),
    ],
)
def test_a_bad_score_is_refused_at_the_solver_boundary(function: Any, message: str) -> None:
    field = ScoreField(FunctionScore(function, (2,)), 0.1)
    ends = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    with pytest.raises(ScoreError, match=message):
        GaussNewton(33, refinement="none").solve(SteinMetric(field, 10.0), linear(ends, 33))


def test_a_backward_pass_through_a_score_without_a_gradient_is_refused() -> None:
    field = ScoreField(FunctionScore(lambda x, _: -x.detach(), (2,)), 0.1)
    with pytest.raises(ScoreError, match="differentiable by torch"):
        field.vjp(torch.ones(1, 2), torch.ones(1, 2))
    ends = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    solver = GaussNewton(9, refinement="none", differentiate_score=True)
    with pytest.raises(ScoreError, match="differentiable by torch"):
        solver.solve(SteinMetric(field, 10.0), linear(ends, 9))

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
from tests.devices import fake_device


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, _: [-x], r"the score at sigma 0\.1 is a list"),
        (lambda x, _: None, r"the score at sigma 0\.1 is a NoneType"),
        (lambda x, _: -x.long(), r"the score at sigma 0\.1 is torch\.int64"),
        (lambda x, _: -x + 0j, r"the score at sigma 0\.1 is torch\.complex128"),
        (lambda x, _: -x[:, :1], r"has shape \(33, 1\) for points \(33, 2\)"),
    ],
)
def test_a_bad_score_is_refused_at_the_solver_boundary(function: Any, message: str) -> None:
    field = ScoreField(FunctionScore(function, (2,)), 0.1)
    ends = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    with pytest.raises(ScoreError, match=message):
        GaussNewton(33, refinement="none").solve(SteinMetric(field, 10.0), linear(ends, 33))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_score_of_another_precision_is_converted(dtype: torch.dtype) -> None:
    """As a network's is, for points of float64."""
    ends = torch.tensor([[[1.0, 0.5], [0.25, 1.0]]], dtype=torch.float64)
    own, low = (
        ScoreField(FunctionScore(function, (2,)), 0.1)
        for function in (lambda x, _: -x, lambda x, _: -x.to(dtype))
    )
    x, v = ends[0], torch.ones(2, 2, dtype=torch.float64)
    tolerance = torch.finfo(dtype).eps
    for name in ("jvp", "vjp"):
        found, right = (getattr(field, name)(x, v) for field in (low, own))
        for one, other in zip(found, right, strict=True):
            assert one.dtype == torch.float64
            torch.testing.assert_close(one, other, rtol=tolerance, atol=0)
    solver = GaussNewton(9, refinement="none")
    paths = [solver.solve(SteinMetric(field, 1.0), linear(ends, 9)).path for field in (low, own)]
    assert paths[0].dtype == torch.float64
    torch.testing.assert_close(*paths, rtol=0, atol=50 * tolerance)


def test_a_score_on_another_device_is_converted() -> None:
    """One that computes on the processor, whatever its points are on."""
    score = FunctionScore(lambda x, sigma: -x.cpu().float() / sigma, (2,))
    with fake_device() as device:
        value = score.score(torch.ones(1, 2, dtype=torch.float64).to(device.device), 0.5)
        assert (value.device, value.dtype) == (device.device, torch.float64)
        assert value.tolist() == [[-2.0, -2.0]]


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex128])
def test_points_that_are_no_real_numbers_are_refused(dtype: torch.dtype) -> None:
    field = ScoreField(FunctionScore(lambda x, _: -x, (2,)), 0.1)
    with pytest.raises(ScoreError, match=f"points are of {dtype}"):
        field(torch.ones(1, 2, dtype=dtype))


def test_no_points_have_no_scores() -> None:
    field = ScoreField(FunctionScore(lambda x, _: -x, (2,)), 0.1)
    nothing = torch.zeros(0, 2, dtype=torch.float64)
    assert field(nothing).shape == (0, 2)
    assert [one.shape for one in field.jvp(nothing, nothing)] == [(0, 2), (0, 2)]


def test_a_backward_pass_through_a_score_without_a_gradient_is_refused() -> None:
    field = ScoreField(FunctionScore(lambda x, _: -x.detach(), (2,)), 0.1)
    with pytest.raises(ScoreError, match="differentiable by torch"):
        field.vjp(torch.ones(1, 2), torch.ones(1, 2))
    ends = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    solver = GaussNewton(9, refinement="none", differentiate_score=True)
    with pytest.raises(ScoreError, match="differentiable by torch"):
        solver.solve(SteinMetric(field, 10.0), linear(ends, 9))

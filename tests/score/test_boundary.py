"""A score that gives something else than it says is refused with one clear error."""

from typing import Any

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError, ScoreError
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore
from scoregeo.score.field import ScoreField
from scoregeo.score.function import FunctionScore
from scoregeo.score.sphere import SphereScore
from scoregeo.solver.adam import Adam
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


def _detached(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return -x.detach()


@torch.no_grad()
def _without_gradient(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return -x


@torch.inference_mode()
def _inferred(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return -x


@pytest.mark.parametrize("function", [_detached, _without_gradient, _inferred])
def test_no_derivative_of_a_score_without_a_gradient_is_taken_for_zero(function: Any) -> None:
    field = ScoreField(FunctionScore(function, (2,)), 0.1)
    x, v = torch.ones(3, 2).double(), torch.ones(3, 2).double()
    pullback = PullbackMetric(field)
    path = torch.linspace(0, 1, 5).double()[None, :, None].expand(1, 5, 2).clone()
    derivatives: list[Any] = [
        lambda: field.vjp(x, v),
        lambda: SteinMetric(field, 10.0).christoffel(x, v, v),
        lambda: pullback.gradient(path, Quadrature("trapezoid", 2)),
        lambda: Adam(5, differentiate_score=True).solve(SteinMetric(field, 10.0), path),
    ]
    if function is _without_gradient:  # forward-mode derivatives do reach through it
        torch.testing.assert_close(field.jvp(x, v)[1], -v)
    else:
        derivatives += [lambda: field.jvp(x, v), lambda: pullback.inner(x, v, v)]
    for derivative in derivatives:
        with pytest.raises(ScoreError, match="differentiable by torch"):
            derivative()


def test_expanded_points_have_derivatives() -> None:
    x, v = torch.ones(1, 2).double().expand(4, 2), torch.eye(2).double()[:1].expand(4, 2)
    metric = PullbackMetric(ScoreField(SphereScore(1, 2), 0.5))
    assert torch.equal(metric.inner(x, v, v), metric.inner(x.clone(), v.clone(), v.clone()))


def test_a_jacobian_that_is_zero_is_one() -> None:
    constant = FunctionScore(lambda x, _: 0 * x + 3, (2,))
    x = torch.ones(3, 2).double()
    assert not constant.jvp(x, x, 0.1)[1].any()
    one_way = FunctionScore(lambda x, _: -x * x.new_tensor([1.0, 0.0]), (2,))
    assert not one_way.jvp(x, x * x.new_tensor([0.0, 1.0]), 0.1)[1].any()


@pytest.mark.parametrize("wrong", [lambda x, _: x.to("meta"), lambda x, _: x.to_sparse()])
def test_a_score_without_dense_values_is_refused(wrong: Any) -> None:
    with pytest.raises(ScoreError, match="it must be dense, and have values"):
        ScoreField(FunctionScore(wrong, (2,)), 0.1)(torch.ones(1, 2))


class InPlace(AbstractScore):
    """One that writes into its points."""

    shape = (2,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x.view(-1).mul_(2).view_as(x)


@pytest.mark.parametrize("score", [InPlace(), FunctionScore(lambda x, _: x.mul_(2), (2,))])
def test_a_score_that_changes_its_points_is_refused(score: AbstractScore) -> None:
    """Else a solver's path changes under it, and is called converged."""
    field = ScoreField(score, 0.1)
    x, words = torch.ones(1, 2, dtype=torch.float64), "at sigma 0.1 changes its points in place"
    for call in (field, lambda x: field.jvp(x, x), lambda x: field.vjp(x, x)):
        with pytest.raises(ScoreError, match=words):
            call(x.clone())
    ends = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    with pytest.raises(ScoreError, match=words):
        GaussNewton(9).solve(SteinMetric(field, 10.0), linear(ends, 9))


def test_a_score_s_own_error_is_passed_on() -> None:
    def broken(x: torch.Tensor, sigma: float) -> torch.Tensor:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        FunctionScore(broken, (2,)).score(torch.ones(1, 2), 0.1)
    with torch.inference_mode():  # whose tensors have no count of writes
        assert FunctionScore(lambda x, _: -x, (2,)).score(torch.ones(1, 2), 0.1).sum() == -2


@pytest.mark.parametrize("sigma", [0.0, -1, float("nan"), "x", None, [0.1, 0.2]])
def test_a_noise_level_that_is_none_is_refused(sigma: Any) -> None:
    with pytest.raises(ConfigError, match="^sigma = "):
        SphereScore(2, 3).score(torch.eye(3), sigma)


def test_points_that_are_no_tensor_are_refused() -> None:
    field = ScoreField(SphereScore(2, 3), 0.1)
    wrong: tuple[Any, ...] = ([1, 0, 0], None, torch.eye(3).numpy())
    for points in wrong:
        with pytest.raises(DataError, match=r"x is a \w+: it must be a torch.Tensor"):
            field(points)
    with pytest.raises(DataError, match="v is a NoneType"):
        field.jvp(torch.eye(3), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"function": 5}, r"function = 5 .*\(x, sigma\) -> s"),
        ({"function": lambda x: -x}, r"function = .*\(x, sigma\) -> s .*too many"),
        ({"function": SphereScore}, "function = .*SphereScore"),
        *(({"shape": one}, "^shape = ") for one in (3, (3.0,), ("x",), (-1,), "3", None, (True,))),
        *(
            ({"sigma_range": one}, "^sigma_range = ")
            for one in (5, (0, 1, 2), (0, "x"), (0, float("nan")))
        ),
    ],
)
def test_a_function_score_names_what_it_cannot_take(wrong: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"function": lambda x, sigma: -x, "shape": (3,)}
    with pytest.raises(ConfigError, match=words):
        FunctionScore(**given | wrong)


def test_a_function_score_takes_any_callable() -> None:
    for function in (torch.mul, torch.nn.Bilinear(3, 1, 3), lambda *both: -both[0]):
        assert FunctionScore(function, [3], [0, 1]).shape == (3,)  # type: ignore[arg-type]


def test_a_field_names_what_is_no_score() -> None:
    class Misshapen(InPlace):
        shape = 3  # type: ignore[assignment]

    wrong: tuple[Any, ...] = (None, SphereScore, lambda x, sigma: -x)
    for score in wrong:
        with pytest.raises(ConfigError, match="score = .* must be a score"):
            ScoreField(score, 0.1)
    with pytest.raises(ConfigError, match=r"score\.shape = 3 "):
        ScoreField(Misshapen(), 0.1)


def test_a_score_that_does_not_depend_on_its_points_has_no_jacobian() -> None:
    shift = torch.ones(3, dtype=torch.float64, requires_grad=True)
    score = FunctionScore(lambda x, sigma: shift.expand(len(x), 3), (3,))
    value, product = score.vjp(torch.zeros(2, 3).double(), torch.ones(2, 3).double(), 0.1)
    assert torch.equal(value, torch.ones(2, 3).double()) and not product.any()

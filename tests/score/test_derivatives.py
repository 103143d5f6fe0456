"""Jacobian products of scores against finite differences and against each other, and what they are
counted as.
"""

from collections.abc import Callable

import pytest
import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore
from scoregeo.score.torus import TorusScore
from tests.fields import mixture

SIGMA, STEP = 0.4, 1e-5


def sample(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


EXACT: dict[str, Callable[[], AbstractScore]] = {
    "mixture": mixture,
    "sphere": lambda: SphereScore(2, 5),
    "circle": lambda: SphereScore(1, 3),
    "torus": lambda: TorusScore(2.0, 0.8),
    "empirical": lambda: EmpiricalScore(sample(30, 2, 2)),
}


@pytest.fixture(params=EXACT)
def score(request: pytest.FixtureRequest) -> AbstractScore:
    return EXACT[request.param]()


def points(score: AbstractScore, batch: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points at about the data's distance, directions v and w."""
    x, v, w = sample(3, batch, *score.shape)
    return x, v, w


def test_jvp_is_the_directional_derivative(score: AbstractScore) -> None:
    x, v, _ = points(score)
    value, product = score.jvp(x, v, SIGMA)
    difference = (score.score(x + STEP * v, SIGMA) - score.score(x - STEP * v, SIGMA)) / (2 * STEP)
    torch.testing.assert_close(value, score.score(x, SIGMA), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        product, difference, rtol=1e-6, atol=1e-6
    )  # STEP^2 times derivatives of order 1e3


def test_vjp_is_the_transpose(score: AbstractScore) -> None:
    x, v, w = points(score)
    value, product = score.vjp(x, w, SIGMA)
    torch.testing.assert_close(value, score.score(x, SIGMA), rtol=1e-12, atol=1e-12)
    left, right = (w * score.jvp(x, v, SIGMA)[1]).flatten(1).sum(1), (product * v).flatten(1).sum(1)
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)


def test_exact_scores_have_a_symmetric_jacobian(score: AbstractScore) -> None:
    x, v, _ = points(score)
    torch.testing.assert_close(
        score.vjp(x, v, SIGMA)[1], score.jvp(x, v, SIGMA)[1], rtol=1e-9, atol=1e-9
    )


def test_products_are_linear_and_do_not_mix_points(score: AbstractScore) -> None:
    x, v, w = points(score)
    for product in (score.jvp, score.vjp):
        whole = product(x, v, SIGMA)[1]
        both = product(x, v + 2 * w, SIGMA)[1]
        torch.testing.assert_close(
            both, whole + 2 * product(x, w, SIGMA)[1], rtol=1e-10, atol=1e-10
        )
        torch.testing.assert_close(
            product(x[1:2], v[1:2], SIGMA)[1], whole[1:2], rtol=1e-10, atol=1e-10
        )


def test_a_product_counts_as_two_more_evaluations(score: AbstractScore) -> None:
    x, v, _ = points(score)
    counted = CountingScore(score)
    field = ScoreField(counted, SIGMA)
    torch.testing.assert_close(field.jvp(x, v)[1], score.jvp(x, v, SIGMA)[1], rtol=1e-12, atol=0)
    assert counted.count == 18
    torch.testing.assert_close(field.vjp(x, v)[1], score.vjp(x, v, SIGMA)[1], rtol=1e-12, atol=0)
    assert counted.count == 36
    field(x.requires_grad_(True))  # a graph that is never used
    assert counted.count == 42


def test_a_backward_pass_through_a_jvp_is_the_second_derivative() -> None:
    score = mixture()
    x, v, w = points(score)
    at = x.clone().requires_grad_(True)
    (second,) = torch.autograd.grad((w * score.jvp(at, v, SIGMA)[1]).sum(), at)
    difference = (score.jvp(x + STEP * v, w, SIGMA)[1] - score.jvp(x - STEP * v, w, SIGMA)[1]) / (
        2 * STEP
    )
    torch.testing.assert_close((second * v).sum(1), (v * difference).sum(1), rtol=1e-6, atol=1e-5)


def test_bad_input() -> None:
    score = mixture()
    x, v, _ = points(score)
    for product in (score.jvp, score.vjp):
        with pytest.raises(ScoreError, match="one direction a point"):
            product(x, v[:3], SIGMA)
        with pytest.raises(ScoreError, match="not finite at point 2 of 6"):
            product(x.index_fill(0, torch.tensor(2), float("nan")), v, SIGMA)


def test_products_of_the_shipped_network() -> None:
    pytest.importorskip("diffusers")
    from scoregeo.score.diffusers_unet import load_unet_score

    network, sigma, step = load_unet_score("digits_unet_ten"), 1.0, 3e-3
    x, v, w = sample(3, 2, *network.shape).float()
    product, transposed = network.jvp(x, v, sigma)[1], network.vjp(x, w, sigma)[1]
    difference = (network.score(x + step * v, sigma) - network.score(x - step * v, sigma)) / (
        2 * step
    )
    # In float32: scores near 4 rounded by some 1e-7, over the step, 1e-4; and step^2 times a third
    # derivative, less than that.
    torch.testing.assert_close(product, difference, rtol=0, atol=5e-4 * float(product.abs().max()))
    left, right = (w * product).flatten(1).sum(1), (transposed * v).flatten(1).sum(1)
    size = float(w.norm() * product.norm())
    torch.testing.assert_close(left, right, rtol=0, atol=1e-6 * size)  # some roundings of float32

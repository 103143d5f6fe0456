"""Accelerated fixed points of affine maps, whose fixed point a linear solve knows."""

import torch

from scoregeo._utils.seed import generator
from scoregeo.score.fixed_point import fixed_point, fixed_point_and_residual

SIZE = 5


def affine(low: float, high: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Matrices [batch, 5, 5] with eigenvalues from `low` to `high`, offsets, and the fixed points
    of A x + b.
    """
    rng = generator(0, "affine")
    basis = torch.linalg.qr(torch.randn(3, SIZE, SIZE, generator=rng, dtype=torch.float64)).Q
    matrix = basis @ torch.diag(torch.linspace(low, high, SIZE, dtype=torch.float64)) @ basis.mT
    offset = torch.randn(3, SIZE, generator=rng, dtype=torch.float64)
    return matrix, offset, torch.linalg.solve(torch.eye(SIZE, dtype=torch.float64) - matrix, offset)


def test_a_map_that_does_not_contract() -> None:
    matrix, offset, exact = affine(-3.0, 0.5)
    start = torch.zeros(3, SIZE, dtype=torch.float64)

    def f(x: torch.Tensor) -> torch.Tensor:
        return (matrix @ x[:, :, None])[:, :, 0] + offset

    # In exact arithmetic five dimensions take six rounds; as many again for rounding and the ridge.
    torch.testing.assert_close(fixed_point(f, start, 12), exact, rtol=1e-6, atol=1e-6)
    # The plain iteration runs away from it.
    plain = start
    for _ in range(12):
        plain = f(plain)
    assert (plain - exact).norm() > 1e3


def test_without_memory_it_is_the_plain_iteration() -> None:
    matrix, offset, exact = affine(-0.5, 0.5)
    seen = []

    def f(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return (matrix @ x[:, :, None])[:, :, 0] + offset

    result = fixed_point(f, torch.zeros(3, SIZE, dtype=torch.float64), 40, memory=0)
    torch.testing.assert_close(result, exact, rtol=1e-10, atol=1e-10)  # 0.5^40 is 1e-12
    torch.testing.assert_close(seen[2], (matrix @ offset[:, :, None])[:, :, 0] + offset)


def test_one_round_is_one_evaluation() -> None:
    start = torch.ones(2, 3, 4)
    assert torch.equal(fixed_point(lambda x: 3 * x + 1, start, 1), 4 * start)


def test_points_do_not_know_each_other() -> None:
    x = torch.tensor([[0.3, 0.1], [2.0, -1.0]], dtype=torch.float64)
    joint = fixed_point(torch.cos, x, 5)
    alone = torch.cat([fixed_point(torch.cos, point[None], 5) for point in x])
    torch.testing.assert_close(joint, alone, rtol=1e-12, atol=1e-12)


def test_a_point_that_is_there_already_stays() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    result = fixed_point(lambda y: -0.5 * y, x, 10)
    torch.testing.assert_close(result, torch.zeros_like(x), rtol=0, atol=1e-12)


def test_the_residual_is_the_smallest_that_was_met() -> None:
    seen = []

    def f(x: torch.Tensor) -> torch.Tensor:
        value = 3 * x.sin() + 1
        seen.append((value, value - x))
        return value

    best, residual = fixed_point_and_residual(f, torch.tensor([[0.3], [2.0]]).double(), 4)
    for point in range(2):
        value, change = min(
            ((one[point], other[point]) for one, other in seen),
            key=lambda pair: float(pair[1].norm()),
        )
        torch.testing.assert_close(best[point], value)
        torch.testing.assert_close(residual[point], change.norm() / value.norm())


def test_memory_of_every_iterate_solves_what_a_short_one_does_not() -> None:
    """Of many eigenvalues beyond the unit circle, GMRES on as many dimensions."""
    rng = generator(0, "wide")
    basis = torch.linalg.qr(torch.randn(1, 14, 14, generator=rng, dtype=torch.float64)).Q
    matrix = basis @ torch.diag(torch.linspace(-4, -1, 14, dtype=torch.float64)) @ basis.mT
    offset = torch.randn(1, 14, generator=rng, dtype=torch.float64)

    def f(x: torch.Tensor) -> torch.Tensor:
        return (matrix @ x[:, :, None])[:, :, 0] + offset

    residuals = [float(fixed_point_and_residual(f, 0 * offset, 18, m)[1]) for m in (2, 20)]
    assert residuals[1] < 1e-4 < residuals[0]

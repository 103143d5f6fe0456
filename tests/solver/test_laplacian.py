"""The Woodbury step against the dense normal equations it stands for."""

from dataclasses import replace

import pytest
import torch

from scoregeo.metric.graph import Rows, residuals
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.solver.laplacian import inverse_laplacian, stationarity
from scoregeo.solver.least_squares.normal_equations import gauss_newton_step, predicted_energy
from tests.fields import mixture, wavy


def test_inverse_laplacian_is_the_inverse() -> None:
    n = 7
    second_difference = (
        2 * torch.eye(n - 1) - torch.diag(torch.ones(n - 2), 1) - torch.diag(torch.ones(n - 2), -1)
    )
    product = inverse_laplacian(n)[1:-1, 1:-1] @ second_difference.double()
    torch.testing.assert_close(product, torch.eye(n - 1, dtype=torch.float64))


@pytest.mark.parametrize("lam", [1e-6, 5.0, 1e4])
@pytest.mark.parametrize("damping", [0.0, 3.0])
@pytest.mark.parametrize("parts", [1, 3])
def test_step_solves_the_dense_normal_equations(lam: float, damping: float, parts: int) -> None:
    n, dim = 6, 4
    r = residuals(ScoreField(mixture(), 0.4), wavy(n + 1), Quadrature("trapezoid", parts))
    scores = r.scores[0]
    rows = torch.zeros(n * parts, (n - 1), dim, dtype=torch.float64)
    for i in range(n):
        for q in range(parts):
            if i + 1 < n:
                rows[i * parts + q, i] = (q + 1) / parts * scores[
                    i * parts + q + 1
                ] - q / parts * scores[i * parts + q]
            if i > 0:
                u = [1 - (q + 1) / parts, 1 - q / parts]
                rows[i * parts + q, i - 1] = (
                    u[0] * scores[i * parts + q + 1] - u[1] * scores[i * parts + q]
                )
    a = rows.flatten(1)
    t = torch.linalg.inv(inverse_laplacian(n)[1:-1, 1:-1]).contiguous()
    hessian = n * (
        (1 + damping) * torch.kron(t, torch.eye(dim, dtype=torch.float64)) + lam * parts * a.T @ a
    )
    weight = torch.tensor([lam], dtype=torch.float64)
    gradient = r.gradient(weight)
    expected = -torch.linalg.solve(hessian, gradient.flatten())
    step = gauss_newton_step(r, weight, torch.tensor([damping]))
    # The dense system's condition number is about 1e7 to 1e8 at lam = 1e4, so half of float64's
    # sixteen digits are left.
    assert float((step.flatten() - expected).norm()) < 1e-6 * float(expected.norm())
    if damping == 0:
        drop = r.energy(weight) - predicted_energy(r, weight, step)
        torch.testing.assert_close(drop, -0.5 * (gradient * step).sum()[None], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("lam", [1e-6, 5.0, 1e4])
@pytest.mark.parametrize("damping", [0.0, 3.0])
@pytest.mark.parametrize("parts", [1, 3])
def test_step_with_any_rows_solves_the_dense_normal_equations(
    lam: float, damping: float, parts: int
) -> None:
    n, dim = 6, 4
    draws = torch.Generator().manual_seed(1)
    first, last = torch.randn(2, 1, n * parts, dim, generator=draws, dtype=torch.float64)
    r = replace(
        residuals(ScoreField(mixture(), 0.4), wavy(n + 1), Quadrature("trapezoid", parts)),
        rows=Rows(first, last, parts),
    )
    b = torch.zeros(n * parts, n + 1, dim, dtype=torch.float64)
    for row in range(n * parts):
        b[row, row // parts], b[row, row // parts + 1] = first[0, row], last[0, row]
    b = b[:, 1:-1].flatten(1)
    t = torch.linalg.inv(inverse_laplacian(n)[1:-1, 1:-1]).contiguous()
    bend = n * (wavy(n + 1)[0, 1:-1] * 2 - wavy(n + 1)[0, :-2] - wavy(n + 1)[0, 2:]).flatten()
    gradient = bend + n * lam * parts * b.T @ r.delta[0]
    weight = torch.tensor([lam], dtype=torch.float64)
    torch.testing.assert_close(
        r.gradient(weight).flatten(), gradient, rtol=1e-10, atol=1e-10 * float(gradient.abs().max())
    )
    hessian = n * (
        (1 + damping) * torch.kron(t, torch.eye(dim, dtype=torch.float64)) + lam * parts * b.T @ b
    )
    expected = -torch.linalg.solve(hessian, gradient)
    step = gauss_newton_step(r, weight, torch.tensor([damping]))
    # As above: half the digits, for the dense system's condition number.
    assert float((step.flatten() - expected).norm()) < 1e-6 * float(expected.norm())
    predicted = float(
        gradient @ step.flatten()
        + 0.5 * n * (step.flatten() @ (torch.kron(t, torch.eye(dim).double()) @ step.flatten()))
    )
    predicted += 0.5 * n * lam * parts * float((b @ step.flatten()).square().sum())
    assert float(predicted_energy(r, weight, step) - r.energy(weight)) == pytest.approx(
        predicted, rel=1e-6
    )


def test_stationarity_is_zero_at_the_straight_line_and_free_of_scale() -> None:
    line = torch.linspace(0, 1, 9, dtype=torch.float64)[None, :, None] * torch.ones(
        3, dtype=torch.float64
    )
    field, rule, none = (
        ScoreField(mixture(3), 0.4),
        Quadrature(),
        torch.zeros(1, dtype=torch.float64),
    )
    flat = residuals(field, line, rule)
    assert float(stationarity(flat.gradient(none), flat.energy(none))) < 1e-12
    for scale in (1.0, 10.0):
        bent = line.clone() * scale
        bent[:, 4] += 0.1 * scale
        r = residuals(field, bent, rule)
        value = float(stationarity(r.gradient(none), r.energy(none)))
        excess = float(1 - 0.5 * (bent[0, -1] - bent[0, 0]).square().sum() / r.energy(none))
        assert value == pytest.approx(
            excess**0.5, rel=1e-9
        )  # for the flat metric the square is the relative excess

"""The integrator of batches against closed forms, and what it does at the edge of a derivative's
domain.
"""

import math

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.geometry.integrator import integrate
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED

FREQUENCIES = torch.tensor([1.0, 5.0, 20.0], dtype=torch.float64)


def oscillate(rows: torch.Tensor, _: float, state: torch.Tensor) -> torch.Tensor:
    return torch.stack([state[:, 1], -FREQUENCIES[rows].square() * state[:, 0]], 1)


def test_oscillators_of_different_speed() -> None:
    start = torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64)
    found = integrate(oscillate, start, 11, rtol=1e-9, atol=1e-11, max_calls=10**5)
    times = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(
        found.states[..., 0], (FREQUENCIES[:, None] * times).cos(), rtol=0, atol=1e-7
    )
    assert found.status == (CONVERGED,) * 3 and found.reached.eq(1).all()


def test_a_wall_is_approached_and_the_others_pass() -> None:
    # x' = 1 from 0: the second element may not be evaluated beyond 0.6.
    calls = torch.zeros(3, dtype=torch.int64)

    def walk(rows: torch.Tensor, _: float, state: torch.Tensor) -> torch.Tensor:
        calls[rows] += 1
        if ((rows == 1) & (state[:, 0] > 0.6)).any():
            raise ScoreError("beyond the wall")
        return torch.ones_like(state)

    found = integrate(
        walk, torch.zeros(3, 1, dtype=torch.float64), 101, rtol=1e-6, atol=1e-8, max_calls=10**5
    )
    assert found.status == (CONVERGED, FAILED, CONVERGED)
    assert (
        0.6 - 4e-3 < found.reached[1] <= 0.6
    )  # within four of the smallest steps, a thousandth each
    times = torch.linspace(0, 1, 101, dtype=torch.float64)
    known = times <= found.reached[1]
    torch.testing.assert_close(found.states[1, known, 0], times[known])
    assert found.states[1, ~known].isnan().all()
    torch.testing.assert_close(found.states[::2, :, 0], times.expand(2, 101))
    assert torch.equal(found.calls, calls)


def test_values_that_are_not_finite_count_as_bad() -> None:
    def burst(_: torch.Tensor, __: float, state: torch.Tensor) -> torch.Tensor:
        return (0.5 - state).sqrt() * 0 + 1  # NaN above one half

    found = integrate(
        burst, torch.zeros(1, 1, dtype=torch.float64), 2, rtol=1e-6, atol=1e-8, max_calls=10**5
    )
    assert found.status == (FAILED,) and 0.49 < float(found.reached) <= 0.5


def test_a_budget_of_calls() -> None:
    start = torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64)
    found = integrate(oscillate, start, 5, rtol=1e-9, atol=1e-11, max_calls=60)
    assert found.status == (BUDGET,) * 3 and (found.calls <= 60).all() and (found.reached < 1).all()


def test_stops_make_kinks_harmless() -> None:
    # |sin(4 pi t)| has a kink at each of the points: from one to the next it is smooth. Its
    # integral is 2 / pi.
    def bounce(_: torch.Tensor, time: float, state: torch.Tensor) -> torch.Tensor:
        return torch.full_like(state, abs(math.sin(4 * math.pi * time)))

    def error(stops: bool) -> float:
        found = integrate(
            bounce,
            torch.zeros(1, 1, dtype=torch.float64),
            5,
            rtol=1e-3,
            atol=1e-3,
            max_calls=10**5,
            stops=stops,
        )
        return abs(float(found.states[0, -1, 0]) - 2 / math.pi)

    assert error(True) < 0.1 * error(False)

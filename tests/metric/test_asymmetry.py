"""How far a field is from a gradient: on fields where it is known."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.asymmetry import asymmetry
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import mixture


class LinearScore(AbstractScore):
    """`s = A x`, whose Jacobian is A."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.matrix),)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return x @ self.matrix.T


def measured(score: AbstractScore, probes: int, batch: int = 5) -> torch.Tensor:
    x = torch.randn(
        batch, *score.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return asymmetry(ScoreField(score, 0.4), x, probes, torch.Generator().manual_seed(1))


def test_a_gradient_has_none() -> None:
    assert measured(mixture(), 3).max() < 1e-12
    assert (measured(LinearScore(torch.zeros(3, 3, dtype=torch.float64)), 3) == 0).all()


def test_a_turning_field_has_the_known_one_in_every_direction() -> None:
    # J = -a I + b R, R a quarter turn: |J v - J^T v| = 2 b |v|, |J v| = sqrt(a^2 + b^2) |v|.
    a, b = 1.5, 0.4
    matrix = torch.tensor([[-a, -b], [b, -a]], dtype=torch.float64)
    expected = torch.full((5,), 2 * b / (a**2 + b**2) ** 0.5, dtype=torch.float64)
    torch.testing.assert_close(measured(LinearScore(matrix), 1), expected, rtol=1e-12, atol=0)
    turn = LinearScore(torch.tensor([[0.0, -b], [b, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(
        measured(turn, 1), torch.full((5,), 2.0, dtype=torch.float64), rtol=1e-12, atol=0
    )


def test_probes_tend_to_the_frobenius_norms() -> None:
    matrix = torch.randn(6, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    expected = float((matrix - matrix.T).norm() / matrix.norm())
    found = measured(LinearScore(matrix), 200, batch=50)  # 10,000 directions in all: 1 % each way
    assert float(found.mean()) == pytest.approx(expected, rel=0.01)
    assert measured(LinearScore(matrix), 800, batch=50).std() == pytest.approx(
        float(found.std()) / 2, rel=0.3
    )  # 50 draws each


def test_evaluations_and_bad_probes() -> None:
    counted = CountingScore(mixture())
    measured(counted, 3, batch=4)
    assert counted.count == 6 * 3 * 4
    with pytest.raises(ConfigError, match="probes = 0 "):
        measured(mixture(), 0)

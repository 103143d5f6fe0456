"""The residuals' layout and their derivatives with the score's Jacobian, against autograd of the
residuals themselves.
"""

import pytest
import torch

from scoregeo.metric.graph import (
    by_segment,
    jacobian_rows,
    node_scores,
    quadrature_nodes,
    residuals,
)
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from tests.fields import Curl, mixture, wavy

RULES = [
    Quadrature("trapezoid"),
    Quadrature("trapezoid", 3),
    Quadrature("simpson"),
    Quadrature("simpson", 2),
]
FIELDS = {
    "curl": (ScoreField(Curl(2.0), 0.3), wavy(7, 3)),
    "exact": (ScoreField(mixture(), 0.4), wavy(7)),
}


@pytest.mark.parametrize("rule", [*RULES, Quadrature("midpoint", 2)], ids=str)
def test_nodes_lie_on_their_segments(rule: Quadrature) -> None:
    path = wavy(6)
    nodes = quadrature_nodes(path, rule)
    assert nodes.shape[1] == rule.evaluations(6)
    expected = path[:, :-1, None] + rule.fractions[:, None] * path.diff(dim=1)[:, :, None]
    torch.testing.assert_close(by_segment(nodes, rule), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rows_are_the_derivatives_of_the_residuals(name: str, rule: Quadrature) -> None:
    field, path = FIELDS[name]
    n = path.shape[1] - 1
    jacobian = torch.autograd.functional.jacobian(
        lambda x: residuals(field, x, rule).delta[0], path
    )[:, 0]
    directions = path.diff(dim=1)[:, :, None].expand(-1, -1, len(rule.fractions), -1)
    points = by_segment(quadrature_nodes(path, rule), rule)
    _, products = field.vjp(points.flatten(0, 2), directions.flatten(0, 2))
    rows = jacobian_rows(node_scores(field, path, rule), products.reshape(points.shape), rule)
    for row in range(n * rule.subnodes):
        expected = torch.zeros_like(path[0])
        expected[row // rule.subnodes], expected[row // rule.subnodes + 1] = (
            rows.first[0, row],
            rows.last[0, row],
        )
        torch.testing.assert_close(expected, jacobian[row], rtol=1e-10, atol=1e-10)
    step = torch.randn(
        1, n - 1, path.shape[2], generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    along = torch.einsum("rjd,jd->r", jacobian[:, 1:-1], step[0])
    torch.testing.assert_close(rows.along(step)[0], along, rtol=1e-10, atol=1e-10)
    back = torch.einsum("rjd,r->jd", jacobian[:, 1:-1], along)
    torch.testing.assert_close(rows.transposed(along[None])[0], back, rtol=1e-10, atol=1e-8)

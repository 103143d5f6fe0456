"""The gradient of a path's energy where the score is no gradient field: with its Jacobian."""

from dataclasses import replace

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.cost import BACKWARD
from scoregeo.metric.graph import jacobian_rows, residuals_of
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.memory import is_out_of_memory
from scoregeo.solver.laplacian import stationarity

_NODES = 32  # whose graph is held at a time
_NO_MEMORY = "not tested for a score that is no gradient field: memory ran out in its Jacobian ({})"


def exact_stationarity(
    metric: AbstractMetric, path: torch.Tensor, rule: Quadrature
) -> tuple[float, int, str]:
    """The stationarity residual of one path [1, points, *shape] on `rule`, of nodes at the parts'
    ends, by the energy's exact gradient, the score evaluations that it took, and a reason where
    there was not memory enough, else "".

    Solvers that evaluate the score alone take it for a gradient field. A network's is none: what
    is left of the exact gradient where theirs vanishes is `lam n f (J^T - J) d`, J the score's
    Jacobian and f = s . d. 3 evaluations a node of each segment; NaN, at no cost, where the score
    is not `learned` or the energy no sum of squares, and where the score cannot be differentiated,
    be it for want of memory: the path is found already.
    """
    energy = metric.least_squares
    if energy is None or not energy.field.score.learned or path.shape[1] == 2:
        return float("nan"), 0, ""
    nodes, directions = _nodes(path, rule)
    try:
        found = [
            energy.field.vjp(x, d)
            for x, d in zip(nodes.split(_NODES), directions.split(_NODES), strict=True)
        ]
    except (ScoreError, RuntimeError, MemoryError) as error:
        # A network that says so in terms of its settings names what torch said as the cause
        no_memory = is_out_of_memory(error) or is_out_of_memory(error.__cause__)
        if not (no_memory or isinstance(error, ScoreError)):
            raise
        return float("nan"), 0, _NO_MEMORY.format(error) if no_memory else ""
    scores, products = (torch.cat(every).flatten(1) for every in zip(*found, strict=True))
    residual = _stationarity(energy, path, rule, scores, products)
    return residual, (1 + BACKWARD) * len(nodes), ""


def _nodes(path: torch.Tensor, rule: Quadrature) -> tuple[torch.Tensor, torch.Tensor]:
    """Each segment's own nodes, and its `d_i` at them, [n nodes, *shape]: a node that two segments
    share has both directions.
    """
    d = path[0].diff(dim=0)
    u = rule.fractions.to(path).view(1, -1, *[1] * (d.ndim - 1))
    nodes = path[0, :-1, None] + u * d[:, None]
    return nodes.flatten(0, 1), d[:, None].expand_as(nodes).flatten(0, 1)


def _stationarity(
    energy: LeastSquares,
    path: torch.Tensor,
    rule: Quadrature,
    scores: torch.Tensor,
    products: torch.Tensor,
) -> float:
    """From scores and products `J^T d`, [n nodes, D]."""
    shape = (1, path.shape[1] - 1, -1, scores.shape[1])
    segmented, learnt = scores.view(shape), products.double().view(shape)
    residuals = residuals_of(segmented, path, rule)
    residuals = replace(residuals, rows=jacobian_rows(segmented, learnt, rule))
    lam = torch.full((1,), energy.lam, dtype=torch.float64, device=path.device)
    return float(stationarity(residuals.gradient(lam), residuals.energy(lam)))

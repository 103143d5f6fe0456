"""An estimate of the score's Jacobian along a path, made better by each backward pass: the adjoint
Broyden method.
"""

from dataclasses import replace

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.graph import (
    Residuals,
    by_segment,
    jacobian_rows,
    quadrature_nodes,
    residuals_of,
)
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import check_differentiable
from scoregeo.score.field import ScoreField
from scoregeo.score.memory import is_out_of_memory

KEPT = 20  # products a node remembers


class ScoreJacobian:
    """Estimates `J_p^T` at the quadrature's nodes of each pair's path, J_p the Jacobian of a score
    that is no gradient field.

    After Schlenkrich, Griewank & Walther 2010 ("On the local convergence of adjoint Broyden
    methods"): where a product `J^T w` becomes known, the estimate is corrected by
    `(J^T w - A w) w^T / |w|^2`, the least change after which it gives that product. w is the
    energy's own direction at a node, `w_p = sum_r delta_r W_rp d`, so one backward pass, 2
    evaluations a node, makes the energy's gradient exact; the derivatives of each single delta rest
    on the estimate. It starts from `-I / sigma^2`, the Jacobian where the denoiser does not move,
    and keeps the last `KEPT` corrections.

    State of one solve: two tensors [pairs, KEPT, evaluations, D] in the path's type.
    """

    def __init__(self, field: ScoreField, rule: Quadrature, path: torch.Tensor) -> None:
        self.field, self.rule = field, rule
        self.constant = -1 / field.sigma**2
        shape = (len(path), KEPT, rule.evaluations(path.shape[1]), path[0, 0].numel())
        self.directions, self.remainders = path.new_zeros(shape), path.new_zeros(shape)
        self.updates = [0] * len(path)

    def evaluate(self, path: torch.Tensor) -> "Trial":
        """Residuals of one pair's `path` [1, points, *shape], the score's graph kept for `learn`:
        one evaluation a node.

        Raises ScoreError as the score does.
        """
        with torch.enable_grad():
            nodes = quadrature_nodes(path.detach(), self.rule)[0].requires_grad_(True)
            scores = self.field(nodes)
        check_differentiable(scores)
        segmented = by_segment(scores.detach().flatten(1)[None], self.rule)
        return Trial(residuals_of(segmented, path, self.rule), nodes, scores)

    def learn(self, pair: int, trial: "Trial") -> Residuals:
        """The trial's residuals with rows, their gradient exact, once the estimate knows the
        trial's own product.

        One backward pass: two evaluations a node. Raises ScoreError where the product is not
        finite; nothing is learnt then."""
        delta = trial.residuals.delta.double().unflatten(1, (-1, self.rule.subnodes))
        share = delta @ self.rule.weights_like(delta)  # of each node on its segment
        direction = self._at_nodes(
            share[:, :, :, None] * trial.residuals.segments.double()[:, :, None]
        )[0]
        along = direction.reshape(trial.nodes.shape).to(trial.scores)
        try:
            (product,) = torch.autograd.grad(trial.scores, trial.nodes, along)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            product = None
        if product is None:  # recorded in batches too large: made again in smaller ones
            product = self.field.vjp(trial.nodes.detach(), along)[1]
        if not bool(product.isfinite().all()):
            raise ScoreError(
                f"the score's Jacobian at sigma {self.field.sigma:g} is not finite along the path."
            )
        self._update(pair, direction, product.flatten(1).double())
        scores = by_segment(trial.scores.detach().flatten(1)[None], self.rule)
        return replace(
            trial.residuals,
            rows=jacobian_rows(scores, self._products(pair, trial.residuals.segments), self.rule),
        )

    def _update(self, pair: int, direction: torch.Tensor, product: torch.Tensor) -> None:
        """Correct the estimate by what is missing of `J^T direction`; nothing to learn where the
        direction is 0.
        """
        slot = self.updates[pair] % KEPT
        self.updates[pair] += 1
        self.directions[pair, slot] = self.remainders[pair, slot] = 0
        length = direction.norm(dim=1, keepdim=True)
        known = length > 0
        unit = torch.where(known, direction / length, 0.0)
        old = torch.einsum("kpd,pd->kp", self.directions[pair].double(), unit)
        estimate = self.constant * unit + torch.einsum(
            "kp,kpd->pd", old, self.remainders[pair].double()
        )
        self.directions[pair, slot] = unit.to(self.directions)
        self.remainders[pair, slot] = torch.where(known, product / length - estimate, 0.0).to(
            self.remainders
        )

    def _products(self, pair: int, segments: torch.Tensor) -> torch.Tensor:
        """Estimates of `J_q^T d_i` at each segment's own nodes, [1, n, nodes, D] float64, of
        `segments` [1, n, D].
        """
        d = segments[0].double()
        directions = by_segment(self.directions[pair].double(), self.rule)
        along = torch.einsum("knqd,nd->knq", directions, d)
        learnt = torch.einsum(
            "knq,knqd->nqd", along, by_segment(self.remainders[pair].double(), self.rule)
        )
        return (self.constant * d[:, None] + learnt)[None]

    def _at_nodes(self, values: torch.Tensor) -> torch.Tensor:
        """The transpose of `by_segment`, [pairs, n, nodes, D] to [pairs, evaluations, D]: a shared
        node gets the sum.
        """
        first, last = values[:, :, :-1], values[:, :, -1]
        total = torch.nn.functional.pad(first.flatten(1, 2), (0, 0, 0, 1))
        total[:, first.shape[2] :: first.shape[2]] += last
        return total


class Trial:
    """A path whose score is known, and the graph to differentiate it by; dropped with the trial."""

    def __init__(self, residuals: Residuals, nodes: torch.Tensor, scores: torch.Tensor) -> None:
        self.residuals, self.nodes, self.scores = residuals, nodes, scores

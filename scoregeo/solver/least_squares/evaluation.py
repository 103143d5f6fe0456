"""Residuals of paths and their derivatives, with and without a backward pass through the score."""

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

from scoregeo._utils.errors import ScoreError
from scoregeo.metric.cost import BACKWARD
from scoregeo.metric.graph import Residuals, Rows
from scoregeo.metric.least_squares import LeastSquares
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.least_squares.score_jacobian import ScoreJacobian

log = logging.getLogger(__name__)

R = TypeVar("R")  # residuals of a batch: of one rule for all, or of a mesh for each path


@dataclass(frozen=True)
class Trials(Generic[R]):
    """Residuals of trial paths; where they are `finite` [pairs] bool (elsewhere those of the path
    before); `evaluations` [pairs] int64, CPU, that each cost.
    """

    residuals: R
    finite: torch.Tensor
    evaluations: torch.Tensor


class AbstractEvaluation(ABC, Generic[R]):
    """Computes residuals of a batch of paths of one grid, on one quadrature."""

    @abstractmethod
    def start(self, path: torch.Tensor) -> tuple[R, int | torch.Tensor]:
        """Residuals of all pairs' starts `path` [pairs, points, *shape], and the score evaluations
        that each took. Raises ScoreError as the score does.
        """

    @abstractmethod
    def trial(
        self,
        paths: torch.Tensor,
        pairs: torch.Tensor,
        before: R,
        lam: torch.Tensor,
        bound: torch.Tensor,
    ) -> Trials[R]:
        """Residuals of `paths` [rows, points, *shape], trials of `pairs` [rows].

        `before`: residuals of all pairs. A trial is accepted where its energy at `lam` [rows] is
        below `bound` [rows]. A pair's bad score does not spoil the others'.
        """


class GradientFieldEvaluation(AbstractEvaluation[Residuals]):
    """The score taken for a gradient field: its values are the residuals' derivatives. One batch of
    forward evaluations.
    """

    def __init__(self, energy: LeastSquares, rule: Quadrature) -> None:
        self.energy, self.rule = energy, rule

    def start(self, path: torch.Tensor) -> tuple[Residuals, int]:
        return self.energy.residuals(path, self.rule), self.rule.evaluations(path.shape[1])

    def trial(
        self,
        paths: torch.Tensor,
        pairs: torch.Tensor,
        before: Residuals,
        lam: torch.Tensor,
        bound: torch.Tensor,
    ) -> Trials[Residuals]:
        finite = torch.ones(len(paths), dtype=torch.bool, device=paths.device)
        spent = torch.full((len(paths),), self.rule.evaluations(paths.shape[1]))
        try:
            return Trials(self.energy.residuals(paths, self.rule), finite, spent)
        except ScoreError as error:
            log.debug("a trial step met a bad score (%s): each pair is tried by itself.", error)
        found = select(before, pairs)
        for row in range(len(paths)):
            try:
                one = self.energy.residuals(paths[row : row + 1], self.rule)
                assign(found, torch.tensor([row], device=paths.device), one)
            except ScoreError:
                finite[row] = False
        return Trials(found, finite, spent)


class JacobianEvaluation(AbstractEvaluation[Residuals]):
    """The energy's exact gradient for a score that is no gradient field, by one backward pass for
    each start and accepted trial, and rows from an estimate of the score's Jacobian
    (`score_jacobian`). Pairs are evaluated one after another, the score's graph held for one.
    """

    def __init__(self, energy: LeastSquares, rule: Quadrature, path: torch.Tensor) -> None:
        """`path`: the starts, whose shape the estimate has."""
        self.jacobian = ScoreJacobian(energy.field, rule, path)
        self.cost = rule.evaluations(path.shape[1])

    def start(self, path: torch.Tensor) -> tuple[Residuals, int]:
        every = [
            self.jacobian.learn(pair, self.jacobian.evaluate(one))
            for pair, one in enumerate(path.split(1))
        ]
        return join(every), (1 + BACKWARD) * self.cost

    def trial(
        self,
        paths: torch.Tensor,
        pairs: torch.Tensor,
        before: Residuals,
        lam: torch.Tensor,
        bound: torch.Tensor,
    ) -> Trials[Residuals]:
        finite = torch.ones(len(paths), dtype=torch.bool, device=paths.device)
        spent = torch.full((len(paths),), self.cost)
        found = select(before, pairs)
        for row, pair in enumerate(pairs.tolist()):
            try:
                trial = self.jacobian.evaluate(paths[row : row + 1])
                one = trial.residuals
                if bool(one.energy(lam[row : row + 1]) < bound[row]):
                    spent[row] += BACKWARD * self.cost
                    one = self.jacobian.learn(pair, trial)
                assign(found, torch.tensor([row], device=paths.device), one)
            except ScoreError:
                finite[row] = False
        return Trials(found, finite, spent)


def select(r: Any, index: torch.Tensor) -> Any:
    """The residuals of some pairs, of `r`'s own kind."""
    if not isinstance(r, Residuals):
        return r.at(index)
    rows = None if r.rows is None else Rows(r.rows.first[index], r.rows.last[index], r.rows.parts)
    return Residuals(r.segments[index], r.delta[index], r.scores[index], rows)


def assign(into: Any, index: torch.Tensor, source: Any) -> None:
    """Write `source` over the pairs `index` of `into`, rows only where `source` has some."""
    if not isinstance(into, Residuals):
        into.put(index, source)
        return
    into.segments[index], into.delta[index] = source.segments, source.delta
    into.scores[index] = source.scores
    if into.rows is not None and source.rows is not None:
        into.rows.first[index], into.rows.last[index] = source.rows.first, source.rows.last


def join(every: list[Residuals]) -> Residuals:
    """Residuals with rows, of some pairs each, as those of all."""
    rows = [one.rows for one in every if one.rows is not None]
    return Residuals(
        segments=torch.cat([one.segments for one in every]),
        delta=torch.cat([one.delta for one in every]),
        scores=torch.cat([one.scores for one in every]),
        rows=Rows(
            torch.cat([row.first for row in rows]),
            torch.cat([row.last for row in rows]),
            rows[0].parts,
        ),
    )

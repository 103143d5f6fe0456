"""The forms of energies that Gauss-Newton minimises: sums of squares."""

from dataclasses import dataclass

import torch

from scoregeo.metric.graph import Residuals, residuals
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField


@dataclass(frozen=True)
class LeastSquares:
    """An energy that is a sum of squares, `E = (n/2) sum_i ( |d_i|^2 + lam m sum_r delta_ir^2 )`:
    the discrete energy of `g = I + lam s s^T`, s the `field`, lam > 0.

    A metric that declares one (`AbstractMetric.least_squares`) says that its `energy` is this.
    """

    field: ScoreField
    lam: float

    def residuals(self, path: torch.Tensor, quadrature: Quadrature) -> Residuals:
        """Residuals of `path` [pairs, points, *shape]; `quadrature.evaluations(points)` score
        evaluations a path. Raises ScoreError as the score does.
        """
        return residuals(self.field, path, quadrature)


@dataclass(frozen=True)
class ScoreChords:
    """An energy of chords of the score, `E = (n/2) sum_i ( eps |d_i|^2 + |s_{i+1} - s_i|^2 )`: the
    discrete energy of `g = eps I + J^T J`, J the Jacobian of the `field` s, eps > 0.

    A metric that has one (`AbstractMetric.score_chords`) says that its `energy` by the
    trapezoid rule of one part a segment is this.
    """

    field: ScoreField
    eps: float

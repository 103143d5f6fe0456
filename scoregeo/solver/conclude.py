"""From a final path to a `Solution`: what every solver reports, measured in one way."""

import time

import torch

from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import CONVERGED, STALLED, Solution, Step
from scoregeo.solver.certificate import certify, finer_than
from scoregeo.solver.laplacian import stationarity
from scoregeo.solver.learned import exact_stationarity
from scoregeo.solver.verdict import NO_GRADIENT, SADDLE, STATIONARY, saddles, verified


def conclude(
    metric: AbstractMetric,
    path: torch.Tensor,
    rule: Quadrature,
    *,
    status: list[str],
    iterations: torch.Tensor,
    score_evaluations: torch.Tensor,
    reason: list[str],
    history: list[Step],
    began: float,
    measured: PathMeasure | None = None,
    gradient: torch.Tensor | None = None,
    exact: bool = False,
) -> Solution:
    """The solution of a solver that ended with `path` on the quadrature `rule`.

    `measured` and `gradient` [pairs, points - 2, ...] are taken as they are where the solver has
    them at hand; else they are computed here, outside `score_evaluations`, as the certificate is.
    Statuses are what certificate and gradient bear out (`solver.verdict`); unless the gradient is
    `exact`, that of a learned score is tested on the certificate's rule (`solver.learned`).
    `began`: `time.perf_counter()` at the solver's start; the seconds stop here, before anything is
    measured.
    """
    seconds = time.perf_counter() - began
    if measured is None:
        with torch.no_grad():
            measured = metric.measure(path, rule)
    if gradient is None:
        gradient = metric.gradient(path, rule)
    certificate = certify(metric, path, measured.energy, rule)
    own = measured.energy.cpu()
    left = stationarity(gradient.flatten(2), measured.energy, metric.scale(path)).cpu()
    saddle, _, probed = saddles(metric, path, own, rule)
    spent = certificate.evaluations + probed
    said = list(zip(status, reason, strict=True))
    still = _still(path)
    for pair, (word, why) in enumerate(said):
        word, found = verified(
            word,
            float(own[pair]),
            float(certificate.energy[pair]),
            float(left[pair]),
            bool(certificate.tunnelled[pair]),
        )
        if word == CONVERGED and bool(saddle[pair]):
            word, found = STALLED, SADDLE
        if word == CONVERGED and not exact:
            one = path[pair : pair + 1]
            remaining, cost, found = exact_stationarity(metric, one, finer_than(rule))
            spent[pair] += cost
            if remaining > STATIONARY:
                word, found = STALLED, NO_GRADIENT.format(remaining)
        said[pair] = word, "; ".join(part for part in (why, found) if part)
        if float(own[pair]) == 0 == float(certificate.energy[pair]) or still[pair]:
            said[pair] = CONVERGED, ""  # equal ends: no less is there
    return Solution(
        path=path,
        status=tuple(word for word, _ in said),
        iterations=iterations,
        score_evaluations=score_evaluations,
        energy=own,
        length=measured.length.cpu(),
        bound=measured.lower_bound.cpu(),
        stationarity=left,
        certified_energy=certificate.energy,
        certificate_evaluations=spent,
        tunnelled=certificate.tunnelled,
        reason=tuple(why for _, why in said),
        seconds=seconds,
        history=tuple(history),
    )


def _still(path: torch.Tensor) -> list[bool]:
    """Which of `path` [pairs, points, *shape] are one point, but for rounding."""
    flat = path.flatten(2)
    spread = (flat - flat[:, :1]).abs().amax((1, 2))
    rounding = 8 * torch.finfo(path.dtype).eps
    found: list[bool] = (spread <= rounding * flat.abs().amax((1, 2))).tolist()
    return found

"""From a final path to a `Solution`: what every solver reports, measured in one way."""

import time

import torch

from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.solver.base import Solution, Step
from scoregeo.solver.certificate import certify, tunnelling_reason
from scoregeo.solver.laplacian import stationarity


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
) -> Solution:
    """The solution of a solver that ended with `path` on the quadrature `rule`.

    `measured` and `gradient` [pairs, points - 2, ...] are taken as they are where the solver has
    them at hand; else they are computed here, outside `score_evaluations`, as the certificate is.
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
    reasons, energy = list(reason), measured.energy.cpu()
    for pair in certificate.tunnelled.nonzero()[:, 0].tolist():
        tunnelling = tunnelling_reason(float(energy[pair]), float(certificate.energy[pair]))
        reasons[pair] = f"{reasons[pair]}; {tunnelling}" if reasons[pair] else tunnelling
    return Solution(
        path=path,
        status=tuple(status),
        iterations=iterations,
        score_evaluations=score_evaluations,
        energy=energy,
        length=measured.length.cpu(),
        bound=measured.lower_bound.cpu(),
        stationarity=stationarity(gradient.flatten(2), measured.energy).cpu(),
        certified_energy=certificate.energy,
        certificate_evaluations=torch.full_like(iterations, certificate.evaluations),
        tunnelled=certificate.tunnelled,
        reason=tuple(reasons),
        seconds=seconds,
        history=tuple(history),
    )

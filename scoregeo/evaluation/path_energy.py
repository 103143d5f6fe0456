"""Energy and length of a method's paths in the metrics: one quadrature for all methods, finer than
any solver's.
"""

from collections.abc import Mapping

import torch

from scoregeo.evaluation.metric_length import InMetrics, MeasureIn, MetricOf, measure_in
from scoregeo.metric.base import PathMeasure
from scoregeo.path.quadrature import Quadrature


class PathEnergy:
    """Energy, excess and length of one run's paths, by the trapezoid rule with `subnodes` parts a
    segment, in the run's metric and in the further ones of `metrics`.

    `measure(path, rule, metric_of)` measures paths [pairs, points, *shape], each in its own field:
    in the metric that `metric_of` makes of it, or in the run's where that is None. Costs
    `(points - 1) subnodes + 1` score evaluations a path and metric; a path that an earlier method
    had, as a solver's start is often a baseline's line, is not measured again.
    """

    def __init__(self, measure: MeasureIn, metrics: Mapping[str, MetricOf], subnodes: int) -> None:
        self._measure, self._metrics = measure, metrics
        self._rule = Quadrature("trapezoid", subnodes)
        self._own: list[tuple[torch.Tensor, PathMeasure]] = []
        self._further: list[tuple[torch.Tensor, InMetrics]] = []

    @torch.no_grad()
    def own(self, path: torch.Tensor) -> PathMeasure:
        """In the run's metric."""
        for before, found in self._own:
            if torch.equal(before, path):
                return found
        measured = self._measure(path, self._rule, None)
        self._own.append((path, measured))
        return measured

    @torch.no_grad()
    def further(self, path: torch.Tensor) -> InMetrics:
        """In each of the further metrics; what that costs is counted."""
        for before, found in self._further:
            if torch.equal(before, path):
                return found
        measured = measure_in(self._metrics, path, self._rule, self._measure)
        self._further.append((path, measured))
        return measured

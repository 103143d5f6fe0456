"""Energy and length of a method's paths in the metrics: one quadrature for all methods, finer than
any solver's.
"""

from functools import partial

import torch

from scoregeo.evaluation.metric_length import MetricOf, default_metric, measure_in
from scoregeo.evaluation.statistics import NotAvailable
from scoregeo.metric.base import PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.run.experiment import Experiment
from scoregeo.run.problem.base import AbstractProblem
from scoregeo.run.problem.outcome import Outcome

Values = dict[str, torch.Tensor | NotAvailable]


class PathEnergy:
    """Energy, excess and length of one run's paths, by the trapezoid rule with
    `evaluation.certify_subnodes` parts a segment.
    """

    def __init__(self, experiment: Experiment, problem: AbstractProblem) -> None:
        self.experiment, self.problem, self.settings = (
            experiment,
            problem,
            experiment.settings.evaluation,
        )
        self._measured: list[tuple[torch.Tensor, PathMeasure]] = []

    @property
    def metrics(self) -> dict[str, MetricOf]:
        """`evaluation.metrics`: the run's own with its parameters, others with their defaults."""
        own, own_of = self.experiment.metric, self.experiment.metric_of
        known = {} if own_of is None else {own.name: own_of}
        return {
            name: known.get(name, partial(default_metric, name)) for name in self.settings.metrics
        }

    @torch.no_grad()
    def values(self, outcome: Outcome) -> Values:
        """Measures by name, one value a row; for clean paths only where the metric is met clean.

        Energies only between given ends: elsewhere they do not compare. Paths that an earlier
        method had are not measured again; others cost `(points - 1) certify_subnodes + 1` score
        evaluations each. Those of `evaluation.metrics` are counted apart."""
        if self.problem.noisy and not outcome.noisy:
            return {}
        rule = Quadrature("trapezoid", self.settings.certify_subnodes)
        measured = self._own(outcome.path, rule)
        found: Values = {}
        if self.problem.end_given:
            found |= {"energy": measured.energy, "energy_excess": measured.excess}
        found["metric_length"] = measured.length
        if outcome.stationarity is not None:
            found["stationarity"] = outcome.stationarity
        if self.settings.metrics:
            several = measure_in(self.metrics, outcome.path, rule, self.problem.measure)
            for name, measured in several.measures.items():
                found |= {f"energy_{name}": measured.energy} if self.problem.end_given else {}
                found[f"length_{name}"] = measured.length
            share = several.score_evaluations / len(outcome.path)
            found["metrics_evaluations"] = torch.full(
                (len(outcome.path),), share, dtype=torch.float64
            )
        return found

    def _own(self, path: torch.Tensor, rule: Quadrature) -> PathMeasure:
        """In the run's metric; the solver's start is often a baseline's line."""
        found = next(
            (measured for before, measured in self._measured if torch.equal(before, path)), None
        )
        if found is None:
            found = self.problem.measure(path, rule)
            self._measured.append((path, found))
        return found

"""Energy and length of paths in metrics beside the run's own, and what measuring them costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from scoregeo._utils.errors import check_choice
from scoregeo.evaluation.settings import METRICS
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField

LAM = 1000.0  # of a Stein metric that is not the run's own, as in configs/metric/stein.yaml

MetricOf = Callable[[ScoreField], AbstractMetric]
_DEFAULTS: dict[str, MetricOf] = {
    "stein": partial(SteinMetric, lam=LAM),
    "pullback": PullbackMetric,
    "conformal": ConformalMetric,
    "euclidean": EuclideanMetric,
}
MeasureIn = Callable[[torch.Tensor, Quadrature, MetricOf | None], PathMeasure]


@dataclass(frozen=True)
class InMetrics:
    """By metric, the measures of each path; `score_evaluations` of all paths and
    metrics together.
    """

    measures: Mapping[str, PathMeasure]
    score_evaluations: int


def default_metric(name: str, field: ScoreField) -> AbstractMetric:
    """The metric called `name`, one of `METRICS`, of a field: lam 1000, eps 1e-3 / sigma^4, alpha
    1.
    """
    check_choice("evaluation.metrics", name, METRICS)
    return _DEFAULTS[name](field)


def further_metrics(
    names: Sequence[str], own: AbstractMetric, own_of: MetricOf | None
) -> dict[str, MetricOf]:
    """The metrics of `evaluation.metrics`: the run's `own` with its parameters, made by `own_of`
    where that is known, others with their defaults.
    """
    known = {} if own_of is None else {own.name: own_of}
    return {name: known.get(name, partial(default_metric, name)) for name in names}


def describe(name: str, metric: AbstractMetric) -> str:
    """A metric's name and parameters, such as "stein (lam 1000)"."""
    values = [f"{key} {getattr(metric, key):.4g}" for key in metric.parameters]
    return f"{name} ({', '.join(values)})" if values else name


def measure_in(
    metrics: Mapping[str, MetricOf], path: torch.Tensor, rule: Quadrature, measure: MeasureIn
) -> InMetrics:
    """Energy and length of `path` [pairs, points, *shape] in each of `metrics`, on the quadrature
    `rule`.

    `measure(path, rule, metric_of)`: as a problem's, which knows each path's field. Costs about
    `rule.evaluations(points)` score evaluations a path and metric, none for the Euclidean; what was
    spent is counted.
    """
    counters: list[CountingScore] = []

    def counted(make: MetricOf) -> MetricOf:
        def of(field: ScoreField) -> AbstractMetric:
            counters.append(CountingScore(field.score))
            return make(ScoreField(counters[-1], field.sigma))

        return of

    with torch.no_grad():
        found = {name: measure(path, rule, counted(make)) for name, make in metrics.items()}
    return InMetrics(found, sum(counter.count for counter in counters))

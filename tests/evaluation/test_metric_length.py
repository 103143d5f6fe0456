"""Energies and lengths in several metrics, on a Gaussian whose score is known, and
what they cost.
"""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.evaluation.metric_length import default_metric, describe, measure_in
from scoregeo.evaluation.settings import METRICS
from scoregeo.metric.base import AbstractMetric, PathMeasure
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField


class Gaussian(AbstractScore):
    """`s(x) = -x / sigma^2`: of a point blurred by sigma."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return -x / sigma**2


FIELD = ScoreField(CountingScore(Gaussian()), sigma=1.0)
# From (0, 0) to (2, 0), straight out: log p falls by 2.
PATH = torch.stack(
    [torch.linspace(0, 2, 401, dtype=torch.float64), torch.zeros(401, dtype=torch.float64)], 1
)[None]


def measured(path: torch.Tensor, rule: Quadrature, metric_of: object) -> PathMeasure:
    assert callable(metric_of)
    metric: AbstractMetric = metric_of(FIELD)
    return metric.measure(path, rule)


def test_closed_forms_on_a_ray_of_a_gaussian() -> None:
    metrics = {name: lambda field, name=name: default_metric(name, field) for name in METRICS}
    found = measure_in(metrics, PATH, Quadrature("trapezoid", 2), measured).measures
    lengths = {name: float(one.length) for name, one in found.items()}
    assert lengths["euclidean"] == pytest.approx(2.0, rel=1e-12)
    # sqrt(1 + lam x^2) over 0 to 2, lam 1000.
    x = torch.linspace(0, 2, 200001, dtype=torch.float64)
    assert lengths["stein"] == pytest.approx(
        float(torch.trapezoid((1 + 1000 * x**2).sqrt(), x)), rel=1e-3
    )  # steps of 0.005
    # The score's Jacobian is -1: g = (1 + eps) along the ray, eps 1e-3.
    assert lengths["pullback"] == pytest.approx(2 * 1.001**0.5, rel=1e-6)
    # 1 / p up to the factor at the origin: exp(x^2 / 2).
    assert lengths["conformal"] == pytest.approx(
        float(torch.trapezoid((x**2 / 2).exp(), x)), rel=1e-4
    )
    for name, one in found.items():
        assert float(one.energy) >= lengths[name] ** 2 / 2 * (1 - 1e-12)  # Cauchy and Schwarz


def test_evaluations_are_counted_and_the_flat_metric_costs_none() -> None:
    rule, before = Quadrature("trapezoid", 4), FIELD.score.count  # type: ignore[attr-defined]
    flat = measure_in(
        {"euclidean": lambda field: default_metric("euclidean", field)}, PATH, rule, measured
    )
    assert flat.score_evaluations == 0
    stein = measure_in(
        {"stein": lambda field: default_metric("stein", field)}, PATH, rule, measured
    )
    assert stein.score_evaluations == 400 * 4 + 1
    assert FIELD.score.count - before == 400 * 4 + 1  # type: ignore[attr-defined]


def test_names_and_parameters() -> None:
    assert [describe(name, default_metric(name, FIELD)) for name in METRICS] == [
        "stein (lam 1000)",
        "pullback (eps 0.001)",
        "conformal (alpha 1)",
        "euclidean",
    ]
    with pytest.raises(ConfigError, match=r"evaluation\.metrics = 'fisher'"):
        default_metric("fisher", FIELD)

"""The table of what serves what is what the solvers do."""

from collections.abc import Callable

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.metric.base import AbstractMetric
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.field import ScoreField
from scoregeo.solver.adam import Adam
from scoregeo.solver.base import AbstractSolver
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.georce import Georce
from scoregeo.solver.lbfgs import LBFGS
from scoregeo.solver.serving import SERVES
from scoregeo.solver.string_method import StringMethod
from tests.fields import mixture, wavy

FIELD = ScoreField(mixture(), 1.0)
METRICS: dict[str, AbstractMetric] = {
    "stein": SteinMetric(FIELD, 1.0),
    "pullback": PullbackMetric(FIELD),
    "conformal": ConformalMetric(FIELD, 0.3),
    "euclidean": EuclideanMetric(FIELD),
}
SOLVERS: dict[str, Callable[[int], AbstractSolver]] = {
    "gauss_newton": GaussNewton,
    "georce": Georce,
    "string_method": StringMethod,
    "lbfgs": LBFGS,
    "adam": lambda points: Adam(points, iterations=20),
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_couple_works_or_is_refused_before_any_work(solver: str, metric: str) -> None:
    assert set(SERVES) == set(SOLVERS)
    start = linear(wavy(2), 9)
    if metric in SERVES[solver]:
        solution = SOLVERS[solver](9).solve(METRICS[metric], start)
        assert solution.path.isfinite().all() and torch.equal(
            solution.path[:, [0, -1]], start[:, [0, -1]]
        )
        if solution.history:
            assert float(solution.history[-1].energy) <= float(solution.history[0].energy)
    else:
        with pytest.raises(ConfigError, match=f"'{solver}' does not serve metric = '{metric}'"):
            SOLVERS[solver](9).check(METRICS[metric])


def test_the_refusal_names_every_couple_that_works() -> None:
    with pytest.raises(ConfigError) as caught:
        Georce().check(METRICS["pullback"])
    message = str(caught.value)
    for solver, metrics in SERVES.items():
        assert f"solver={solver} with metric={', '.join(metrics)}" in message


def test_the_flat_metric_gives_the_straight_line() -> None:
    start = linear(wavy(2), 9)
    bent = start.clone()
    bent[:, 1:-1] += torch.linspace(-0.3, 0.4, 7, dtype=torch.float64)[None, :, None]
    for solver in (GaussNewton(9), Georce(9), LBFGS(9, tolerance=1e-12)):
        solution = solver.solve(METRICS["euclidean"], bent)
        # The energy's Hessian in these solvers' coordinates is the identity: the minimum is one
        # step away, to rounding.
        torch.testing.assert_close(solution.path, start, rtol=0, atol=1e-9)
        assert solution.score_evaluations.sum() == 0

"""Hard landscapes: several starts come near the best energy that SciPy finds."""

from functools import cache

import numpy as np
import pytest
import torch

import scoregeo
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.modes import ModesInitializer
from scoregeo.initializer.perturbed import PerturbedInitializer
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import Solution
from tests.solver.mixtures import FINE, Landscape, landscape, reference

RULE = Quadrature("trapezoid", FINE)
POINTS = 32
HARD = 7  # one start: 1.19 times the best energy
# What `reference` gives of the landscapes below, in a minute; the tests compute HARD's anew.
BEST = {
    1: 205042.4,
    3: 3860.004,
    5: 1473814,
    7: 25988.76,
    9: 315.2241,
    11: 12.19894,
    13: 82087.77,
    15: 194.4988,
    17: 254261.6,
    19: 28708.27,
    21: 551515.4,
    23: 106238.1,
}
STARTS = {
    "lerp": LerpInitializer(),
    "modes": ModesInitializer(),
    "graph": GraphInitializer(400, cache=False),
    "bent": PerturbedInitializer(0.3, seed=0),
    "more bent": PerturbedInitializer(0.5, seed=1),
    "otherwise bent": PerturbedInitializer(0.3, seed=2),
}


def metric_of(case: Landscape) -> SteinMetric:
    return SteinMetric(ScoreField(case.score, case.sigma), case.lam)


def solved(case: Landscape) -> Solution:
    return scoregeo.geodesic(
        case.score,
        *case.ends,
        case.sigma,
        lam=case.lam,
        num_points=POINTS,
        starts=STARTS,
        references=case.draws(400),
    )


@cache
def ratio(number: int) -> float:
    """The energy of several starts over SciPy's, both on the fine rule."""
    case = landscape(number)
    found = solved(case)
    energy = float(metric_of(case).energy(found.path, RULE))
    straight = float(metric_of(case).energy(linear(case.ends[None], POINTS), RULE))
    assert energy <= straight
    return energy / BEST[number]


def test_the_reference_is_measured_as_the_metric_is() -> None:
    """SciPy's energy is of exact log densities, the metric's of integrals of the score."""
    case = landscape(4)
    least, path = reference(case, 17)
    assert float(metric_of(case).energy(torch.tensor(path)[None], RULE)) == pytest.approx(
        least, rel=1e-2
    )
    np.testing.assert_allclose(path[[0, -1]], case.ends.numpy())


@pytest.mark.slow
def test_several_starts_where_one_fails() -> None:
    case = landscape(HARD)
    least, _ = reference(case, POINTS)
    assert BEST[HARD] == pytest.approx(least, rel=1e-3)
    assert ratio(HARD) < 1.01
    one = scoregeo.geodesic(case.score, *case.ends, case.sigma, lam=case.lam, num_points=POINTS)
    assert float(metric_of(case).energy(one.path, RULE)) > 1.05 * least


@pytest.mark.slow
def test_a_family_of_landscapes() -> None:
    """One start comes within 1 % in one of these twelve; several, when they were first measured, in
    ten, which this holds. In 15 and 19 every start ends 2 and 5 % above the best energy.
    """
    ratios = {number: ratio(number) for number in range(1, 24, 2)}
    assert sum(one < 1.01 for one in ratios.values()) >= 10, ratios


def test_all_evaluations_are_counted() -> None:
    case = landscape(4)
    counted = CountingScore(case.score)
    found = scoregeo.geodesic(
        counted, *case.ends, case.sigma, lam=case.lam, num_points=17, starts=("lerp", "modes")
    )
    spent = found.score_evaluations + found.certificate_evaluations
    assert int(spent.sum()) == counted.count
    assert found.history[-1].score_evaluations.tolist() == found.score_evaluations.tolist()
    assert found.start in (("lerp",), ("modes",))

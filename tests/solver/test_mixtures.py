"""Hard landscapes: several starts come near the best energy that SciPy finds."""

from functools import cache

import numpy as np
import pytest
import torch

import scoregeo
from experiments.benchmark.landscapes import (
    NEAR,
    POINTS,
    RULE,
    energy_of,
    from_one,
    from_several,
    metric_of,
)
from experiments.benchmark.mixtures import landscape, reference
from scoregeo.path.interpolation import linear
from scoregeo.score.base import CountingScore

HARD = 7  # one start: 1.10 times the best energy


@cache
def least(number: int) -> float:
    """SciPy's energy."""
    return reference(landscape(number), POINTS)[0]


def ratio(number: int) -> float:
    """The energy of several starts over SciPy's, both on the fine rule."""
    case = landscape(number)
    energy = energy_of(case, from_several(case))
    straight = float(metric_of(case).energy(linear(case.ends[None], POINTS), RULE))
    assert energy <= straight
    return energy / least(number)


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
    assert ratio(HARD) < NEAR
    case = landscape(HARD)
    assert energy_of(case, from_one(case)) > 1.05 * least(HARD)


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

"""A leap over a valley is found, and a resolved path is left alone."""

import pytest
import torch

from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import CONVERGED
from scoregeo.solver.certificate import certify
from scoregeo.solver.gauss_newton import GaussNewton
from tests.fields import MixtureScore, arcs, shell_field, wavy

LAM, SIGMA = 10.0, 0.3
TWO = MixtureScore(torch.tensor([[-2.0, 0.0], [2.0, 0.0]], dtype=torch.float64))
ENDS = TWO.centres[None]


def test_one_segment_over_a_valley_is_a_leap() -> None:
    metric, rule = SteinMetric(ScoreField(TWO, SIGMA), LAM), Quadrature()
    path = linear(ENDS, 2)
    own = metric.energy(path, rule)
    # Both ends are maxima of the density: the rule sees the chord alone.
    assert float(own) == pytest.approx(8.0, rel=1e-6)
    found = certify(metric, path, own, rule)
    assert found.tunnelled.tolist() == [True]
    # On four parts of length 1 the score is 0, -1/v, 0, 1/v, 0 with v = SIGMA^2 + 0.3^2 (the other
    # Gaussian is 1e-9 of it), so that each log-density difference is 1 / (2 v) in size, and E = (16
    # + lam 4 (4 / (2 v)^2)) / 2.
    assert float(found.energy) == pytest.approx(8 + 2 * LAM / (SIGMA**2 + 0.09) ** 2, rel=1e-6)
    assert found.evaluations == 5


def test_the_same_line_resolved_is_not() -> None:
    # It crosses the valley, and is charged for it: dear, but no leap.
    metric, rule, gaps = SteinMetric(ScoreField(TWO, SIGMA), LAM), Quadrature(), []
    for points in (33, 65):
        path = linear(ENDS, points)
        own = metric.energy(path, rule)
        found = certify(metric, path, own, rule)
        assert found.tunnelled.tolist() == [False]
        gaps.append(abs(float(found.energy / own) - 1))
    # What the finer rule finds is the trapezoid rule's error, of order 2.
    assert gaps[0] < 0.05 and gaps[1] < gaps[0] / 3


def test_only_the_pair_that_leaps_is_named() -> None:
    metric, rule = SteinMetric(ScoreField(TWO, SIGMA), LAM), Quadrature()
    near = torch.tensor(
        [[[-1.9, 0.0], [-1.7, 0.1]]], dtype=torch.float64
    )  # down one flank, where the score is linear
    path = torch.cat([linear(near, 2), linear(ENDS, 2)])
    found = certify(metric, path, metric.energy(path, rule), rule)
    assert found.tunnelled.tolist() == [False, True]


def test_counts_its_evaluations_and_none_on_the_flat_metric() -> None:
    counted = CountingScore(TWO)
    metric, rule = SteinMetric(ScoreField(counted, SIGMA), LAM), Quadrature("trapezoid", 2)
    path = linear(ENDS, 9).repeat(3, 1, 1)
    found = certify(metric, path, torch.ones(3, dtype=torch.float64), rule)
    assert counted.count == 3 * found.evaluations == 3 * (8 * 8 + 1)
    flat = EuclideanMetric()
    straight = linear(wavy(2), 5)
    assert certify(flat, straight, flat.energy(straight, rule), rule).evaluations == 0


def test_a_solution_says_that_it_tunnels_and_that_a_resolved_one_does_not() -> None:
    metric = SteinMetric(ScoreField(TWO, SIGMA), LAM)
    leap = GaussNewton(2).solve(metric, linear(ENDS, 2))
    assert (
        leap.tunnelled.tolist() == [True]
        and "tunnels" in leap.reason[0]
        and "solver.subnodes" in leap.reason[0]
    )
    ends, _ = arcs(2, 0.5, 1.0)
    held = GaussNewton(65, subnodes=2).solve(SteinMetric(shell_field(0.1), 100.0), linear(ends, 65))
    assert held.status == (CONVERGED, CONVERGED) and not held.tunnelled.any()
    assert ((held.certified_energy / held.energy - 1).abs() < 0.05).all()

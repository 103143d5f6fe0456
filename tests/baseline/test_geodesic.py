"""Geodesics of other metrics as rows: what the solver itself finds, in the metrics
that it serves.
"""

from functools import partial

import pytest
import torch

from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.seed import generator
from scoregeo.baseline.base import Ends
from scoregeo.baseline.geodesic import MetricGeodesic
from scoregeo.dataset.sphere import Sphere
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.resampling import arc_length
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import sphere_score
from scoregeo.solver.gauss_newton import GaussNewton
from scoregeo.solver.lbfgs import LBFGS
from tests.commands import PLAIN

DATASET = Sphere(num_pairs=3, max_angle=1.5)


def ends() -> Ends:
    field = sphere_score(DATASET, 0, sigma=0.2)
    clean = DATASET.pairs(0).ends
    return Ends(clean, clean, ScoreField(CountingScore(field.score), field.sigma))


def test_it_is_the_solver_s_own_geodesic_and_counts_alike() -> None:
    given = ends()
    baseline = MetricGeodesic(
        partial(ConformalMetric, alpha=0.5), LBFGS(num_points=99, max_iterations=60)
    )
    found = baseline.path(given, 12, generator(0, "x"))
    counted = given.field.score.count  # type: ignore[attr-defined]
    alone = LBFGS(num_points=12, max_iterations=60).solve(
        ConformalMetric(given.field, 0.5), linear(given.lifted, 12)
    )
    assert torch.equal(found.path, alone.path) and found.status == alone.status
    assert torch.equal(found.score_evaluations, alone.score_evaluations)
    # The certificate's evaluations are the caller's own check, not the price of the path.
    assert int(found.score_evaluations.sum()) <= counted


def test_a_dense_region_draws_the_conformal_path_to_the_sphere() -> None:
    given = ends()
    found = (
        MetricGeodesic(partial(ConformalMetric, alpha=1.0), LBFGS())
        .path(given, 24, generator(0, "x"))
        .path
    )
    straight = linear(given.clean, 24)
    off, before = (
        DATASET.distance(path.flatten(0, 1)).reshape(3, 24).amax(1) for path in (found, straight)
    )  # type: ignore[union-attr]
    assert bool((off < before).all()) and bool((arc_length(found) > arc_length(straight)).all())


def test_in_a_flat_metric_it_is_the_straight_line() -> None:
    given = ends()
    found = MetricGeodesic(EuclideanMetric, GaussNewton()).path(given, 9, generator(0, "x"))
    assert torch.equal(found.path, linear(given.clean, 9)) and found.status == ("converged",) * 3


@pytest.mark.parametrize("option", ["pullback", "conformal"])
def test_the_option_runs_beside_the_run_s_own_metric(option: str) -> None:
    config, _ = compose(
        [
            "dataset.num_pairs=2",
            "solver.num_points=8",
            f"baseline=[{option}]",
            "score.sigma=0.2",
            *PLAIN,
        ]
    )
    problem = InterpolationProblem(build(config))
    outcome = problem.methods()[option](None)
    assert outcome.path.shape == (2, 8, 3) and bool((outcome.score_evaluations > 0).all())
    assert torch.equal(outcome.path[:, [0, -1]], problem.clean)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="'gauss_newton' does not serve metric = 'pullback'"):
        MetricGeodesic(PullbackMetric, GaussNewton())
    config, _ = compose(["baseline=[pullback]", "baseline.pullback.metric.eps=-1", *PLAIN])
    with pytest.raises(ConfigError, match=r"metric\.eps = -1.*baseline\.pullback"):
        build(config)
    given = ends()
    same = Ends(given.clean[:, [0, 0]], given.clean[:, [0, 0]], given.field)
    with pytest.raises(DataError, match="ends of pair 0 are equal"):
        MetricGeodesic(EuclideanMetric, GaussNewton()).path(same, 9, generator(0, "x"))

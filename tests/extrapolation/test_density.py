"""Density geodesics as an initial-value problem: against scipy, against the boundary-value form,
and where the score fails.
"""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from scoregeo._utils.errors import ConfigError
from scoregeo.baseline.density_geodesic import DensityGeodesic
from scoregeo.extrapolation.density import Density
from scoregeo.metric.conformal import ConformalMetric
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from tests.baseline.cases import between, draws, field
from tests.extrapolation.test_paper import Pull, line, stein

RULE = Quadrature()
ALPHA = 0.5
STIFF = [1.0, 3.0]


def gap(points: np.ndarray, curve: np.ndarray) -> float:
    return float(np.linalg.norm(points[:, None] - curve, axis=2).min(1).max())


def test_it_is_the_conformal_metrics_geodesic() -> None:
    """The full equation x'' = -Gamma(x', x'), by scipy, runs through the same points at another
    speed.
    """
    score = Pull(STIFF)
    metric = ConformalMetric(ScoreField(score, 1.0), alpha=ALPHA)
    path = line([-0.3, 1.3], [0.6, 1.0])

    def flow(_: float, state: np.ndarray) -> np.ndarray:
        x, v = torch.from_numpy(state[None, :2].copy()), torch.from_numpy(state[None, 2:].copy())
        return np.concatenate([state[2:], -metric.christoffel(x, v, v)[0].numpy()])

    begin = np.concatenate([path[0, -1].numpy(), (path[0, -1] - path[0, 0]).numpy()])
    curve = (
        solve_ivp(flow, (0, 6), begin, rtol=1e-10, atol=1e-12, dense_output=True)
        .sol(np.linspace(0, 6, 200_001))[:2]
        .T
    )
    before = path.clone()
    found = Density(alpha=ALPHA).extend(stein(score), path, torch.ones(1), 33, RULE)
    assert torch.equal(path, before)
    # The curve is known at steps of 3e-5; Runge-Kutta is far better.
    assert gap(found.path[0].numpy(), curve) < 3e-5
    assert gap(line([0.6, 1.0], [1.5, 0.7])[0, -1:].numpy(), curve) > 0.1


def test_its_order_is_four() -> None:
    path, score = line([-0.3, 1.3], [0.6, 1.0]), Pull(STIFF)
    ends = [
        Density(alpha=ALPHA, substeps=n)
        .extend(stein(score), path, torch.full((1,), 2.0), 5, RULE)
        .path[0, -1]
        for n in (1, 2, 4, 32)
    ]
    errors = np.array([float((end - ends[-1]).norm()) for end in ends[:-1]])
    assert (np.log2(errors[:-1] / errors[1:]) > 3.5).all(), errors


def test_shot_from_a_boundary_value_path_it_comes_back_to_its_end() -> None:
    """The two forms are one curve: the relaxed path's first half, continued, is its second half."""
    of = field(STIFF)
    settings = {
        "alpha": ALPHA,
        "levels": 6,
        "iterations": 700,
        "learning_rate": 2.0,
        "sphere": False,
        "tolerance": 1e-4,
    }
    whole = DensityGeodesic(**settings).path(between([1.5, 0.3], [-0.8, 1.2], of), 65, draws()).path  # type: ignore[arg-type]
    half, rest = whole[:, :33], whole[:, 32:]
    lengths = [part.diff(dim=1).norm(dim=2).sum(1) for part in (half, rest)]
    found = Density(alpha=ALPHA, substeps=4).extend(
        SteinMetric(of, 1.0), half, lengths[1] / lengths[0], 33, RULE
    )
    off = (found.path[0, -1] - rest[0, -1]).norm()
    straight = (half[0, -1] + (half[0, -1] - half[0, -2]) * 32 - rest[0, -1]).norm()
    assert straight > 0.3
    # The last segment is half a step behind the velocity: the end is off by a 64th or so of what
    # the path turns away by.
    assert off < straight / 16


def test_without_a_pull_across_it_is_straight_and_evenly_spaced() -> None:
    """A Gaussian's score on a line through its centre lies along the line."""
    found = Density(alpha=0.1).extend(
        stein(Pull([1.0, 1.0])), line([0, 0], [3.0, 4.0]), torch.tensor([0.5]), 6, RULE
    )
    torch.testing.assert_close(
        found.path, linear(torch.tensor([[[3.0, 4.0], [4.5, 6.0]]]).double(), 6), atol=1e-13, rtol=0
    )  # rounding


def test_on_a_sphere_it_keeps_its_norm_and_an_isotropic_density_gives_the_great_circle() -> None:
    path = (
        2
        * torch.stack(
            [torch.linspace(0, 0.5, 65).double().cos(), torch.linspace(0, 0.5, 65).double().sin()],
            1,
        )[None]
    )
    found = Density(alpha=0.7, sphere=True, substeps=20).extend(
        stein(Pull([1.0, 1.0])), path, torch.ones(1), 9, RULE
    )
    torch.testing.assert_close(
        found.path.norm(dim=2), torch.full((1, 9), 2.0).double(), atol=1e-14, rtol=0
    )
    angle = torch.linspace(0.5, 1.0, 9, dtype=torch.float64)
    exact = 2 * torch.stack([angle.cos(), angle.sin()], 1)[None]
    # The polygon is shorter than its arc by 1e-5 / 4 of it; steps put back to the circle lose
    # (1/160)^2 / 12 each way.
    torch.testing.assert_close(found.path, exact, atol=1e-4, rtol=0)


def test_rows_do_not_know_of_each_other_and_count_what_was_asked() -> None:
    score = CountingScore(Pull(STIFF))
    path = torch.cat([line([-0.3, 1.3], [0.6, 1.0]), line([0.3, -1.0], [0.6, 0.4])])
    reach = torch.tensor([0.5, 1.0], dtype=torch.float64)
    found = Density(alpha=ALPHA, substeps=2).extend(stein(score), path, reach, 6, RULE)
    assert found.score_evaluations.tolist() == [4 * 2 * 5] * 2 and score.count == 80
    assert found.status == ("complete",) * 2
    torch.testing.assert_close(found.reached, torch.ones(2, dtype=torch.float64))
    assert torch.equal(found.path[:, 0], path[:, -1])
    for i in range(2):
        alone = Density(alpha=ALPHA, substeps=2).extend(
            stein(score), path[i : i + 1], reach[i : i + 1], 6, RULE
        )
        torch.testing.assert_close(found.path[i], alone.path[0], atol=1e-14, rtol=0)
    lengths = found.path.diff(dim=1).norm(dim=2)
    wanted = reach * path.diff(dim=1).norm(dim=2).sum(1)
    assert (lengths.sum(1) < wanted * (1 + 1e-12)).all() and (
        lengths.sum(1) > 0.95 * wanted
    ).all()  # chords cut corners


def test_a_bad_score_stops_its_row_only() -> None:
    path = torch.cat([line([0, 0], [1.0, 0]), line([0, 0], [-1.0, 0])])
    found = Density().extend(stein(Pull([0.0, 1.0], wall=1.55)), path, torch.ones(2), 11, RULE)
    assert found.status == ("failed", "complete")
    # Steps of 0.1 from 1: the sixth asks for the score at 1.55 (with rounding) or at 1.6.
    torch.testing.assert_close(
        found.reached, torch.tensor([0.5, 1.0], dtype=torch.float64), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(
        found.path[:, -1, 0], torch.tensor([1.5, -2.0], dtype=torch.float64), atol=1e-12, rtol=0
    )
    assert found.path.isfinite().all()


def test_all_rows_may_fail() -> None:
    found = Density().extend(
        stein(Pull([0.0, 1.0], wall=0.5)), line([0, 0], [1.0, 0]), torch.ones(1), 4, RULE
    )
    assert found.status == ("failed",) and found.reached.tolist() == [0]
    assert torch.equal(found.path, torch.tensor([1.0, 0.0], dtype=torch.float64).expand(1, 4, 2))


def test_a_path_without_a_last_direction_fails_at_once() -> None:
    resting = torch.cat([line([0, 0], [1.0, 0]), torch.tensor([[[1.0, 0.0]]]).double()], 1)
    found = Density().extend(stein(Pull(STIFF)), resting, torch.ones(1), 4, RULE)
    assert found.status == ("failed",) and found.score_evaluations.tolist() == [0]


@pytest.mark.parametrize(
    ("key", "value"), [("alpha", 0.0), ("alpha", float("nan")), ("substeps", 0), ("sphere", "no")]
)
def test_bad_settings_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"extrapolation\.density\.{key} = {value!r}"):
        Density(**{key: value})  # type: ignore[arg-type]


def test_a_metric_without_a_score_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a score"):
        Density().extend(EuclideanMetric(), line([0, 0], [1.0, 0]), torch.ones(1), 4, RULE)

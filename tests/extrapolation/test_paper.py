"""The paper's steps: where the answer is known, and where the score fails."""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.extrapolation.paper import Paper
from scoregeo.extrapolation.straight import Straight
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import arcs, shell_field, wavy

RULE = Quadrature()


class Pull(AbstractScore):
    """`-stiffness * x`, coordinate by coordinate; NaN where the first is beyond `wall`."""

    def __init__(self, stiffness: list[float], wall: float = math.inf) -> None:
        self.stiffness, self.wall = torch.tensor(stiffness, dtype=torch.float64), wall

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.stiffness),)

    def _score(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.where(x[:, :1] > self.wall, torch.nan, -self.stiffness * x)


def stein(score: AbstractScore) -> SteinMetric:
    return SteinMetric(ScoreField(score, 1.0), 1000.0)


def line(first: list[float], second: list[float], points: int = 11) -> torch.Tensor:
    return linear(torch.tensor([[first, second]], dtype=torch.float64), points)


def test_without_a_score_it_goes_straight_on() -> None:
    path, reach = wavy(9, 4).repeat(2, 1, 1), torch.tensor([1.0, 0.3], dtype=torch.float64)
    still, unheard = stein(Pull([0.0] * 4)), stein(Pull([3.0, 1.0, 2.0, 5.0]))
    for method, metric in ((Paper(score_weight=5.0), still), (Paper(score_weight=0.0), unheard)):
        found = method.extend(metric, path, reach, 6, RULE)
        exact = Straight().extend(metric, path, reach, 6, RULE)
        # Sums of steps against one product: rounding only.
        torch.testing.assert_close(found.path, exact.path, atol=1e-13, rtol=0)
        assert found.status == ("complete",) * 2 and found.reached.tolist() == [1, 1]


def test_a_score_along_the_way_changes_nothing() -> None:
    """A Gaussian pulls a line through its centre straight back: the part along the way is taken
    out.
    """
    found = Paper(score_weight=1.0).extend(
        stein(Pull([1.0, 1.0])), line([0, 0], [3.0, 4.0]), torch.ones(1), 5, RULE
    )
    exact = line([3.0, 4.0], [6.0, 8.0], 5)
    torch.testing.assert_close(found.path, exact, atol=1e-13, rtol=0)  # rounding of ten steps


def test_one_step_is_the_formula() -> None:
    """Along x at height 0.1 over the ridge y = 0: the correction is (0, -1), whatever the
    stiffness.
    """
    weight, momentum = 0.5, 0.25
    path = line([0, 0.1], [1.0, 0.1])
    found = Paper(momentum, weight).extend(
        stein(Pull([0.0, 7.0])), path, torch.tensor([0.2], dtype=torch.float64), 3, RULE
    )
    h = 0.1
    first = torch.tensor([1.0, -weight], dtype=torch.float64) / math.hypot(1, weight)
    x1 = torch.tensor([1.0, 0.1], dtype=torch.float64) + h * first
    v = momentum * torch.tensor([1.0, 0.0], dtype=torch.float64) + (1 - momentum) * first
    v = v / v.norm()
    assert (
        float((x1 + h * v)[1]) > 0
    )  # predicted above the ridge still: the part of (0, -1) across v points down
    across = torch.stack([v[1], -v[0]])
    d = v + weight * across
    x2 = x1 + h * d / d.norm()
    torch.testing.assert_close(found.path[0, 1:], torch.stack([x1, x2]), atol=1e-14, rtol=0)
    assert found.score_evaluations.tolist() == [2]


def test_it_follows_a_circle_that_bends_less_than_its_limit() -> None:
    """Weight 0.1 turns by up to 0.075 a step; an arc of 1 in 32 steps turns by 0.031. It zigzags by
    less than weight * h.
    """
    ends, angles = arcs(3, 0.8, 1.2)
    u = torch.linspace(0, 2, 65, dtype=torch.float64)[None, :, None]
    a, b, t = ends[:, :1], ends[:, 1:], angles[:, None, None]
    circle = (((1 - u) * t).sin() * a + (u * t).sin() * b) / t.sin()
    metric = SteinMetric(shell_field(), 1000.0)
    found = Paper(momentum=0.25, score_weight=0.1).extend(
        metric, circle[:, :33], torch.ones(3), 33, RULE
    )
    h = angles / 32
    off = (found.path.norm(dim=-1) - 1).abs().amax(1)
    # The ridge of the blurred shell lies sigma^2 = 0.0025 within the sphere.
    assert (off < 0.0025 + 0.1 * h + h**2).all()
    assert (
        (found.path[:, -1] - circle[:, -1]).norm(dim=1) < 0.02 * angles
    ).all()  # the tangent is half a step behind: h / 2
    away = Straight().extend(metric, circle[:, :33], torch.ones(3), 33, RULE).path
    assert ((away[:, -1] - circle[:, -1]).norm(dim=1) > 0.3 * angles).all()


def test_each_row_goes_its_own_way() -> None:
    """A batch of reaches gives what each gives alone, at its own price."""
    score = CountingScore(Pull([0.5, 2.0, 1.0, 3.0]))
    path, reach = wavy(9, 4).repeat(3, 1, 1), torch.tensor([0.25, 0.55, 1.0], dtype=torch.float64)
    found = Paper().extend(stein(score), path, reach, 5, RULE)
    assert (
        found.score_evaluations.tolist() == [2, 5, 8] and score.count == 15
    )  # 8 segments: ceil(8 reach)
    for i in range(3):
        alone = Paper().extend(stein(score), path[:1], reach[i : i + 1], 5, RULE)
        torch.testing.assert_close(found.path[i], alone.path[0], atol=1e-14, rtol=0)
    lengths = found.path.diff(dim=1).norm(dim=-1).sum(1)
    whole = path.diff(dim=1).norm(dim=-1).sum(1)
    assert (lengths <= reach * whole * (1 + 1e-12)).all() and (
        lengths > 0.95 * reach * whole
    ).all()  # resampling cuts corners


def test_a_bad_score_stops_its_row_only() -> None:
    path = torch.cat([line([0, 0], [1.0, 0]), line([0, 0], [-1.0, 0])])
    found = Paper().extend(stein(Pull([0.0, 1.0], wall=1.55)), path, torch.ones(2), 11, RULE)
    assert found.status == ("failed", "complete")
    # Steps of 0.1 from 1: the sixth asks for the score at 1.6.
    torch.testing.assert_close(
        found.reached, torch.tensor([0.5, 1.0], dtype=torch.float64), atol=1e-12, rtol=0
    )
    assert found.score_evaluations.tolist() == [6, 10]
    torch.testing.assert_close(
        found.path[:, -1, 0], torch.tensor([1.5, -2.0], dtype=torch.float64), atol=1e-12, rtol=0
    )


def test_a_score_bad_at_once_leaves_the_end() -> None:
    found = Paper().extend(
        stein(Pull([0.0, 1.0], wall=1.0)), line([0, 0], [1.0, 0]), torch.ones(1), 4, RULE
    )
    assert found.status == ("failed",) and found.reached.tolist() == [0]
    assert torch.equal(found.path, torch.tensor([1.0, 0.0], dtype=torch.float64).expand(1, 4, 2))


@pytest.mark.parametrize(
    ("key", "value"),
    [("momentum", 1.0), ("momentum", -0.1), ("score_weight", -1.0), ("score_weight", "x")],
)
def test_bad_settings_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"extrapolation\.paper\.{key} = {value!r}"):
        Paper(**{key: value})  # type: ignore[arg-type]


def test_a_metric_without_a_score_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a score"):
        Paper().extend(EuclideanMetric(), line([0, 0], [1.0, 0]), torch.ones(1), 4, RULE)

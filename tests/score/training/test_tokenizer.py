"""A tokenizer learned from few words, read by transformers' CLIPTokenizer."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import CLIPTokenizer

from scoregeo._utils.errors import ConfigError
from scoregeo.score.training.tokenizer import save_clip_tokenizer, train_clip_tokenizer

TEXTS = [
    "red apple",
    "green apple",
    "green heart",
    "clock face three-thirty",
    "red heart",
    "grapes",
    "great ape",
]


@pytest.fixture
def tokenizer() -> Any:
    return train_clip_tokenizer(TEXTS, merges=30, length=12)


def merge_by_hand(word: str, merges: list[list[str]]) -> list[str]:
    """Byte pairs of one plain word: the earliest merge first, wherever it fits."""
    parts = [*word[:-1], word[-1] + "</w>"]
    for first, second in merges:
        i = 0
        while i < len(parts) - 1:
            if (parts[i], parts[i + 1]) == (first, second):
                parts[i : i + 2] = [first + second]
            i += 1
    return parts


def test_words_become_the_pairs_that_were_learned(tokenizer: Any) -> None:
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    assert len(merges) == 30
    for word in ("apple", "green", "gap", "heathen", "x"):
        expected = ["<|startoftext|>", *merge_by_hand(word, merges), "<|endoftext|>"]
        assert tokenizer.convert_ids_to_tokens(tokenizer(word).input_ids) == expected
    assert len(tokenizer("apple").input_ids) == 3  # the commonest word is one token


def test_every_text_can_be_written_in_any_case(tokenizer: Any) -> None:
    for text in ("Zürich, 100 % q!", "日本", "'s"):
        ids = tokenizer(text).input_ids
        assert tokenizer.eos_token_id not in ids[1:-1]
        letters = "".join(tokenizer.decode(ids, skip_special_tokens=True).split())
        assert letters == "".join(text.lower().split())
    assert tokenizer("RED Apple").input_ids == tokenizer("red  apple").input_ids


def test_layout_is_clip_s(tokenizer: Any) -> None:
    assert len(tokenizer) == 512 + 30 + 2
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (
        542,
        543,
        543,
    )
    padded = tokenizer("red", padding="max_length", max_length=12, truncation=True).input_ids
    assert len(padded) == 12 and padded[0] == 542 and set(padded[-9:]) == {543}
    assert len(tokenizer("red " * 30, max_length=12, truncation=True).input_ids) == 12


@pytest.mark.parametrize("kept", ["tokenizer.json", "vocab.json"])
def test_transformers_reads_the_folder_back(tokenizer: Any, tmp_path: Path, kept: str) -> None:
    save_clip_tokenizer(tokenizer, tmp_path)
    if kept == "vocab.json":  # the files of older versions alone
        (tmp_path / "tokenizer.json").unlink()
    read = CLIPTokenizer.from_pretrained(str(tmp_path))
    assert read.model_max_length == 12
    for text in [*TEXTS, "Grape heart 12"]:
        assert read(text).input_ids == tokenizer(text).input_ids


def test_the_order_of_the_texts_plays_no_part() -> None:
    one, two = (train_clip_tokenizer(texts, 20, 8) for texts in (TEXTS, TEXTS[::-1] + TEXTS))
    assert one.get_vocab() == two.get_vocab()


def test_bad_settings_name_their_key() -> None:
    with pytest.raises(ConfigError, match="tokenizer.merges = -1"):
        train_clip_tokenizer(TEXTS, -1, 8)
    with pytest.raises(ConfigError, match="tokenizer.length = 2"):
        train_clip_tokenizer(TEXTS, 1, 2)


def test_the_same_texts_give_the_same_tokenizer() -> None:
    texts = [f"{a}{b}{c}" for a in "kqxz" for b in "aeiou" for c in "bdfg"]  # ties everywhere
    made = [train_clip_tokenizer(order, 60, 8).get_vocab() for order in (texts, texts[::-1], texts)]
    assert made[0] == made[1] == made[2]

"""A tokenizer of CLIP's kind for a small set of words: byte pairs learned from them, read by
transformers' own CLIPTokenizer.

Byte-pair encoding: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword
Units"; on bytes, lower case, an end-of-word mark and the vocabulary's layout as in CLIP (Radford et
al. 2021, section 2.4).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from scoregeo._utils.errors import check_number
from scoregeo._utils.files import write_json, write_text

_END = "</w>"  # of a word
START_TEXT, END_TEXT = "<|startoftext|>", "<|endoftext|>"


def train_clip_tokenizer(texts: Iterable[str], merges: int, length: int) -> Any:
    """A `CLIPTokenizer` with at most `merges` byte pairs learned from `texts`; prompts have at most
    `length` tokens.

    Its vocabulary is the 256 bytes, the 256 bytes that end a word, the pairs, and the two marks of
    a text: every text can be written with it.
    """
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer
    from transformers import CLIPTokenizer

    check_number("tokenizer.merges", merges, at_least=0, integer=True)
    check_number("tokenizer.length", length, at_least=3, integer=True)
    plain: Any = CLIPTokenizer().backend_tokenizer
    learner: Any = Tokenizer(BPE(end_of_word_suffix=_END, continuing_subword_prefix=""))
    learner.normalizer, learner.pre_tokenizer = plain.normalizer, plain.pre_tokenizer
    # Given first, in order: the trainer numbers what it finds in an order that changes from run to
    # run, and breaks ties between pairs by number.
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_and_ends = [*letters, *(letter + _END for letter in letters)]
    trainer: Any = BpeTrainer(
        vocab_size=len(bytes_and_ends) + merges,
        special_tokens=bytes_and_ends,
        end_of_word_suffix=_END,
        show_progress=False,
    )
    learner.train_from_iterator(sorted(set(texts)), trainer)
    pairs = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]][:merges]
    words = [
        *bytes_and_ends,
        *("".join(pair) for pair in pairs),
        START_TEXT,
        END_TEXT,
    ]
    return CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)},
        merges=cast(Any, pairs),
        model_max_length=length,
    )


def save_clip_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Save a tokenizer: transformers' own files, and `vocab.json` and `merges.txt` for its older
    versions.
    """
    tokenizer.save_pretrained(str(folder))
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    write_json(folder / "vocab.json", model["vocab"])
    write_text(
        folder / "merges.txt",
        "#version: 0.2\n" + "".join(f"{' '.join(pair)}\n" for pair in model["merges"]),
    )

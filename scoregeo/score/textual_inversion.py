"""Textual inversion (Gal et al. 2023): words of one vector or several, added to a pipeline's
vocabulary.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.errors import DataError
from scoregeo.score.tensor_file import read_tensors

_PARTS = {"clip_l": "", "clip_g": "_2"}  # in files for two encoders


@torch.no_grad()
def add_embeddings(path: Path, parts: Mapping[str, Any]) -> None:
    """Add the words in a `.safetensors` file to a pipeline's tokenizers and text encoders.

    A file holds `{word: vectors}` (diffusers), or `emb_params`, or `clip_l` and `clip_g` for two
    encoders, where the word is the file's name. A word of several vectors takes as many tokens;
    prompts have the word alone (`TextEncoder.expanded`).

    Raises DataError, naming the file, where it is missing or a pickle, where vectors fit no
    encoder, and where a word is in the vocabulary already.
    """
    tensors, _ = read_tensors(path, "score.embeddings")
    where = f"score.embeddings = {str(path)!r}"
    if not tensors:
        raise DataError(f"{where} holds no tensors.")
    if set(tensors) <= set(_PARTS):
        words = [(path.stem, _PARTS[key], value) for key, value in tensors.items()]
    else:
        words = [
            (path.stem if key == "emb_params" else key, "", value) for key, value in tensors.items()
        ]
    clips = {
        number
        for number in _PARTS.values()
        if str(getattr(parts.get(f"text_encoder{number}"), "config", None)).startswith("CLIP")
    }
    given = {number for _, number, _ in words}
    if not clips:
        raise DataError(f"{where}: the model has no CLIP text encoder.")
    if given != clips:
        needed = " and ".join(key for key, number in _PARTS.items() if number in clips)
        raise DataError(
            f"{where} holds {', '.join(tensors)}: this model needs vectors for each of its CLIP"
            f" encoders ({needed})."
        )
    for word, number, vectors in words:
        _add(where, word, vectors, parts[f"tokenizer{number}"], parts[f"text_encoder{number}"])


def _add(where: str, word: str, vectors: torch.Tensor, tokenizer: Any, encoder: Any) -> None:
    if not word.strip():  # added as a token, it would stand for another one
        raise DataError(f"{where}: the word {word!r} is blank: name the word.")
    vectors = vectors[None] if vectors.ndim == 1 else vectors
    width = encoder.get_input_embeddings().weight.shape[1]
    if vectors.ndim != 2 or vectors.shape[1] != width or not len(vectors):
        raise DataError(
            f"{where}: {word!r} has vectors of shape {tuple(vectors.shape)}, the text encoder's"
            f" have {width} numbers: an embedding of another model."
        )
    if not vectors.is_floating_point():
        raise DataError(f"{where}: {word!r} has vectors of {vectors.dtype}.")
    if not bool(vectors.isfinite().all()):
        raise DataError(f"{where}: {word!r} has vectors that are not finite.")
    tokens = [word, *(f"{word}_{number}" for number in range(1, len(vectors)))]
    known = tokenizer.get_vocab()
    taken = [token for token in tokens if token in known]
    if taken:
        raise DataError(
            f"{where}: {taken[0]!r} is in the model's vocabulary already: rename the word."
        )
    tokenizer.add_tokens(tokens)
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    table = encoder.get_input_embeddings().weight
    table[tokenizer.convert_tokens_to_ids(tokens)] = vectors.to(table)
    encoder.requires_grad_(False)

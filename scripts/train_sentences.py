"""Train the score network of the clock's sentences and write `scoregeo/assets/models/clock_mlp`:
the weights in float16 and a card with its error against the exact score.

    python scripts/train_sentences.py
"""

from functools import partial

import torch
from train_mlp import Recipe, read_arguments, write_model

from scoregeo._utils.seed import generator
from scoregeo.dataset.sentences import Sentences
from scoregeo.score.mlp_network import DenoisingLoss

NAME = "clock_mlp"
SIGMAS = (0.03, 1.0)
PLACES = ("shell", "clean", "chord")
LEVELS = (0.05, 0.1, 0.2, 0.4)
POINTS = 500
TEXT = """# {name}

A score network of the embeddings of the clock's 720 sentences (`scoregeo/assets/sentences`): points
[384], noise levels {sigma_min} to {sigma_max}; {parameters:,} parameters, weights in float16.

## Training

    python scripts/train_sentences.py --steps {steps} --width {width} --seed {seed}

Denoising score matching, {steps:,} steps of 720 points in {seconds:,} s of one CPU core shared with
other work.

## Error against the exact score

Of the same 720 points, blurred: 500 points a row, on the noise shell `x0 + sigma z`, at the
embeddings, and on straight chords between two of them. Medians of `|s - s*| / |s*|` and of the
cosine; mean lengths.

{table}

Where a geodesic at clean points passes, on chords, the network is within a quarter of the exact
score from sigma 0.2 on, and far from it at 0.1 and below: it has seen noisy points alone.

## Terms

As the embeddings: Apache License 2.0. SHA-256 of the weights in `card.json`, checked when they are
read.
"""


def points_at(sample: torch.Tensor, place: str, sigma: float) -> torch.Tensor:
    """Points [POINTS, 384] at which the score is tested."""
    rng = generator(0, f"probes {place} {sigma}")
    index = torch.randint(len(sample), (2, POINTS), generator=rng)
    if place == "shell":
        noise = torch.randn(POINTS, sample.shape[1], generator=rng, dtype=sample.dtype)
        return sample[index[0]] + sigma * noise
    if place == "clean":
        return sample[index[0]]
    share = torch.rand(POINTS, 1, generator=rng, dtype=sample.dtype)
    return torch.lerp(sample[index[0]], sample[index[1]], share)


def main() -> None:
    given = read_arguments(__doc__, NAME, steps=2500, width=256, lr=2e-3)
    dataset = Sentences("clock")
    sample = dataset.sample(9999, 0)
    recipe = Recipe(NAME, SIGMAS, LEVELS, PLACES, partial(points_at, sample), TEXT)
    write_model(recipe, given, sample, DenoisingLoss(dataset))


if __name__ == "__main__":
    main()

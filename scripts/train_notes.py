"""Train the score network of the notes and write `scoregeo/assets/models/notes_mlp`: the weights in
float16 and a card with its error against the exact score.

    python scripts/train_notes.py
"""

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from scoregeo._utils.files import save_tensors, sha256, write_json, write_text
from scoregeo._utils.seed import generator
from scoregeo.dataset.notes import Notes
from scoregeo.score.empirical import EmpiricalScore
from scoregeo.score.mlp_model import CARD, WEIGHTS, load_mlp
from scoregeo.score.mlp_network import Network, initialise
from scoregeo.score.model_folder import MODELS
from scoregeo.training.denoising import posterior_mean
from scoregeo.training.loop import TrainingSettings, train
from scoregeo.training.quality import score_error

NAME = "notes_mlp"
SIGMA_MIN, SIGMA_MAX = 1.0, 5.0
LEVELS = (1.0, 2.0, 4.0)
PLACES = {
    "shell": "on the noise shell `x0 + sigma z`",
    "clean": "at the notes",
    "between neighbours": "half-way between notes 20 cents apart",
    "blend": "convex combinations of three notes of an instrument within 100 cents",
    "held out": "at the pitches in between, which it has not seen",
    "chord": "on straight chords between any two",
}
POINTS = 400
NEARBY = 5  # pitches of the sample, on either side, that are blended: 100 cents
FLOOR = 1e-4
TEXT = """# {name}

A score network of the notes of `dataset=notes` (`scoregeo/assets/notes`), every second pitch:
{count} points [768], noise levels {sigma_min:g} to {sigma_max:g}; {parameters:,} parameters,
weights in float16.

## Training

    python scripts/train_notes.py --steps {steps} --width {width} --seed {seed}

{steps:,} steps in {seconds:,} s of one CPU core shared with other work. Regression on the exact
posterior mean of the {count} points, as for `digits_unet_ten`: 25 % of the inputs on the noise
shell, 10 % inside it, 25 % on chords between any two notes or two instruments at one pitch, 40 %
blends of three notes of one instrument within 100 cents, a little noise on the last three. The
squared error is divided by `mean((x - D)^2) + {floor:g} sigma^2`. A network that has seen the shell
alone is wrong where geodesics run.

## Error against the exact score

Of the same {count} points, at {points} points a row:

{places}

Medians of `|s - s*| / |s*|` and of the cosine; mean lengths.

{table}

Where geodesics run, at and between the notes, use sigma 2 or more: at 1, less than a third of the
distance between notes 20 cents apart, the network does not know the data from the gaps.

## Terms

As the notes: Apache License 2.0, from samples under the MIT licence. SHA-256 of the weights in
`card.json`, checked when they are read.
"""


class NotesLoss:
    """Regression of the denoiser on the exact posterior mean of the notes of a sample."""

    def __init__(self, sample: torch.Tensor, instruments: int, batch: int = 512) -> None:
        """`sample` [instruments * pitches, D], an instrument's pitches together in their order."""
        self.sample, self.batch = sample.float(), batch
        self.instruments, self.pitches = instruments, len(sample) // instruments

    def draw(
        self, rng: torch.Generator, between: tuple[float, float]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs [batch, D] and their noise levels [batch, 1]."""
        count = self.batch
        low, high = (math.log(level) for level in between)
        sigma = (low + (high - low) * torch.rand(count, 1, generator=rng)).exp()
        kind, reach, u, still = torch.rand(4, count, 1, generator=rng)
        instrument, other = torch.randint(self.instruments, (2, count), generator=rng)
        pitch, elsewhere = torch.randint(self.pitches, (2, count), generator=rng)
        one = self.sample[instrument * self.pitches + pitch]
        elsewhere = torch.where(kind[:, 0] < 0.5, elsewhere, pitch)
        chord = torch.lerp(one, self.sample[other * self.pitches + elsewhere], u)
        blend = self.blend(instrument, pitch, rng)
        x = torch.where(kind < 0.35, one, torch.where(kind < 0.6, chord, blend))
        inside = torch.where(kind < 0.35, 1.0, torch.where(kind < 0.6, 0.5, 0.2)) * reach
        level = torch.where(kind < 0.25, 1.0, inside * (still >= 0.25))
        return x + level * sigma * torch.randn(x.shape, generator=rng), sigma

    def blend(
        self, instrument: torch.Tensor, pitch: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Convex combinations [batch, D] of three notes within `NEARBY` pitches."""
        shape = (len(pitch), 3)
        arc = NEARBY * torch.rand(len(pitch), 1, generator=rng)
        step = (arc * (2 * torch.rand(shape, generator=rng) - 1)).round().long()
        weight = -torch.rand(shape, generator=rng).clamp(min=1e-12).log()  # uniform on the simplex
        near = (pitch[:, None] + step).clamp(0, self.pitches - 1)
        corner = self.sample[instrument[:, None] * self.pitches + near]
        return ((weight / weight.sum(1, keepdim=True))[..., None] * corner).sum(1)

    def __call__(self, model: Network, step: int, rng: torch.Generator) -> torch.Tensor:
        x, sigma = self.draw(rng, (model.sigma_min, model.sigma_max))
        clean = posterior_mean(x, self.sample, sigma)
        variance = sigma**2 + model.scale**2
        c_out = sigma * model.scale / variance.sqrt()
        denoised = model.scale**2 / variance * x + c_out * model(x, sigma)
        scale = (x - clean).square().mean(1) + FLOOR * sigma[:, 0] ** 2
        return ((denoised - clean).square().mean(1) / scale).mean()


def points_at(dataset: Notes, loss: NotesLoss, place: str, sigma: float) -> torch.Tensor:
    """Points [POINTS, D] at which the score is tested."""
    rng = generator(0, f"probes {place} {sigma}")
    sample = dataset.sample(9999, 0)
    index = torch.randint(len(sample), (2, POINTS), generator=rng)
    one = sample[index[0]]
    if place == "shell":
        return one + sigma * torch.randn(one.shape, generator=rng, dtype=one.dtype)
    if place == "held out":
        return dataset.held_out(POINTS, 0)
    if place == "between neighbours":
        inner = index[0] - (index[0] % loss.pitches == loss.pitches - 1).long()
        return (sample[inner] + sample[inner + 1]) / 2
    if place == "blend":
        return loss.blend(index[0] // loss.pitches, index[0] % loss.pitches, rng).double()
    if place == "chord":
        u = torch.rand(POINTS, 1, generator=rng, dtype=one.dtype)
        return torch.lerp(one, sample[index[1]], u)
    return one


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=MODELS / NAME)
    given = parser.parse_args()
    dataset = Notes()
    sample = dataset.sample(9999, 0)
    settings = {
        "size": sample.shape[1],
        "width": given.width,
        "depth": given.depth,
        "scale": round(float(sample.square().mean().sqrt()), 6),
        "sigma_min": SIGMA_MIN,
        "sigma_max": SIGMA_MAX,
    }
    network = Network(**settings)
    initialise(network, given.seed)
    loss = NotesLoss(sample, len(dataset.instruments))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        how = TrainingSettings(
            given.steps, lr=given.lr, cooldown=0.5, ema=0.995, seed=given.seed, log_every=100
        )
        average = train(network, loss, how, Path(folder))
    weights = {name: value.half() for name, value in average.state_dict().items()}
    save_tensors(given.out / WEIGHTS, weights)
    card: dict[str, Any] = {**settings} | {
        "sha256": sha256(given.out / WEIGHTS),
        "count": len(sample),
        "steps": given.steps,
        "lr": given.lr,
        "seed": given.seed,
        "seconds": round(time.perf_counter() - began),
        "parameters": sum(value.numel() for value in weights.values()),
    }
    write_json(given.out / CARD, card)
    score, exact = load_mlp(str(given.out)), EmpiricalScore(sample)
    rows: list[dict[str, Any]] = []
    for place in PLACES:
        for sigma in LEVELS:
            found = score_error(score, exact, points_at(dataset, loss, place, sigma), sigma)
            rows.append({"place": place, "sigma": sigma, **found.as_dict()})
    write_json(given.out / CARD, card | {"score_error": rows})
    keys = ("place", "sigma", "relative_error", "cosine", "length", "exact_length")
    head = ["points", "sigma", "relative error", "cosine", "mean length", "exact"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [f"{row[k]:.3g}" if isinstance(row[k], float) else str(row[k]) for k in keys]
        lines.append("| " + " | ".join(cells) + " |")
    text = TEXT.format(
        name=NAME,
        points=POINTS,
        floor=FLOOR,
        places="\n".join(f"- {name}: {where}" for name, where in PLACES.items()),
        table="\n".join(lines),
        **card,
    )
    write_text(given.out / "README.md", text)
    print(text)


if __name__ == "__main__":
    main()

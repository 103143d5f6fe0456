"""Train the score network of the notes and write `scoregeo/assets/models/notes_mlp`: the weights in
float16 and a card with its error against the exact score.

    python scripts/train_notes.py
"""

import math
from functools import partial

import torch
from train_mlp import Recipe, read_arguments, write_model

from scoregeo._utils.seed import generator
from scoregeo.dataset.notes import Notes
from scoregeo.score.mlp_network import Network
from scoregeo.score.training.denoising import posterior_mean

NAME = "notes_mlp"
SIGMAS = (1.0, 5.0)
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
squared error is divided by `mean((x - D)^2) + {floor} sigma^2`. A network that has seen the shell
alone is wrong where geodesics run.

## Error against the exact score

Of the same {count} points, at 400 points a row:

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
    given = read_arguments(__doc__, NAME, steps=4500, width=384, lr=1e-3)
    dataset = Notes()
    sample = dataset.sample(9999, 0)
    loss = NotesLoss(sample, len(dataset.instruments))
    listed = "\n".join(f"- {name}: {where}" for name, where in PLACES.items())
    text = TEXT.replace("{places}", listed).replace("{floor}", f"{FLOOR:g}")
    recipe = Recipe(NAME, SIGMAS, LEVELS, list(PLACES), partial(points_at, dataset, loss), text)
    write_model(recipe, given, sample, loss)


if __name__ == "__main__":
    main()

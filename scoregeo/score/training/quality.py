"""How good a learned score is: its denoising error on held-out data, and its error against an exact
score.
"""

from dataclasses import asdict, dataclass

import torch

from scoregeo.score.base import AbstractScore
from scoregeo.score.training.denoising import disturbed

HALF_WAY = "half-way over 10 degrees"
DISTURBED = "half-way, bent and shaded"
PLACES = ("shell", "clean", "chord, same digit", "chord, any digits", HALF_WAY, DISTURBED)


@dataclass(frozen=True)
class ScoreAccuracy:
    """A score s against the exact s*: medians over points of |s - s*| / |s*| and of their cosine,
    mean lengths of both.
    """

    relative_error: float
    length: float
    exact_length: float
    cosine: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def denoising_error(
    score: AbstractScore, clean: torch.Tensor, noise: torch.Tensor, sigma: float
) -> float:
    """Mean squared error per pixel of `D(x0 + sigma z, sigma)` against x0; clean and noise are
    [count, *shape].
    """
    with torch.no_grad():
        return float((score.denoise(clean + sigma * noise, sigma) - clean).square().mean())


def score_error(
    score: AbstractScore, exact: AbstractScore, x: torch.Tensor, sigma: float
) -> ScoreAccuracy:
    """Error of `score` at the points x [count, *shape]."""
    with torch.no_grad():
        learned, truth = (
            score.score(x, sigma).flatten(1).double(),
            exact.score(x, sigma).flatten(1).double(),
        )
    length, exact_length = learned.norm(dim=1), truth.norm(dim=1)
    cosine = (learned * truth).sum(1) / (length * exact_length)
    relative = (learned - truth).norm(dim=1) / exact_length
    return ScoreAccuracy(
        float(relative.median()),
        float(length.mean()),
        float(exact_length.mean()),
        float(cosine.median()),
    )


def probe_points(
    sample: torch.Tensor, rotations: int, place: str, count: int, sigma: float, rng: torch.Generator
) -> torch.Tensor:
    """Points [count, 1, 28, 28] where a score is to be tested, around a sample as `rotation_sample`
    makes it.

    shell: `a + sigma z`; clean: a; chord: `(1 - u) a + u b`, u uniform, b another rotation of a's
    digit or any other element; half-way: `(a + b) / 2`, b the same digit turned on by 10 degrees,
    where a geodesic cuts the inside of the curve of rotations; bent and shaded: those, `disturbed`
    by a share of 0.3, as where a geodesic leaves for other digits. `rotations`: steps of a full
    turn, a multiple of 36.
    """
    index = torch.randint(len(sample), (count,), generator=rng)
    start = sample[index]
    if place == "shell":
        return start + sigma * torch.randn(start.shape, generator=rng)
    if place == "clean":
        return start
    if place in {HALF_WAY, DISTURBED}:
        turned = index // rotations * rotations + (index + rotations // 36) % rotations
        middle = (start + sample[turned]) / 2
        return middle if place == HALF_WAY else disturbed(middle, torch.full((count,), 0.3), rng)
    other = torch.randint(len(sample), (count,), generator=rng)
    if place == "chord, same digit":
        other = index // rotations * rotations + other % rotations
    return torch.lerp(start, sample[other], torch.rand(count, 1, 1, 1, generator=rng))

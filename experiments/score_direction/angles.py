"""Angles and errors of a score on a sphere, at timesteps of the usual schedule."""

import math
from dataclasses import dataclass

import torch

from scoregeo.dataset.sphere import Sphere
from scoregeo.score.base import AbstractScore
from scoregeo.score.schedule import NoiseSchedule

# Where the score is asked, by its radius: on the sphere of radius 1, and apart from it
ON, INSIDE, OUTSIDE, UNSCALED = "on the sphere", "inside", "outside", "unscaled"
PLACES = (ON, INSIDE, OUTSIDE, UNSCALED)


def schedule() -> NoiseSchedule:
    """The linear schedule of DDPM: 1,000 steps, beta from 1e-4 to 0.02."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    return NoiseSchedule(torch.cumprod(1 - betas, 0))


def radius(place: str, sigma: float) -> float:
    """Of the points of `place`. "unscaled": a clean point given to a variance-preserving network as
    if it were noised, `x_t = x`, lies at `sqrt(1 + sigma^2)` in variance-exploding coordinates.
    """
    return {ON: 1.0, INSIDE: 0.9, OUTSIDE: 1.1, UNSCALED: math.sqrt(1 + sigma**2)}[place]


@dataclass(frozen=True)
class Angles:
    """`angle` [points]: between the score and x, in degrees, 0 (outward) to 180 (inward). `error`
    [points]: |score - exact| / |exact|.
    """

    angle: torch.Tensor
    error: torch.Tensor


@torch.no_grad()
def angles(
    score: AbstractScore, exact: AbstractScore, sphere: Sphere, place: str, sigma: float, count: int
) -> Angles:
    """Of `count` uniform points of the sphere, moved to the radius of `place`; one evaluation of
    each score a point.
    """
    x = sphere.sample(count, 0).double() * radius(place, sigma)
    found, truth = score.score(x, sigma), exact.score(x, sigma)
    u, v = (torch.nn.functional.normalize(one, dim=1) for one in (found, x))
    # accurate near 0 and 180 degrees too
    angle = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))
    return Angles(
        torch.rad2deg(angle),
        (found - truth).norm(dim=1) / truth.norm(dim=1),
    )

"""The problems that solvers are compared on: pairs, a score, and the straight line between the ends
as everyone's start.
"""

from dataclasses import dataclass, replace

import torch

from scoregeo._utils.errors import check_choice
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.base import AbstractScore
from scoregeo.score.diffusers_unet import load_unet_score
from scoregeo.score.field import ScoreField
from scoregeo.score.sphere import SphereScore
from scoregeo.score.torus import TorusScore

SIGMA = 0.05  # of the known manifolds
DIGIT_TIMESTEP = 200  # of 1000, at clean points: sigma 0.72
DIGIT_ANGLE = 60.0
SUBNODES, DIGIT_SUBNODES = 32, 4  # a segment
PROBLEMS = ("sphere", "torus", "sphere_r50", "digits")


@dataclass(frozen=True)
class Problem:
    """`start` [pairs, points, *shape], straight lines; the score and its noise level."""

    name: str
    score: AbstractScore
    sigma: float
    start: torch.Tensor

    @property
    def points(self) -> int:
        """Points of a path, both ends counted."""
        return self.start.shape[1]

    @property
    def rule(self) -> Quadrature:
        """On which every solver's energies are compared: fine enough to find all tunnelling, on
        digits as fine as the network's cost allows.
        """
        return Quadrature("trapezoid", DIGIT_SUBNODES if self.name == "digits" else SUBNODES)

    def metric(self, lam: float, score: AbstractScore | None = None) -> SteinMetric:
        """The Stein metric of the problem's score, or of another one around it that counts or
        times.
        """
        return SteinMetric(ScoreField(score or self.score, self.sigma), lam)

    def with_points(self, points: int) -> "Problem":
        """The same ends with another number of points."""
        return replace(self, start=linear(self.start[:, [0, -1]], points))


def problem(name: str, pairs: int, points: int, seed: int) -> Problem:
    """One of `PROBLEMS`: exact scores at sigma 0.05, and rotated digits at clean points with the
    shipped U-Net.
    """
    check_choice("problem", name, PROBLEMS)
    if name == "torus":
        ends = Torus(num_pairs=pairs).pairs(seed).ends
        return Problem(name, TorusScore(1.0, 0.4), SIGMA, linear(ends, points))
    if name == "digits":
        ends = RotatedMNIST("all", (DIGIT_ANGLE,), pairs, source="embedded").pairs(seed).ends
        score = load_unet_score("digits_unet_all")
        return Problem(name, score, score.sigma_of_timestep(DIGIT_TIMESTEP), linear(ends, points))
    return sphere(3 if name == "sphere" else 50, pairs, points, seed)


def sphere(ambient: int, pairs: int, points: int, seed: int, sigma: float = SIGMA) -> Problem:
    """S^2 in R^`ambient`, exact score."""
    ends = Sphere(2, ambient, num_pairs=pairs).pairs(seed).ends
    return Problem(f"sphere_r{ambient}", SphereScore(2, ambient), sigma, linear(ends, points))

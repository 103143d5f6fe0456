"""Part 5: a geodesic on digits against the DDIM decoding of its frames."""

import time
from dataclasses import dataclass
from typing import Any

import torch

from experiments.benchmark.problem import DIGIT_ANGLE
from scoregeo._utils.errors import check_choice
from scoregeo._utils.seed import generator
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.inversion.none import NoInversion
from scoregeo.inversion.shared_noise import SharedNoise
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.score.base import CountingScore
from scoregeo.score.diffusers_unet import load_unet_score
from scoregeo.score.field import ScoreField
from scoregeo.score.sampling import ddim_decode
from scoregeo.solver.gauss_newton import GaussNewton

INVERSIONS = ("shared_noise", "none")


@dataclass(frozen=True)
class DecodingSettings:
    """`pairs` of digits by the shipped U-Net at `timestep`, geodesics of `frames` points, decoding
    in `steps` steps.
    """

    pairs: int = 2
    frames: int = 16
    steps: int = 50
    timestep: int = 400
    lam: float = 1000.0


def decoding(settings: DecodingSettings, inversion: str, seed: int) -> dict[str, Any]:
    """Evaluations a pair and seconds a pair of the geodesic, with its default settings, and of
    decoding its frames.

    `inversion`: "shared_noise" (the paper's: both ends with one draw of noise) or "none" (clean
    points).
    """
    check_choice("inversion", inversion, INVERSIONS)
    score = CountingScore(load_unet_score("digits_unet_all"))
    field = ScoreField(score, score.sigma_of_timestep(settings.timestep))
    ends = RotatedMNIST("all", (DIGIT_ANGLE,), settings.pairs, source="embedded").pairs(seed).ends
    lifted = (SharedNoise() if inversion == "shared_noise" else NoInversion()).lift(
        ends, field, generator(seed, "noise")
    )
    with torch.no_grad():
        field(lifted[:, 0])  # the first call chooses kernels
    solution = GaussNewton(settings.frames).solve(
        SteinMetric(field, settings.lam), linear(lifted, settings.frames)
    )
    score.count = 0
    began = time.perf_counter()
    ddim_decode(score, solution.path.flatten(0, 1), field.sigma, settings.steps)
    return {
        "status": list(solution.status),
        "iterations": solution.iterations.tolist(),
        "geodesic_evaluations": solution.score_evaluations.tolist(),
        "geodesic_seconds": solution.seconds / settings.pairs,
        "decoding_evaluations": score.count / settings.pairs,
        "decoding_seconds": (time.perf_counter() - began) / settings.pairs,
    }

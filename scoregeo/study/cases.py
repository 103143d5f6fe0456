"""The problems of the study of starts: torus, digits of 1, 10 and 100 identities with exact scores, all digits with a U-Net."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.torus import Torus
from scoregeo.initializer.base import AbstractInitializer
from scoregeo.initializer.continued import ContinuedInitializer
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.high_noise import HighNoiseInitializer
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.perturbed import PerturbedInitializer
from scoregeo.initializer.slerp import SlerpInitializer
from scoregeo.metric.stein import SteinMetric
from scoregeo.score.diffusers_unet import unet_score
from scoregeo.score.empirical import empirical_score
from scoregeo.score.model_folder import MODELS, model_digest
from scoregeo.score.torus import torus_score
from scoregeo.study.starts import Case, Joining

LAM = 1000.0
_SEED = 0
_TURN = (0.95, 1.0)  # a pair on the torus has ends whose greater angle apart is between these shares of the angle named
_UNET = "digits_unet_all"


@dataclass(frozen=True)
class Size:
    """How much of everything. `references`: of the graphs on exact scores; `unet_references`: on the U-Net, from the data."""

    angles: tuple[float, ...] = (30.0, 60.0, 90.0, 120.0, 180.0)
    torus_pairs: int = 4
    digit_pairs: int = 2
    num_points: int = 49
    subnodes: int = 4
    max_iterations: int = 40
    hundred_points: int = 33
    hundred_subnodes: int = 3
    references: int = 3600
    steps: int = 50
    unet_points: int = 17
    unet_references: int = 1000
    unet_samples: int = 300
    levels: int = 6


FULL = Size()
# Proves that everything runs; its numbers mean nothing.
QUICK = Size(
    angles=(30.0, 90.0), torus_pairs=1, digit_pairs=1, num_points=5, subnodes=1, max_iterations=2, references=60, steps=3,
    unet_points=3, hundred_points=5, hundred_subnodes=1, unet_references=8, unet_samples=6, levels=2,
)  # fmt: skip


def cases(size: Size = FULL) -> dict[str, Case]:
    """Every case by name, cheapest first; nothing is loaded until its first cell is computed."""
    found = [torus_case(size), digits_case(size, 1, 720, size.digit_pairs), digits_case(size, 10, 360, size.digit_pairs)]
    # Of a hundred digits an evaluation is dear, with a network as well: coarser, and fewer pairs.
    fewer = max(1, size.digit_pairs // 2)
    found += [digits_case(size, 100, 180, fewer, size.hundred_points, size.hundred_subnodes), unet_case(size)]
    return {case.name: case for case in found}


def torus_case(size: Size) -> Case:
    """Torus in R^3, sigma 0.05, its exact score."""
    starts = _starts(size, GraphInitializer(size.references, 8, subnodes=2, cache=False), high=2.0, widest=0.5)
    return _case("torus", "Torus in R^3, exact score, sigma 0.05", size, partial(_torus, size), {"sigma": 0.05}, starts)


def digits_case(
    size: Size, identities: int, rotations: int, pairs: int, num_points: int | None = None, subnodes: int | None = None
) -> Case:
    """Rotations of a few digits, the exact score of all of them at sigma 1, clean points."""
    references = min(size.references, identities * rotations)
    graph = GraphInitializer(references, 8, subnodes=2, cache=False)
    facts = {"sigma": 1.0, "identities": identities, "rotations": rotations, "pairs": pairs}
    plural = "s" if identities > 1 else ""
    title = f"{identities} digit{plural} at {rotations} angles, exact score, sigma 1, clean points"
    starts = _starts(size, graph, high=10.0, widest=8.0, subnodes=subnodes)
    joining = partial(_digits, size, identities, rotations, pairs)
    return _case(f"digits_{identities}", title, size, joining, facts, starts, num_points, subnodes)


def unet_case(size: Size) -> Case:
    """All digits, the shipped U-Net's score at sigma 1, clean points; coarser, for an evaluation is dear."""
    pairs = max(1, size.digit_pairs // 2)
    graph = GraphInitializer(size.unet_references, 6, subnodes=2, cache=False)
    starts = _starts(size, graph, high=10.0, widest=8.0, subnodes=2)
    steps = max(1, size.steps // 2)
    samples = GraphInitializer(size.unet_samples, 5, subnodes=2, source="model", sample_steps=steps, cache=False)
    starts = starts | {"graph_model": samples, "high_noise": HighNoiseInitializer(10.0, steps)}
    facts = {"sigma": 1.0, "pairs": pairs, "weights": model_digest(MODELS / _UNET)}
    title = "All digits, U-Net, sigma 1, clean points"
    return _case("digits_all", title, size, partial(_unet, size, pairs), facts, starts, size.unet_points, min(2, size.subnodes))


def _case(
    name: str,
    title: str,
    size: Size,
    joining: Callable[[], Joining],
    facts: Mapping[str, object],
    starts: dict[str, AbstractInitializer],
    num_points: int | None = None,
    subnodes: int | None = None,
) -> Case:
    settings = {"lam": LAM, "seed": _SEED, "angles": size.angles, "torus_pairs": size.torus_pairs, **facts}
    points, parts = num_points or size.num_points, subnodes or size.subnodes
    return Case(name, title, joining, settings, starts, points, parts, size.max_iterations)


def _starts(
    size: Size, graph: AbstractInitializer, high: float, widest: float, subnodes: int | None = None
) -> dict[str, AbstractInitializer]:
    parts = subnodes or size.subnodes
    return {
        "lerp": LerpInitializer(),
        "slerp": SlerpInitializer(),
        "perturbed": PerturbedInitializer(),
        "graph_data": graph,
        "continued": ContinuedInitializer(widest, size.levels, parts, max_iterations=min(10, size.max_iterations)),
        "high_noise": HighNoiseInitializer(high, size.steps),
    }


def _torus(size: Size) -> Joining:
    low, high = _TURN
    ends, angles = [], []
    for angle in size.angles:
        radians = math.radians(angle)
        dataset = Torus(num_pairs=size.torus_pairs, min_angle=low * radians, max_angle=high * radians)
        ends.append(dataset.pairs(_SEED).ends)
        angles += [angle] * size.torus_pairs
    field = torus_score(dataset, _SEED, sigma=0.05)
    return Joining(torch.cat(ends), tuple(angles), SteinMetric(field, LAM), lambda count: dataset.sample(count, _SEED))


def _digits(size: Size, identities: int, rotations: int, pairs: int) -> Joining:
    dataset = RotatedMNIST(identities, size.angles, pairs, rotations, source="embedded")
    field = empirical_score(dataset, _SEED, sigma=1.0, count=identities * rotations)
    return _of_digits(dataset, SteinMetric(field, LAM))


def _unet(size: Size, pairs: int) -> Joining:
    dataset = RotatedMNIST("all", size.angles, pairs, source="embedded")
    return _of_digits(dataset, SteinMetric(unet_score(dataset, _SEED, sigma=1.0, model=_UNET), LAM))


def _of_digits(dataset: RotatedMNIST, metric: SteinMetric) -> Joining:
    pairs = dataset.pairs(_SEED)
    angles = tuple(angle for angle in dataset.angles for _ in range(dataset.pairs_per_angle))
    return Joining(pairs.ends, angles, metric, lambda count: dataset.sample(count, _SEED))

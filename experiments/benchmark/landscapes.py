"""Hard landscapes: several starts against an independent reference, on two-dimensional mixtures of
Gaussians.

    python -m experiments.benchmark.landscapes [--numbers 0 1 2] [--points 32]
"""

import argparse
from collections.abc import Sequence

import scoregeo
from experiments.benchmark.mixtures import FINE, Landscape, landscape, reference
from scoregeo._utils.arguments import whole_argument
from scoregeo.initializer.graph import GraphInitializer
from scoregeo.initializer.lerp import LerpInitializer
from scoregeo.initializer.modes import ModesInitializer
from scoregeo.initializer.perturbed import PerturbedInitializer
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.solver.base import Solution

COUNT = 24
POINTS = 32
NEAR = 1.01  # of the reference's energy
RULE = Quadrature("trapezoid", FINE)
STARTS = {
    "lerp": LerpInitializer(),
    "modes": ModesInitializer(),
    "graph": GraphInitializer(400, cache=False),
    "bent": PerturbedInitializer(0.3, seed=0),
    "more bent": PerturbedInitializer(0.5, seed=1),
    "otherwise bent": PerturbedInitializer(0.3, seed=2),
}
HEADER = "| landscape | sigma | lam | one start | several | kept | status | evaluations |"


def metric_of(case: Landscape) -> SteinMetric:
    return SteinMetric(ScoreField(case.score, case.sigma), case.lam)


def energy_of(case: Landscape, found: Solution) -> float:
    """On the fine rule."""
    return float(metric_of(case).energy(found.path, RULE))


def from_one(case: Landscape, points: int = POINTS) -> Solution:
    """From the straight line, by the default solver."""
    return scoregeo.geodesic(
        case.score, case.ends[0], case.ends[1], sigma=case.sigma, lam=case.lam, num_points=points
    )


def from_several(case: Landscape, points: int = POINTS) -> Solution:
    """From all of `STARTS`, the graph through 400 draws of the mixture."""
    return scoregeo.geodesic(
        case.score,
        case.ends[0],
        case.ends[1],
        sigma=case.sigma,
        lam=case.lam,
        num_points=points,
        starts=STARTS,
        references=case.draws(400),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", nargs="+", type=whole_argument(0), default=list(range(COUNT)))
    parser.add_argument("--points", type=whole_argument(3), default=POINTS)
    settings = parser.parse_args(arguments)
    print(HEADER + "\n" + "|---" * 8 + "|")
    near = {"one": 0, "several": 0}
    for number in settings.numbers:
        case = landscape(number)
        least, _ = reference(case, settings.points)
        one, several = from_one(case, settings.points), from_several(case, settings.points)
        ratios = [energy_of(case, found) / least for found in (one, several)]
        for key, ratio in zip(near, ratios, strict=True):
            near[key] += ratio < NEAR
        print(
            f"| {number} | {case.sigma:.3f} | {case.lam:.0f} | {ratios[0]:.3f} | {ratios[1]:.3f} |"
            f" {several.start[0]} | {several.status[0]} | {int(several.score_evaluations)} |",
            flush=True,
        )
    print(
        f"\nWithin 1 % of the reference, of {len(settings.numbers)}: one start {near['one']},"
        f" several {near['several']}."
    )


if __name__ == "__main__":
    main()

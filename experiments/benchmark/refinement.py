"""Rules of Gauss-Newton side by side: the worst of sixteen pairs from the straight line, on a fine
rule.

    python -m experiments.benchmark.refinement [--points 8 64] [--lam 1 1000] [--families sphere]
"""

import argparse
from collections import Counter
from collections.abc import Sequence

import torch

from scoregeo._utils.arguments import positive_argument, whole_argument
from scoregeo.dataset.ellipsoid import Ellipsoid
from scoregeo.dataset.sphere import Sphere
from scoregeo.dataset.torus import Torus
from scoregeo.metric.stein import SteinMetric
from scoregeo.path.interpolation import linear
from scoregeo.path.quadrature import Quadrature
from scoregeo.score.field import ScoreField
from scoregeo.score.manifold import manifold_score
from scoregeo.score.sphere import SphereScore
from scoregeo.score.torus import TorusScore
from scoregeo.solver.gauss_newton import GaussNewton

SIGMA = 0.05
PAIRS = 16
FAMILIES = ("sphere", "torus", "sphere_r50", "ellipsoid")
FINE = Quadrature("trapezoid", 32)
HEADER = "| family | points | lam | rule | worst ratio | worst ev./point | mean | statuses |"


def family(name: str) -> tuple[ScoreField, torch.Tensor]:
    """The field and the ends [16, 2, D] of one of `FAMILIES`."""
    if name == "torus":
        return ScoreField(TorusScore(1.0, 0.4), SIGMA), Torus(num_pairs=PAIRS).pairs(0).ends
    if name == "ellipsoid":
        dataset = Ellipsoid(num_pairs=PAIRS)
        return manifold_score(dataset, 0, SIGMA), dataset.pairs(0).ends
    ambient = 50 if name == "sphere_r50" else 3
    ends = Sphere(2, ambient, num_pairs=PAIRS).pairs(0).ends
    return ScoreField(SphereScore(2, ambient), SIGMA), ends


def rows(name: str, points: int, lam: float) -> list[str]:
    """A table row a rule. The best energy of a pair is the least on `FINE` of the rules' paths and
    of those solved on from them to a tolerance of 1e-6 with several sub-nodes.
    """
    field, ends = family(name)
    metric, start = SteinMetric(field, lam), linear(ends, points)
    rules = {
        "adaptive": GaussNewton(points, refinement="adaptive"),
        "max_subnodes 4": GaussNewton(points, refinement="none", max_subnodes=4),
        "plain": GaussNewton(points, refinement="none"),
    }
    found = {rule: solver.solve(metric, start) for rule, solver in rules.items()}
    finer = GaussNewton(
        points,
        refinement="none",
        subnodes=max(2, min(8, 256 // points)),
        continuation=False,
        tolerance=1e-6,
        max_iterations=40,
    )
    energies = {rule: metric.energy(one.path, FINE) for rule, one in found.items()}
    better = [
        metric.energy(finer.solve(metric, found[rule].path).path, FINE)
        for rule in ("adaptive", "max_subnodes 4")
    ]
    best = torch.stack([*energies.values(), *better]).min(0).values
    lines = []
    for rule, one in found.items():
        spent = one.score_evaluations.double() / points
        counts = ", ".join(f"{n} {word}" for word, n in Counter(one.status).items())
        lines.append(
            f"| {name} | {points} | {lam:g} | {rule} | {float((energies[rule] / best).max()):.4g} |"
            f" {float(spent.max()):.1f} | {float(spent.mean()):.1f} | {counts} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--points", nargs="+", type=whole_argument(2), default=[8, 64])
    parser.add_argument(
        "--lam", nargs="+", type=positive_argument, default=[1.0, 100.0, 1000.0, 10000.0]
    )
    settings = parser.parse_args(arguments)
    print(HEADER + "\n" + "|---" * 8 + "|")
    for name in settings.families:
        for points in settings.points:
            for lam in settings.lam:
                print("\n".join(rows(name, points, lam)), flush=True)


if __name__ == "__main__":
    main()

"""How far the U-Net of ten digits pulls a point back to the data, beside the exact score.

    python -m experiments.learned_scores.pull

Ten pairs of rotations 10 and 20 degrees apart (seed 11). The string method gives a path; its error
at a point is the point less the true rotation. The true rotation is moved by `r` in the direction
of that error, and in that of a random smooth deformation of the digit. A row says how far the
posterior mean at sigma 1 lies from the moved point, along the direction: -r would lead all the way
back. Where the path has stopped the network's pull across it is zero: the first direction is what
the relaxation has left of the start's error, the second one that nothing has filtered. Two
minutes on one core.
"""

import torch

from scoregeo._utils.arguments import no_arguments
from scoregeo._utils.seed import generator
from scoregeo.metric.pullback import PullbackMetric
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.score.training.denoising import disturbed
from scoregeo.solver.string_method import StringMethod

ANGLES = (10, 20)
OFFSETS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
POINTS, SIGMA = 9, 1.0


def problem(case: str, angle: int) -> InterpolationProblem:
    line = ["study=score_error", f"case/score_error={case}", f"dataset.angles=[{angle}]", "seed=11"]
    return InterpolationProblem(build(compose([*line, "evaluation.lpips=null"])[0]))


@torch.no_grad()
def main() -> None:
    print("degrees | direction | r | U-Net | exact score | their difference (norm)")
    for angle in ANGLES:
        network, exact = problem("share_100", angle), problem("share_0", angle)
        start = network.methods()["lerp"](None).path
        metric = PullbackMetric(network.experiment.field)
        path, _ = StringMethod(POINTS, 8, tolerance=0.02).relax(metric, start)
        truth = network.truth(POINTS)
        assert truth is not None
        right = truth[:, 1:-1].flatten(0, 1).float()
        error = path[:, 1:-1].flatten(0, 1).float() - right
        print(f"{angle} | error of the path, median norm {float(norm(error).median()):.2f} | | | |")
        bent = disturbed(right, torch.full((len(right),), 0.3), generator(0, "directions")) - right
        for name, direction in (("error of the path", error), ("smooth deformation", bent)):
            unit = direction / norm(direction)[:, None, None, None]
            for offset in OFFSETS:
                moved = right + offset * unit
                steps = [
                    one.experiment.field.score.denoise(moved, SIGMA) - moved
                    for one in (network, exact)
                ]
                along = [float((step * unit).flatten(1).sum(1).median()) for step in steps]
                apart = float(norm(steps[0] - steps[1]).median())
                print(
                    f"{angle} | {name} | {offset} | {along[0]:.2f} | {along[1]:.2f} | {apart:.2f}"
                )


def norm(points: torch.Tensor) -> torch.Tensor:
    """The root of the sum of squares of each of `points` [count, ...]."""
    return points.flatten(1).norm(dim=1)


if __name__ == "__main__":
    no_arguments(__doc__)
    main()

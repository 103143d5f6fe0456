"""How far the U-Net of ten digits pulls a point back to the data, beside the exact score, in the
direction in which its own geodesics are wrong.

    python -m experiments.learned_scores.pull

Ten pairs of rotations 10 and 20 degrees apart (seed 11). The string method gives a path; its error
at a point is the point less the true rotation. From the true rotation the point is then moved by
`r` in the direction of that error, and a row says how far the posterior mean at sigma 1 lies from
the moved point, along the error: -r would lead all the way back. About a minute on one core.
"""

import torch

from scoregeo.metric.pullback import PullbackMetric
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.run.problem.interpolation import InterpolationProblem
from scoregeo.solver.string_method import StringMethod

ANGLES = (10, 20)
OFFSETS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
POINTS, SIGMA = 9, 1.0


def problem(case: str, angle: int) -> InterpolationProblem:
    line = ["study=score_error", f"case/score_error={case}", f"dataset.angles=[{angle}]", "seed=11"]
    return InterpolationProblem(build(compose([*line, "evaluation.lpips=null"])[0]))


@torch.no_grad()
def main() -> None:
    print("degrees | error of the path | r | U-Net | exact score | their difference (norm)")
    for angle in ANGLES:
        network, exact = problem("share_100", angle), problem("share_0", angle)
        start = network.methods()["lerp"](None).path
        metric = PullbackMetric(network.experiment.field)
        path, _ = StringMethod(POINTS, 8, tolerance=0.02).relax(metric, start)
        truth = network.truth(POINTS)
        assert truth is not None
        right = truth[:, 1:-1].flatten(0, 1).float()
        error = path[:, 1:-1].flatten(0, 1).float() - right
        size = error.flatten(1).norm(dim=1)
        unit = error / size[:, None, None, None]
        for offset in OFFSETS:
            moved = right + offset * unit
            steps = [
                one.experiment.field.score.denoise(moved, SIGMA) - moved for one in (network, exact)
            ]
            along = [float((step * unit).flatten(1).sum(1).median()) for step in steps]
            apart = float((steps[0] - steps[1]).flatten(1).norm(dim=1).median())
            print(
                f"{angle} | {float(size.median()):.2f} | {offset} | {along[0]:.2f} |"
                f" {along[1]:.2f} | {apart:.2f}"
            )


if __name__ == "__main__":
    main()

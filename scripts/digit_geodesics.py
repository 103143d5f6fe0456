"""Points of geodesics of the ten digits' U-Net, on which it is trained on: where they run is where
its score must be right.

    python scripts/digit_geodesics.py --model FOLDER --seed 1000 --out
    outputs/train/geodesics_1000.safetensors

The problem is that of the experiment `rotated_mnist_unet_ten`, on pairs of all ten digits at random
angles, of a seed that no experiment uses. The solver takes the exact gradient of the learned
metric's energy and starts from the true rotations; its paths after a few iterations are kept too,
not only its last. A file that is there already is left as it is.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from scoregeo._utils.files import save_tensors
from scoregeo._utils.seed import generator
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.evaluation.image import psnr
from scoregeo.run.build import build
from scoregeo.run.command import compose
from scoregeo.solver.base import Step

FIRST_SEED = 1000  # below it are the seeds of experiments
ANGLES = (30.0, 180.0)
KEPT = (3, 6, 10, 15, 20, 25)  # iterations whose paths are kept; the last is the solver's budget
POINTS = 17  # of a path; every evaluation counts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        default="digits_unet_ten",
        help="a folder in diffusers' layout, or a shipped model",
    )
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8, help="pairs solved together")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    for name, least in (("seed", FIRST_SEED), ("pairs", 1), ("batch", 1)):
        if getattr(args, name) < least:
            parser.error(
                f"argument --{name}: {getattr(args, name)} is not allowed: {least} or more"
            )
    if args.out.exists():
        print(f"{args.out} is there already: kept")
        return 0
    found, quality = [], []
    with tqdm(total=args.pairs, unit="pair") as bar:
        for first in range(0, args.pairs, args.batch):
            count = min(args.batch, args.pairs - first)
            points, near = geodesics(args.model, count, first, args.seed)
            found.append(points)
            quality.append(near)
            bar.update(count)
    points = torch.cat(found)
    save_tensors(
        args.out,
        {"points": points.half()},
        {"model": str(args.model), "pairs": str(args.pairs), "seed": str(args.seed)},
    )
    mean = float(torch.cat(quality).mean())
    print(
        f"{len(points)} points in {args.out}; geodesics have {mean:.1f} dB against the rotations,"
        " mean of inner frames and pairs"
    )
    return 0


def geodesics(model: str, count: int, first: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of paths between `count` pairs, fewer where angles are equal; about 100 score
    evaluations a pair and iteration.

    Returns: inner points [points, 1, 28, 28] in pixels of [-1, 1], of the paths at the iterations
    KEPT and at last; the PSNR of the last ones against the true rotations, [inner points] in dB.
    """
    rng = generator(seed, f"geodesics from pair {first}")
    angles = sorted(
        {
            round(float(a), 1)
            for a in ANGLES[0] + (ANGLES[1] - ANGLES[0]) * torch.rand(count, generator=rng)
        }
    )
    # With the exact gradient the solver continues to what the network's metric really prefers.
    solving = (
        f"solver.max_iterations={KEPT[-1]}",
        f"solver.num_points={POINTS}",
        "solver.differentiate_score=true",
    )
    experiment = build(
        compose(
            ["experiment=rotated_mnist_unet_ten", f"score.model={model}", *solving, "tracker=[]"]
        )[0]
    )
    digits = RotatedMNIST(identities=10, angles=angles, pairs_per_angle=10, source="embedded")
    pairs = digits.pairs(seed + first)
    chosen = torch.tensor(
        [10 * i + (first + i) % 10 for i in range(len(angles))]
    )  # every digit in turn
    (solver,) = experiment.solvers.values()
    truth = digits.true_path(pairs, solver.num_points)[chosen].to(pairs.ends.dtype)
    kept: dict[int, torch.Tensor] = {}

    def keep(step: Step) -> None:
        if step.iteration in KEPT and step.path is not None:
            kept[step.iteration] = step.path[:, 1:-1].clone()

    kept[0] = solver.solve(experiment.metric, truth, keep).path[:, 1:-1]
    near = psnr(kept[0].flatten(0, 1), truth[:, 1:-1].flatten(0, 1))
    return torch.cat(list(kept.values())).flatten(0, 1), near


if __name__ == "__main__":
    raise SystemExit(main())

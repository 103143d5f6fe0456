"""Run the experiments of the README's tables and write `results/`: a page, a CSV and figures for
each.

    python scripts/reproduce.py [--profile quick|full] [--launcher local] [--experiment FOLDER ...]
    [--only NAME ...]

An experiment is a folder of `experiments/`, with one page in `results/` or several, each an
experiment or a study of `configs/`. All their runs are one multirun for Hydra's launcher. Results
that are there are not computed again: a run's folder is named by a hash of its configuration.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from scoregeo._utils.arguments import path_argument
from scoregeo._utils.configuration import config_dir
from scoregeo.run.cli import launch_all

# The folders of experiments/, and the pages each is answered by; within the whole, long runs come
# first.
EXPERIMENTS = {
    "properties": ("properties",),
    "score_direction": ("score_direction",),
    "rotated_mnist": (
        "rotated_mnist_empirical_hundred",
        "rotated_mnist_empirical_ten",
        "rotated_mnist_unet_ten",
        "rotated_mnist_unet_ten_exact_gradient",
        "rotated_mnist",
        "rotated_mnist_empirical",
        "rotated_mnist_hundred_neighbours",
    ),
    "sparse_references": ("sparse_references", "sparse_references_pullback"),
    "learned_scores": ("learned_scores", "score_error"),
    "against_lerp": ("against_lerp", "exact_against_learned"),
    "paper_protocol": ("paper_emoji", "paper_digits", "paper_sphere_r200", "paper_sphere"),
    "stable_diffusion": ("stable_diffusion", "stable_diffusion_hundred"),
    "extrapolation": (
        "extrapolation_digits_unet",
        "extrapolation_digits",
        "extrapolation",
        "extrapolation_torus",
    ),
    "ablations": (
        "ablation_timestep",
        "ablation_inversion",
        "ablation_lambda_digits",
        "ablation_initializer",
        "ablation_lambda_learned",
        "ablation_lambda",
        "ablation_points",
        "ablation_subnodes",
    ),
    "codimension": ("codimension",),
    "varying_curvature": ("varying_curvature_wiggly", "varying_curvature"),
    "text": ("clock", "clock_learned", "ages", "numbers", "temperatures"),
    "noise_level": ("noise_level", "sigma_auto"),
    "synthetic": ("sphere_learned", "torus_learned", "torus", "sphere", "sphere_r50"),
    "starts": ("starts",),
    "audio": (
        "tones",
        "chirps",
        "extrapolation_tones",
        "notes",
        "notes_pullback",
        "notes_learned",
        "notes_instruments",
    ),
}
# Pages that take too long to be made with the others: only where --only names them, or
# --experiment a folder that has no others. Both profiles are one size.
APART = (
    "rotated_mnist_unet_ten_exact_gradient",
    "rotated_mnist_hundred_neighbours",
    "stable_diffusion_hundred",
    "starts",
    "sigma_auto",
)


def main(arguments: Sequence[str] | None = None) -> None:
    pages = [page for found in EXPERIMENTS.values() for page in found]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("quick", "full"), default="quick")
    parser.add_argument(
        "--experiment", nargs="+", choices=list(EXPERIMENTS), default=[], metavar="FOLDER"
    )
    parser.add_argument("--only", nargs="+", choices=pages, default=[], metavar="NAME")
    parser.add_argument("--output", type=path_argument, default=Path("outputs/reproduce"))
    parser.add_argument("--results", type=path_argument, default=Path("results"))
    parser.add_argument(
        "--launcher", default="local", help="of configs/hydra/launcher (default: %(default)s)"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        help="further key=value: hydra.launcher.* for the launcher, others for every run",
    )
    given = parser.parse_args(arguments)
    for one in given.overrides:
        if one.startswith(("output=", "results=")):
            parser.error(f"argument overrides: {one}: --{one} sets it")
    wanted = wanted_pages(given.experiment or ([] if given.only else list(EXPERIMENTS)), given.only)
    own = [one for one in given.overrides if not one.startswith("hydra")]
    sized = [] if given.profile == "quick" else [f"profile={given.profile}"]
    commands = [[f"{_group(page)}={page}", *sized, *own] for page in wanted]
    launcher = [
        f"hydra/launcher={given.launcher}",
        *(one for one in given.overrides if one not in own),
    ]
    launch_all(commands, [*launcher, f"output={given.output}", f"results={given.results}"])


def wanted_pages(folders: Sequence[str], only: Sequence[str] = ()) -> list[str]:
    """The pages of `folders` and those of `only`, in order.

    Of a folder, the pages that are not apart; all of them where it is the only folder and has no
    others.
    """
    found = {page for folder in folders for page in EXPERIMENTS[folder] if page not in APART}
    if len(folders) == 1 and not found:
        found = set(EXPERIMENTS[folders[0]])
    pages = [page for found in EXPERIMENTS.values() for page in found]
    return [page for page in pages if page in found or page in only]


def _group(page: str) -> str:
    return "study" if (config_dir() / "study" / f"{page}.yaml").is_file() else "experiment"


if __name__ == "__main__":
    main()

"""Running the command line within a test, and the small settings that make every
experiment quick.
"""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from scoregeo._utils.memory import DEFAULT_GIB, memory_limit
from scoregeo.run.cli import main
from scoregeo.run.command import compose, execute

QUICK = ("threads=1",)
PLAIN = (*QUICK, "evaluation.figures=false")  # most tests need no pictures
MANIFOLD = (*QUICK, "dataset.num_pairs=2", "solver.num_points=8", "rivals.adam.iterations=3")
DIGITS = (
    *QUICK,
    "dataset.source=embedded",
    "dataset.angles=[30,60]",
    "dataset.pairs_per_angle=1",
    "dataset.identities=1",
    "solver.num_points=6",
    "solver.max_iterations=3",
    "evaluation.lpips=null",
    "evaluation.download=false",
    "evaluation.reference_frames=16",
    "evaluation.kid_subset_size=4",
    "evaluation.kid_subsets=4",
    "evaluation.saved_pairs=1",
)
GRAPH = (
    "initializer.num_references=60",
    "initializer.neighbours=4",
    "initializer.cache=false",
    "solver.subnodes=2",
)
RIVALS = (
    *QUICK,
    "dataset.num_pairs=2",
    "solver.num_points=8",
    "baseline.pullback.solver.max_iterations=2",
    "baseline.conformal.solver.max_iterations=2",
)
FEW = "extrapolation.exponential.max_evaluations=100"  # two steps of the integrator
UNET = "score.model=MODEL"  # MODEL stands for the folder of a small untrained network
REACH = ("reach=[0.5,1]",)
CONTINUED = (*QUICK, *REACH, "dataset.num_pairs=2", "solver.num_points=8")
PICTURES = (  # SD stands for the folder of a tiny text-to-image model
    *QUICK,
    "score.model=SD",
    "solver.num_points=5",
    "inversion.decode_steps=3",
    "inversion.rounds=2",
    "evaluation.lpips=null",
    "evaluation.download=false",
    "evaluation.saved_pairs=1",
)
MEASURED_EMOJI = (
    "dataset.pairs=2",
    "evaluation.certify_subnodes=2",
    "evaluation.reference_frames=8",
    "evaluation.kid_subset_size=4",
    "evaluation.kid_subsets=4",
)
SHORT_NAO = "baseline.nao_short.max_iterations=5"
EMOJI = (
    *MEASURED_EMOJI,
    SHORT_NAO,
    "rivals.adam.iterations=2",
    "baseline.density_geodesic_short.iterations=2",
    "baseline.pullback.solver.max_iterations=1",
)
SHORT_SPACETIME = (
    "baseline.spacetime_short.stages=[[4,2]]",
    "baseline.spacetime_short.encode_steps=2",
)
PROTOCOL = (  # of the experiments paper_*
    "solver.iterations=2",
    "rivals.gauss_newton.max_iterations=2",
    "inversion.decode_steps=2",
    *SHORT_SPACETIME,
)
PAPER_SPHERE = (
    *QUICK,
    *PROTOCOL,
    "dataset.num_pairs=2",
    "solver.num_points=8",
    "score.steps=4",
    "baseline.land.num_references=20",
    "baseline.land.solver.max_iterations=2",
)
RBF = ("baseline.rbf.num_references=20", "baseline.rbf.solver.max_iterations=2")
SOUND = (
    *QUICK,
    "dataset.samples=128",
    "solver.num_points=8",
    "solver.max_iterations=3",
    "initializer.num_references=300",
    "solver.subnodes=2",
)
TONES = (*SOUND, "dataset.rate=4000", "dataset.pairs_per_interval=1")
SENTENCES = (
    *QUICK,
    "dataset.steps=[3]",
    "dataset.pairs_per_step=2",
    "solver.num_points=8",
    "solver.max_iterations=2",
)
NOTES = (
    *QUICK,
    "dataset.pairs_per_group=1",
    "solver.num_points=8",
    "solver.max_iterations=2",
)
NOTES_GRAPH = ("initializer.num_references=60",)
TINY: dict[str, tuple[str, ...]] = {
    "sphere": MANIFOLD,
    "sphere_r50": MANIFOLD,
    "torus": MANIFOLD,
    "sphere_learned": (*RIVALS, "score.steps=4"),
    "torus_learned": (*RIVALS, "score.steps=4"),
    "codimension": (*RIVALS, "score.sigma=0.3"),
    "noise_level": (*RIVALS, "score.sigma=0.3"),
    "varying_curvature": (*RIVALS, "score.sigma=0.3", "dataset.curvature_groups=2"),
    "rotated_mnist": (*DIGITS, "inversion.decode_steps=2", UNET),
    "rotated_mnist_empirical": (*DIGITS, *GRAPH),
    "rotated_mnist_empirical_ten": (*DIGITS, *GRAPH),
    "rotated_mnist_empirical_hundred": (*DIGITS, *GRAPH),
    "rotated_mnist_hundred_neighbours": (
        *DIGITS,
        *GRAPH,
        "score.references=null",
        "score.search=exact",
    ),
    "rotated_mnist_unet_ten": (*DIGITS, *GRAPH, UNET),
    "rotated_mnist_unet_ten_exact_gradient": (*DIGITS, *GRAPH, UNET),
    "rotated_mnist_pullback": (
        *DIGITS,
        *(o for o in GRAPH if o.startswith("initializer")),
    ),
    "paper_sphere": PAPER_SPHERE,
    "paper_sphere_r200": PAPER_SPHERE,
    "paper_digits": (
        *(o for o in DIGITS if not o.startswith("solver.max_iterations")),
        *PROTOCOL,
        *RBF,
        UNET,
    ),
    "paper_emoji": (
        *(o for o in PICTURES if not o.startswith("inversion")),
        *MEASURED_EMOJI,
        "baseline.nao.max_iterations=5",
        *PROTOCOL,
        *RBF,
    ),
    "clock": SENTENCES,
    "clock_learned": SENTENCES,
    "ages": SENTENCES,
    "numbers": SENTENCES,
    "temperatures": SENTENCES,
    "properties": ("runner.size=smoke",),
    "score_direction": ("runner.size=smoke",),
    "morph": (*PICTURES, "dataset.first=FIRST", "dataset.second=SECOND", "dataset.size=16"),
    "stable_diffusion": (*PICTURES, *EMOJI),
    "stable_diffusion_hundred": (
        *PICTURES,
        *MEASURED_EMOJI,
        SHORT_NAO,
        *SHORT_SPACETIME,
        "baseline.pullback_string_method.solver.max_iterations=1",
    ),
    "extrapolation": CONTINUED,
    "extrapolation_torus": CONTINUED,
    "tones": TONES,
    "chirps": (*SOUND, "dataset.rate=2000", "score.sigma=0.2", "dataset.num_pairs=2"),
    "notes": (*NOTES, *NOTES_GRAPH),
    "notes_pullback": (*NOTES, *NOTES_GRAPH),
    "notes_learned": (*NOTES, *NOTES_GRAPH),
    "notes_instruments": NOTES,
    "extrapolation_tones": (*TONES, *REACH, FEW),
    "extrapolation_digits": (*DIGITS, *GRAPH, *REACH, FEW),
    "extrapolation_digits_unet": (*DIGITS, *GRAPH, *REACH, FEW, UNET),
}


def small_model(folder: Path) -> Path:
    """An untrained network in diffusers' layout."""
    from diffusers import DDIMScheduler, UNet2DModel

    torch.manual_seed(0)
    blocks = {
        "down_block_types": ("DownBlock2D",) * 2,
        "up_block_types": ("UpBlock2D",) * 2,
        "block_out_channels": (8, 8),
    }
    unet = UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        norm_num_groups=2,
        **blocks,
    )
    unet.save_pretrained(folder / "unet")
    DDIMScheduler(num_train_timesteps=1000, prediction_type="v_prediction").save_pretrained(
        folder / "scheduler"
    )
    return folder


def run_here(overrides: Sequence[str], output: Path) -> tuple[Path, str | None]:
    """Run one command's configuration; gives its folder and the reason of a failure."""
    config, folder = compose([*overrides, f"output={output}"])
    return folder, execute(config, folder, overrides)


def command(*arguments: str) -> str | int | None:
    """Call `scoregeo` with arguments, in this process; gives what it exits with
    (None: no trouble).
    """
    with _kept_state(), memory_limit(DEFAULT_GIB):
        sys.argv = ["scoregeo", *arguments]
        try:
            main()
        except SystemExit as stop:
            return stop.code
    return None


@contextmanager
def _kept_state() -> Iterator[None]:
    """Hydra sets up logging for its own process, and the command sets an environment variable."""
    root = logging.getLogger()
    handlers, level, argv, before = (
        list(root.handlers),
        root.level,
        sys.argv,
        os.environ.get("HYDRA_FULL_ERROR"),
    )
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        sys.argv = argv
        if before is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = before

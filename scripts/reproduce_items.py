"""What `make reproduce-paper` runs: single experiments, and studies that run one experiment in several cases."""

from collections.abc import Sequence
from dataclasses import dataclass

# The full profile: 102 pairs from 30 to 180 degrees.
_ROTATIONS = ("dataset.angles=[30,60,90,120,150,180]", "dataset.pairs_per_angle=17")
_PLAIN = ("evaluation.figures=false",)  # strips and animations of digits take longer than most of their geodesics
GRAPH = ("initializer.cache=false",)  # from the cache a graph's evaluations are counted, its seconds are not


@dataclass(frozen=True)
class Item:
    """One experiment: its name, the title of its page, what the full and the quick profile change, and what both do.

    `page`: of `results/`, where not the experiment's name. `apart`: made only where it is asked for by name, in one size.
    """

    experiment: str
    title: str
    full: tuple[str, ...]
    both: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    page: str = ""
    apart: bool = False

    @property
    def name(self) -> str:
        """Of its page in `results/`."""
        return self.page or self.experiment

    def overrides(self, profile: str) -> list[str]:
        """The command's arguments."""
        return [f"experiment={self.experiment}", *self.both, *(self.full if profile == "full" else self.quick)]


_ALWAYS = ("length_error", "truth_distance_max", "manifold_distance_max", "psnr", "ssim", "lpips", "fid", "kid", "energy",
           "tunnelled", "evaluations_per_point", "seconds")  # fmt: skip


@dataclass(frozen=True)
class Study:
    """One experiment in several cases, on one page: `key` names what differs, `cases` give its value and overrides.

    `measures`: the table's first columns, drawn against the cases where `drawn`. All measures are in the CSV.
    """

    name: str
    title: str
    experiment: str
    key: str
    cases: tuple[tuple[str, tuple[str, ...]], ...]
    measures: tuple[str, ...]
    full: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    drawn: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the table: few enough to be read."""
        return tuple(dict.fromkeys((*self.measures, *_ALWAYS)))

    def jobs(self, profile: str) -> list[tuple[str, list[str]]]:
        """Each case's value and its command's arguments."""
        first = [f"experiment={self.experiment}", *self.both, *(self.full if profile == "full" else ())]
        return [(value, [*first, *overrides]) for value, overrides in self.cases]


def over(key: str, values: Sequence[object]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Cases that set one key to each of `values`."""
    return tuple((str(value), (f"{key}={value}",)) for value in values)


ITEMS = (
    Item("sphere", "Sphere in R^3", ("dataset.num_pairs=64",)),
    Item("sphere_r50", "Sphere in R^50", ("dataset.num_pairs=64",)),
    Item("sphere_learned", "Sphere in R^3, learned score", ("dataset.num_pairs=32",)),
    Item("torus", "Torus in R^3", ("dataset.num_pairs=32", "rivals.adam.iterations=1000")),
    Item("torus_learned", "Torus in R^3, learned score", ("dataset.num_pairs=32",)),
    Item("rotated_mnist", "Rotated digits, all of them, U-Net, shared noise", (*_ROTATIONS, "inversion.decode_steps=50")),
    Item("rotated_mnist_empirical", "Rotations of one digit, exact score", _ROTATIONS, GRAPH),
    Item("rotated_mnist_empirical_ten", "Rotations of ten digits, exact score", _ROTATIONS, GRAPH),
    Item("rotated_mnist_empirical_hundred", "Rotations of a hundred digits, exact score", _ROTATIONS, GRAPH),
    Item("rotated_mnist_unet_ten", "Rotations of ten digits, U-Net, pairs held out", _ROTATIONS, GRAPH),
    Item(
        "rotated_mnist_unet_ten",
        "Rotations of ten digits, U-Net, the exact gradient of its energy",
        (),
        (*GRAPH, "solver.differentiate_score=true"),
        page="rotated_mnist_unet_ten_exact_gradient",
        apart=True,
    ),
    Item("extrapolation", "Extrapolation on the sphere", ("dataset.num_pairs=64",)),
    Item("extrapolation_torus", "Extrapolation on the torus", ("dataset.num_pairs=32",)),
    Item("extrapolation_digits", "Extrapolation of ten digits' rotations, exact score", ("dataset.pairs_per_angle=50",), GRAPH),
    Item("extrapolation_digits_unet", "Extrapolation of ten digits' rotations, U-Net", ("dataset.pairs_per_angle=25",), GRAPH),
    Item(
        "stable_diffusion",
        "Emoji pairs in the latent space of the shipped text-to-image model",
        ("dataset.pairs=100",),
        quick=("dataset.pairs=4", "rivals.adam.iterations=30", "evaluation.kid_subset_size=30"),
    ),
    Item(
        "stable_diffusion",
        "Twenty emoji pairs in the latent space of the shipped text-to-image model",
        (),
        page="stable_diffusion_twenty",
        apart=True,
    ),
    Item("varying_curvature", "Geodesics of an ellipsoid, by curvature", ("dataset.num_pairs=48",)),
)

# Pairs that no setting was chosen on; the pixels' LERP and SLERP are what is to beat.
_HELD_OUT = ("seed=1", "dataset.angles=[90]", "dataset.pairs_per_angle=8", "baseline=[lerp,slerp]", "evaluation.departure=true")
_CLEAN = ("inversion=none", "score.timestep=null")
_PULLBACK = ("metric=pullback", "solver=lbfgs", "solver.num_points=17", "solver.max_iterations=30")
_CONFORMAL = ("metric=conformal", "solver=lbfgs", "solver.num_points=17", "solver.max_iterations=30")
_TRUTH = ("truth_distance_max", "length_error", "evaluations_per_point")
_SPHERES = tuple(
    (f"S^2 in R^{n}, codimension {n - 2}", ("dataset=sphere", "score=sphere", f"dataset.ambient={n}")) for n in (3, 10, 50, 200)
)

STUDIES = (  # long ones first: short runs at the end leave no worker waiting
    Study(
        "against_lerp",
        "Against LERP and SLERP: metrics, inversions and noise levels, all digits, U-Net",
        "rotated_mnist",
        "case",
        (
            *((f"stein, one draw of noise, t = {t}", (f"score.timestep={t}",)) for t in (100, 400, 900)),
            ("pullback, one draw of noise, t = 400", _PULLBACK),
            ("conformal, one draw of noise, t = 400", _CONFORMAL),
            ("stein, DDIM inversion, t = 400", ("inversion=ddim",)),
            ("stein, clean points, sigma 0.5", (*_CLEAN, "score.sigma=0.5")),
            ("stein, clean points, sigma 1", (*_CLEAN, "score.sigma=1.0")),
            ("stein, clean points, sigma 2", (*_CLEAN, "score.sigma=2.0")),
            ("pullback, clean points, sigma 1", (*_CLEAN, "score.sigma=1.0", *_PULLBACK)),
            ("conformal, clean points, sigma 1", (*_CLEAN, "score.sigma=1.0", *_CONFORMAL)),
        ),
        ("psnr", "end_error", "fid", "precision", "confidence", "departure", "departure_score", "departure_truth"),
        full=("dataset.pairs_per_angle=24",),
        both=(*_HELD_OUT, *_PLAIN),
        drawn=False,
    ),
    Study(
        "exact_against_learned",
        "What the metric loses and what the learned score loses: ten digits, the same held-out pairs",
        "rotated_mnist_unet_ten",
        "score",
        (("exact", ("score=empirical",)), ("U-Net", ())),
        ("psnr", "metric_length", "confidence"),
        full=_ROTATIONS,
        both=GRAPH,
        drawn=False,
    ),
    Study(
        "ablation_timestep",
        "Ablation: the paper's noise level, all digits, U-Net, shared noise",
        "rotated_mnist",
        "score.timestep",
        over("score.timestep", (100, 300, 500, 700, 900)),
        ("psnr", "fid", "metric_length"),
        full=("dataset.pairs_per_angle=12",),
        both=("dataset.angles=[60]", "dataset.pairs_per_angle=5", "evaluation.kid_subset_size=50", *_PLAIN),
    ),
    Study(
        "ablation_inversion",
        "Ablation: the inversion, all digits, U-Net",
        "rotated_mnist",
        "inversion",
        tuple((name, (f"inversion={name}",)) for name in ("none", "shared_noise", "ddim")),
        ("psnr", "fid"),
        drawn=False,
        full=("dataset.pairs_per_angle=12",),
        both=(
            "dataset.angles=[60]",
            "dataset.pairs_per_angle=5",
            "baseline=[lerp,slerp]",
            "evaluation.kid_subset_size=50",
            *_PLAIN,
        ),
    ),
    Study(
        "codimension",
        "One penalised direction, many normal ones",
        "codimension",
        "manifold",
        (
            *_SPHERES,
            ("closed curve in R^3, codimension 2", ("dataset=closed_curve",)),
            ("Clifford torus in R^4, codimension 2", ("dataset=flat_torus",)),
            ("SO(3) in R^9, codimension 6", ("dataset=rotation_group", "score.sigma=0.2")),
        ),
        ("manifold_distance_max", "length_error"),
        full=("dataset.num_pairs=32",),
        drawn=False,
    ),
    Study(
        "varying_curvature_wiggly",
        "Geodesics of wiggly spheres, by the height of the waves",
        "varying_curvature",
        "dataset.wiggle",
        tuple((str(w), ("dataset=wiggly_sphere", f"dataset.wiggle={w}")) for w in (0.0, 0.02, 0.04, 0.06)),
        _TRUTH,
        full=("dataset.num_pairs=48",),
        both=("dataset.curvature_groups=1",),
    ),
    Study(
        "noise_level",
        "Geodesics against the noise level, exact score of an ellipsoid",
        "noise_level",
        "score.sigma",
        over("score.sigma", (0.05, 0.1, 0.2, 0.4, 0.8)),
        _TRUTH,
        full=("dataset.num_pairs=32",),
    ),
    Study(
        "ablation_lambda",
        "Ablation: the weight of the score, torus",
        "torus",
        "metric.lam",
        over("metric.lam", (1, 10, 100, 1000, 10000)),
        _TRUTH,
        full=("dataset.num_pairs=32",),
        both=("~rivals.adam",),
    ),
    Study(
        "ablation_lambda_learned",
        "Ablation: the weight of the score, sphere, learned score",
        "sphere_learned",
        "metric.lam",
        over("metric.lam", (1, 10, 100, 1000)),
        _TRUTH,
        full=("dataset.num_pairs=32",),
        both=("seed=0", "baseline=[lerp,slerp]"),
    ),
    Study(
        "ablation_points",
        "Ablation: points of the path, torus",
        "torus",
        "solver.num_points",
        over("solver.num_points", (4, 8, 16, 32, 64)),
        _TRUTH,
        full=("dataset.num_pairs=32",),
        both=("~rivals.adam",),
    ),
    Study(
        "ablation_subnodes",
        "Ablation: parts of a segment, torus, 16 points",
        "torus",
        "solver.subnodes",
        over("solver.subnodes", (1, 2, 4, 8)),
        _TRUTH,
        full=("dataset.num_pairs=32",),
        both=("~rivals.adam", "~rivals.gauss_newton_mended", "solver.num_points=16"),
    ),
    Study(
        "ablation_initializer",
        "Ablation: the start, rotations of one digit, exact score",
        "rotated_mnist_empirical",
        "initializer",
        tuple((name, (f"initializer={name}",)) for name in ("lerp", "slerp", "perturbed", "graph")),
        ("psnr", "energy", "score_evaluations"),
        full=("dataset.pairs_per_angle=17",),
        both=_PLAIN,
    ),
    Study(
        "ablation_lambda_digits",
        "Ablation: the weight of the score, rotations of one digit, exact score",
        "rotated_mnist_empirical",
        "metric.lam",
        over("metric.lam", (1, 10, 100, 1000, 10000)),
        ("psnr", "metric_length", "score_evaluations"),
        full=("dataset.pairs_per_angle=17",),
        both=_PLAIN,
    ),
)

PROPERTIES = "properties"  # a page of its own, scripts/properties.py
# The folders of experiments/, and the pages each is answered by.
EXPERIMENTS = {
    "synthetic": ("sphere", "sphere_r50", "sphere_learned", "torus", "torus_learned"),
    "extrapolation": ("extrapolation", "extrapolation_torus", "extrapolation_digits", "extrapolation_digits_unet"),
    "rotated_mnist": (
        "rotated_mnist",
        "rotated_mnist_empirical",
        "rotated_mnist_empirical_ten",
        "rotated_mnist_empirical_hundred",
        "rotated_mnist_unet_ten",
        "rotated_mnist_unet_ten_exact_gradient",
    ),
    "stable_diffusion": ("stable_diffusion", "stable_diffusion_twenty"),
    "ablations": tuple(study.name for study in STUDIES if study.name.startswith("ablation_")),
    "codimension": ("codimension",),
    "noise_level": ("noise_level",),
    "against_lerp": ("against_lerp", "exact_against_learned"),
    "varying_curvature": ("varying_curvature", "varying_curvature_wiggly"),
    "properties": (PROPERTIES,),
}
APART = {item.name for item in ITEMS if item.apart}

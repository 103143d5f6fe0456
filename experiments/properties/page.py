"""The study of properties as tables: which cases at which noise levels, and the page."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments.properties.quantities import curvature, descend, dimension, directions
from experiments.properties.surfaces import surface_cases
from scoregeo._utils.errors import bad_value, check_choice
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.flat_torus import FlatTorus
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.rotation_group import RotationGroup
from scoregeo.dataset.sphere import Sphere
from scoregeo.evaluation.statistics import Estimate, bootstrap_mean
from scoregeo.report.model import Page, table_of
from scoregeo.report.render import write_page
from scoregeo.report.table import Cell, Row
from scoregeo.score.diffusers_unet import unet_score
from scoregeo.score.empirical import empirical_score
from scoregeo.score.field import ScoreField
from scoregeo.score.manifold import manifold_score
from scoregeo.score.sphere import sphere_score

log = logging.getLogger(__name__)

LAM = 1000.0
SEED = 0
_TITLES = {
    "median": "median error",
    "worst": "error of 9 points in 10 is below",
    "sign": "share of right signs",
    "weight": "share with lam |s|^2 above 10",
    "truth": "true dimension",
    "ambient": "numbers a point",
    "dimension": "dimension found",
    "codimension": "codimension",
    "off": "greatest distance to the manifold",
    "left": "distance left to go",
}


@dataclass(frozen=True)
class Size:
    """How much: points of surfaces and manifolds, pictures and probes on them, pairs and step of
    the descents, noise levels.
    """

    points: int = 100
    pictures: int = 8
    probes: int = 32
    pairs: int = 6
    step: float = 0.02
    sigmas: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2)


LEARNED = ("digits_unet_ten", "digits_unet_all")  # the shipped models behind the rows of a U-Net
FULL = Size()
QUICK = Size(points=40, pictures=4, probes=8, pairs=3, step=0.05)
SMOKE = Size(points=4, pictures=1, probes=1, pairs=1, step=0.2, sigmas=(0.1,))
SIZES = {"full": FULL, "quick": QUICK, "smoke": SMOKE}

OnRow = Callable[[str], None]


def curvature_rows(size: Size, on_row: OnRow) -> list[Row]:
    """One row a surface and noise level."""
    rows = []
    for case in surface_cases().values():
        for sigma in size.sigmas:
            found = curvature(case, sigma, LAM, size.points, SEED)
            count = size.points
            cells: dict[str, Cell] = {
                "median": Estimate(float(found.error.median()), n=count),
                "worst": Estimate(float(found.error.quantile(0.9)), n=count),
                "sign": Estimate(float(found.same_sign.mean()), n=count),
                "weight": Estimate(float((found.weight > 10).double().mean()), n=count),
            }
            rows.append(Row({"surface": case.title, "sigma": f"{sigma:g}"}, cells))
            on_row(f"curvature: {case.title}, sigma {sigma:g}")
    return rows


@dataclass(frozen=True)
class _Known:
    """A manifold, its dimension, and its exact score at a sigma."""

    title: str
    dataset: AbstractDataset
    dimension: int
    field: Callable[[float], ScoreField]
    sigma: float


def _known() -> list[_Known]:
    torus, group, curve = FlatTorus(), RotationGroup(), ClosedCurve()

    def sphere(ambient: int) -> _Known:
        return _Known(
            f"S^2 in R^{ambient}",
            Sphere(2, ambient),
            2,
            lambda s: sphere_score(Sphere(2, ambient), 0, s),
            0.05,
        )

    return [
        *(sphere(ambient) for ambient in (3, 10, 50, 200)),
        _Known(
            "closed curve in R^3", curve, 1, lambda sigma: manifold_score(curve, 0, sigma), 0.05
        ),
        _Known(
            "Clifford torus in R^4", torus, 2, lambda sigma: manifold_score(torus, 0, sigma), 0.05
        ),
        _Known("SO(3) in R^9", group, 3, lambda sigma: manifold_score(group, 0, sigma), 0.2),
    ]


def dimension_rows(size: Size, on_row: OnRow, models: Sequence[str] = LEARNED) -> list[Row]:
    """Manifolds of known dimension; then rotations of one digit and of ten, exact and learned, and
    all digits, learned.
    """
    rows = []
    for case in _known():
        x = case.dataset.sample(min(size.points, 50), SEED)
        rows.append(
            _dimension_row(case.title, str(case.dimension), case.field(case.sigma), x, None)
        )
        on_row(f"dimension: {case.title}")
    for identities in (1, 10):
        digits = RotatedMNIST(identities=identities, source="embedded")
        x = digits.held_out(size.pictures, SEED)
        for sigma in (0.5, 1.0, 2.0):
            title = f"rotations of {identities} digit{'s' * (identities > 1)}"
            rows.append(
                _dimension_row(
                    f"{title}, exact", "1", empirical_score(digits, 0, sigma), x, size.probes
                )
            )
            if identities == 10:
                learned = unet_score(digits, 0, sigma, model=models[0])
                rows.append(_dimension_row(f"{title}, U-Net", "1", learned, x, size.probes))
            on_row(f"dimension: {title}, sigma {sigma:g}")
    everything = RotatedMNIST(source="embedded")
    x = everything.held_out(size.pictures, SEED)
    for sigma in (0.5, 1.0, 2.0, 4.0):
        field = unet_score(everything, 0, sigma, model=models[1])
        rows.append(_dimension_row("all digits, rotated, U-Net", "7 to 13", field, x, size.probes))
        on_row(f"dimension: all digits, sigma {sigma:g}")
    return rows


def _dimension_row(
    title: str, truth: str, field: ScoreField, x: torch.Tensor, probes: int | None
) -> Row:
    noise = torch.randn(
        x.shape, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64
    ).to(x)
    cells: dict[str, Cell] = {
        "clean": bootstrap_mean(dimension(field, x, probes, SEED), seed=SEED),
        "noisy": bootstrap_mean(dimension(field, x + field.sigma * noise, probes, SEED), seed=SEED),
    }
    labels = {
        "data": title,
        "ambient": str(x[0].numel()),
        "truth": truth,
        "sigma": f"{field.sigma:g}",
    }
    return Row(labels, cells)


def descent_rows(size: Size, on_row: OnRow) -> list[Row]:
    """One row a manifold and metric whose inverse turns the slope."""
    rows = []
    for case in _known():
        for metric, inverse in directions(case.field(case.sigma), LAM).items():
            found = descend(case.dataset, inverse, size.pairs, size.step, SEED)
            codimension = case.dataset.shape[0] - case.dimension
            labels = {"manifold": case.title, "codimension": str(codimension), "inverse": metric}
            rows.append(
                Row(
                    labels,
                    {
                        "off": bootstrap_mean(found.off, seed=SEED),
                        "left": bootstrap_mean(found.left, seed=SEED),
                    },
                )
            )
            on_row(f"descent: {case.title}, {metric}")
    return rows


_NOTES = (
    (
        "Curvature: planes across the score at points of the surface, exact scores; errors over the"
        " root mean square of the true Gaussian curvature. By Gauss's equation the plane's"
        " curvature in the Stein metric is that of the level set of log p, times `lam |s|^2 / (1 +"
        " lam |s|^2)`."
    ),
    (
        "Dimension: `trace(I + sigma^2 J)`, at points of the data (clean) and with noise of sigma"
        " added (noisy). For all digits the truth is not known: maximum-likelihood estimates of"
        " MNIST run from 7 to 13 with 3 to 20 neighbours (Pope et al. 2021, ICLR), without"
        " rotations, which add one."
    ),
    (
        "Descent: `|x - b|^2 / 2` made less from a towards b, both on the manifold, along `g^-1`"
        " of its gradient, in steps of {step:g}; `none` is plain gradient descent. Exact"
        " scores, sigma as under dimension."
    ),
)


def _notes(size: Size) -> tuple[str, ...]:
    counts = (
        f"{size.points} points a surface and noise level, {min(size.points, 50)} a manifold,"
        f" {size.pictures} pictures with {size.probes} probes each, {size.pairs} descents."
    )
    return (*(note.replace("{step:g}", f"{size.step:g}") for note in _NOTES), counts)


def run(path: Path, size: str = "full", models: Sequence[str] = LEARNED) -> None:
    """The work of `experiment=properties`: write the page (`summary.json`, `table.md`, `table.csv`)
    into `path`.

    `size`: "full", "quick", or "smoke", which only proves that everything runs. `models`: the
    shipped models of ten digits and of all digits. Raises ConfigError for another size or number of
    models.
    """
    check_choice("runner.size", size, tuple(SIZES))
    if len(models) != len(LEARNED):
        raise bad_value(
            "runner.models", list(models), f"two shipped models, such as {', '.join(LEARNED)}"
        )
    command = "scoregeo experiment=properties" + " profile=full" * (size == "full")
    page = properties_page(SIZES[size], command, log.info, models)
    write_page(page, path)


def properties_page(
    size: Size, command: str, on_row: OnRow, models: Sequence[str] = LEARNED
) -> Page:
    """Compute all tables."""
    tables = {
        "Sectional curvature": curvature_rows(size, on_row),
        "Intrinsic dimension": dimension_rows(size, on_row, models),
        "Descent on the manifold": descent_rows(size, on_row),
    }
    return Page(
        name="properties",
        title="Curvature, dimension and projection, from the score",
        command=command,
        tables=tuple(table_of(caption, rows) for caption, rows in tables.items()),
        question="Which other properties of the manifold does the score know?",
        seed=SEED,
        settings={"lam": LAM},
        titles=_TITLES,
        notes=_notes(size),
    )

"""The rows of the study of properties: which cases at which noise levels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from experiments.properties.quantities import curvature, descend, dimension, directions
from experiments.properties.surfaces import surface_cases
from scoregeo.dataset.base import AbstractDataset
from scoregeo.dataset.closed_curve import ClosedCurve
from scoregeo.dataset.flat_torus import FlatTorus
from scoregeo.dataset.rotated_mnist import RotatedMNIST
from scoregeo.dataset.rotation_group import RotationGroup
from scoregeo.dataset.sphere import Sphere
from scoregeo.evaluation.statistics import Estimate, mean_with_interval
from scoregeo.report.table import Cell, Row
from scoregeo.score.diffusers_unet import unet_score
from scoregeo.score.empirical import empirical_score
from scoregeo.score.field import ScoreField
from scoregeo.score.manifold import manifold_score
from scoregeo.score.sphere import sphere_score

LAM = 1000.0
SEED = 0


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
        "clean": mean_with_interval(dimension(field, x, probes, SEED)),
        "noisy": mean_with_interval(dimension(field, x + field.sigma * noise, probes, SEED)),
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
                        "off": mean_with_interval(found.off),
                        "left": mean_with_interval(found.left),
                    },
                )
            )
            on_row(f"descent: {case.title}, {metric}")
    return rows

"""The study of the score's direction as a page: tables and a figure."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments.score_direction.angles import PLACES, Angles, angles, schedule
from scoregeo._utils.errors import check_choice
from scoregeo.dataset.sphere import Sphere
from scoregeo.evaluation.statistics import Estimate, mean_with_interval
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.model import FIGURES, Page, Picture, table_of
from scoregeo.report.render import write_page
from scoregeo.report.run_page import clear_figures
from scoregeo.report.table import Cell, Row
from scoregeo.score.base import AbstractScore
from scoregeo.score.mlp import mlp_score
from scoregeo.score.sphere import SphereScore

log = logging.getLogger(__name__)

TIMESTEPS = (10, 50, 100, 200, 300, 400, 800)
EXACT = "exact"
NETWORKS = {"network, width 32": (32, 2), "network, width 128": (128, 4)}  # width, depth


@dataclass(frozen=True)
class Size:
    """Points a cell, and steps of each network's training; spheres S^2 in R^`ambients`."""

    points: int = 500
    steps: int = 8000
    ambients: tuple[int, ...] = (3, 50)


SIZES = {
    "full": Size(),
    "quick": Size(200, 1500),
    "smoke": Size(8, 2, (3,)),
}

_NOTES = (
    (
        "Angle between the score and the outward radial direction, mean over uniform points of S^2,"
        " in degrees: 180 is straight inward. t: timestep of DDPM's linear schedule of 1,000; sigma"
        " is 0.047 at t = 10, 0.34 at 100, 1.24 at 300, 2.04 at 400 and 26 at 800."
    ),
    (
        "Places: points of the sphere itself, points moved to radius 0.9 and 1.1, and points of the"
        " sphere given to the network as if they were noised (unscaled; radius sqrt(1 + sigma^2) in"
        " variance-exploding coordinates). The exact score at a point of the sphere is inward: the"
        " blurred density's ridge lies inside of it."
    ),
    (
        "Error: |score - exact score| / |exact score|. One network of each size, trained by"
        " denoising score matching; intervals are over points, not over networks."
    ),
)


def run(path: Path, size: str = "full") -> None:
    """The work of `experiment=score_direction`: write the page into `path`.

    `size`: "full", "quick", or "smoke", which only proves that everything runs. Networks are
    trained on first use, about a minute each, and kept in the cache folder. Raises ConfigError for
    another size.
    """
    check_choice("runner.size", size, tuple(SIZES))
    chosen = SIZES[size]
    clear_figures(path)
    found = {ambient: _of_sphere(ambient, chosen) for ambient in chosen.ambients}
    figures = sweep_lines(
        path / FIGURES / "angle",
        {f"S^2 in R^{ambient}": _lines(cells) for ambient, cells in found.items()},
        xlabel="timestep",
        ylabels="angle to the radius (degrees)",
        legend="score, on the sphere",
        columns=2,
        formats=("png",),
    )
    tables = {
        f"{what} in R^{ambient}": _rows(cells, key)
        for key, what in (("angle", "Angle, S^2"), ("error", "Error, S^2"))
        for ambient, cells in found.items()
    }
    page = Page(
        name="score_direction",
        title="Direction of the score on a sphere (Appendix C)",
        command="scoregeo experiment=score_direction"
        + {"quick": "", "full": " profile=full"}.get(size, f" runner.size={size}"),
        tables=tuple(table_of(caption, rows) for caption, rows in tables.items()),
        question="Is the score radial, and where it is not, is it the network's error?",
        seed=0,
        settings={"points": chosen.points, "training steps": chosen.steps},
        titles={_column(t): f"t = {t}" for t in TIMESTEPS},
        measures=tuple(_column(t) for t in TIMESTEPS if t != 50),
        notes=_NOTES,
        figures=tuple(
            Picture(one.name, "Angle against the timestep, one line a score.") for one in figures
        ),
    )
    write_page(page, path)


Cells = Mapping[tuple[str, str, int], Angles]  # by score, place and timestep


def _of_sphere(ambient: int, size: Size) -> Cells:
    sphere, levels = Sphere(2, ambient, num_pairs=1), schedule()
    exact = SphereScore(2, ambient)
    scores: dict[str, AbstractScore] = {EXACT: exact}
    for name, (width, depth) in NETWORKS.items():
        log.info("%s, S^2 in R^%d", name, ambient)
        scores[name] = mlp_score(
            sphere,
            seed=0,
            sigma=1.0,
            steps=size.steps,
            width=width,
            depth=depth,
            sigma_min=levels.sigma_range[0],
            sigma_max=levels.sigma_range[1],
        ).score
    return {
        (name, place, t): angles(
            score, exact, sphere, place, float(levels.sigma(torch.tensor(t))), size.points
        )
        for name, score in scores.items()
        for place in PLACES
        for t in TIMESTEPS
    }


def _lines(cells: Cells) -> dict[str, Line]:
    """Angles on the sphere against the timestep, a line a score."""
    return {
        name: Line(
            [str(t) for t in TIMESTEPS],
            [float(cells[name, PLACES[0], t].angle.mean()) for t in TIMESTEPS],
        )
        for name in dict.fromkeys(name for name, _, _ in cells)
    }


def _rows(cells: Cells, key: str) -> list[Row]:
    rows = []
    for name, place in dict.fromkeys((name, place) for name, place, _ in cells):
        if key == "error" and name == EXACT:
            continue
        found = {t: getattr(cells[name, place, t], key) for t in TIMESTEPS}
        rows.append(
            Row({"score": name, "place": place}, {_column(t): _mean(v) for t, v in found.items()})
        )
    return rows


def _mean(values: torch.Tensor) -> Cell:
    """With its interval; values that are the same up to rounding have none."""
    if float(values.std()) < 1e-6:
        return Estimate(float(values.mean()), n=len(values))
    return mean_with_interval(values)


def _column(timestep: int) -> str:
    return f"t{timestep}"

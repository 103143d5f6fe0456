"""The study of properties as tables: which cases at which noise levels, and the page."""

import logging
from collections.abc import Sequence
from pathlib import Path

from experiments.properties.rows import (
    LAM,
    LEARNED,
    SEED,
    SIZES,
    OnRow,
    Size,
    curvature_rows,
    descent_rows,
    dimension_rows,
)
from scoregeo._utils.errors import bad_value, check_choice
from scoregeo.report.model import Page, table_of
from scoregeo.report.render import write_page

log = logging.getLogger(__name__)

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
        " scores, sigma as under dimension. S^2 in R^D is one problem whatever D: score and steps"
        " stay in its three coordinates."
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
    sized = {"quick": "", "full": " profile=full"}.get(size, f" runner.size={size}")
    command = "scoregeo experiment=properties" + sized
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

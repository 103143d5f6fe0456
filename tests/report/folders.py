"""Folders as runs, sweeps and reproduction leave them, small, for the tests of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scoregeo._utils.files import write_text
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.model import Page, Picture, Table
from scoregeo.report.render import write_page
from scoregeo.report.run import read_run
from scoregeo.report.run_page import sheets_of
from scoregeo.report.table import rows_from_summary, summary_entry
from scoregeo.run.run_folder import RunFolder

METHODS = ("truth", "lerp", "stein_gauss_newton")
PAIRS = {"60deg_000": "60 deg", "120deg_000": "120 deg"}
POINTS = 9
NAME = "rotated_mnist_empirical"
COMMAND = "scoregeo experiment=rotated_mnist_empirical"
COMPARISON = {
    "group": "all",
    "measure": "psnr",
    "method": "stein_gauss_newton",
    "reference": "lerp",
    "difference": 20.5,
    "low": 18.0,
    "high": 23.0,
    "p": 0.001,
    "p_corrected": 0.002,
    "effect": 1.0,
    "n": 12,
    "better": True,
}
WEIGHTS = [
    {
        "measure": "LPIPS",
        "network": "alex",
        "source": "lpips",
        "digest": "ab12",
        "version": "0.1",
        "status": "used",
    }
]
NOTES = ["FID of <few> frames."]


def level(method: int, point: int) -> int:
    """The grey of a method's frame at a point: no two alike."""
    return 20 * method + 20 * point


def summary(psnr: float = 36.0) -> list[dict[str, Any]]:
    """Rows of a summary: a winner, an unavailable measure, a logarithmic one."""
    cells = {
        "truth": {"energy": Estimate(10.0, 9.0, 11.0, 2)},
        "lerp": {
            "psnr": Estimate(15.5, 14.5, 16.5, 2),
            "energy": Estimate(2e5, 1e5, 3e5, 2),
            "lpips": NotAvailable("no <weights>"),
        },
        "stein_gauss_newton": {
            "psnr": Estimate(psnr, psnr - 1, psnr + 1, 2),
            "energy": Estimate(9.0, 8.0, 10.0, 2),
            "iterations": Estimate(7.0, n=2),
            "evaluations_per_point": Estimate(44.0, 40.0, 48.0, 2),
        },
    }
    return [
        summary_entry(method, "all", name, cell)
        for method, found in cells.items()
        for name, cell in found.items()
    ]


def run_folder(
    path: Path,
    config: Mapping[str, Any] | None = None,
    *,
    command: Sequence[str] = ("experiment=rotated_mnist_empirical",),
    failure: str | None = None,
    comparisons: bool = True,
    frames: bool = True,
    psnr: float = 36.0,
) -> Path:
    """A run's folder by the writer of runs itself, with frames, a figure,
    comparisons and weights.
    """
    folder = RunFolder(
        path,
        {"name": path.parent.name, "seed": 3, "device": "cpu", **(config or {})},
        command=command,
    )
    if failure is not None:
        folder.fail(failure)
        return path
    lines = [
        {
            "method": m,
            "pair": p,
            "group": g,
            "status": "converged" if m.startswith("stein") else "closed_form",
            "measures": {},
        }
        for m in METHODS
        for p, g in PAIRS.items()
    ]
    folder.write_results(lines, summary(psnr), [COMPARISON] if comparisons else [])
    for number, method in enumerate(METHODS if frames else ()):
        for pair in PAIRS:
            for point in range(POINTS):
                picture = path / "frames" / method / pair / f"{point:03d}.png"
                picture.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((28, 28, 3), level(number, point), np.uint8)).save(picture)
    if frames:
        plot(path / "figures" / "energy.png")
    folder.finish(methods=list(METHODS), pairs=len(PAIRS), weights=WEIGHTS, notes=NOTES)
    return path


def plot(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize((800, 500)).convert("RGB").save(path)


def results_folder(path: Path, run: Path | None = None) -> Path:
    """Results of one experiment, as reproduction writes them; `run`: whose frames are kept."""
    folder = path / NAME
    sheets = {} if run is None else {f"frames_{s.pair}.webp": s for s in sheets_of(read_run(run))}
    for file, sheet in sheets.items():
        sheet.save(folder / "figures" / file)
    plot(folder / "figures" / "energy.png")
    write_page(a_page(sheets=tuple(sheets)), folder)
    return path


def a_page(**changes: Any) -> Page:
    """A page of one experiment, with a winner, words that need escaping, and no paths."""
    rows = rows_from_summary(summary(), comparisons=[COMPARISON])
    page = Page(
        name=NAME,
        title="Rotations of <one> digit",
        command=COMMAND,
        tables=(Table(tuple(rows)),),
        question="Does it turn a <digit>?",
        seed=3,
        settings={"pairs": 2},
        measures=("psnr", "energy", "lpips"),
        comparisons=(COMPARISON,),
        notes=(*NOTES, "`a < b` and a < b"),
        figures=(Picture("energy.png", "Energy against score evaluations."),),
    )
    return replace(page, **changes)


def sweep_folder(
    path: Path,
    lams: Sequence[float] = (1.0, 10.0, 100.0, 1000.0),
    points: Sequence[int] = (8, 16, 32, 64),
) -> Path:
    """A multirun over lambda and points, by default of sixteen jobs; the one at
    100 and 16 failed.
    """
    for number, (lam, count) in enumerate((lam, count) for lam in lams for count in points):
        overrides = [
            "experiment=rotated_mnist_empirical",
            f"metric.lam={lam:g}",
            f"solver.num_points={count}",
        ]
        config = {"metric": {"lam": lam}, "solver": {"num_points": count}}
        failure = "score is NaN at point <3>" if (lam, count) == (100.0, 16) else None
        folder = path / str(number)
        run_folder(
            folder,
            config,
            command=overrides,
            failure=failure,
            comparisons=False,
            frames=number == 0,
            psnr=30 + number,
        )
        write_text(
            folder / ".hydra" / "overrides.yaml", "".join(f"- {line}\n" for line in overrides)
        )
    return path

"""The page of `study=sparse_references`: a table and a panel a case, and paired differences."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.sparse_references.results import (
    CONTROL,
    LERP,
    MEASURE,
    START,
    Done,
    by_case,
    read_done,
)
from scoregeo.evaluation.comparison import Difference
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.model import FIGURES, Page, Picture, Table, table_of
from scoregeo.report.study import Study
from scoregeo.report.sweep import line_of
from scoregeo.report.table import Cell, Row

FIGURE = "sparse_references.png"
_CAPTION = (
    "PSNR against the true rotation, by the degrees between the references of a digit, with 95 %"
    " intervals: a panel a case."
)
_NAMES = {
    LERP: "LERP",
    CONTROL: "Euclidean graph, no score",
    START: "Graph weighted by the metric",
}
_GEODESIC = "Geodesic from it"
_SHOWN = ("psnr", "ssim", "confidence", "metric_length", "evaluations_per_point")
_TITLES = {
    "weights": "metric's weights: start less control",
    "relaxation": "relaxation: geodesic less start",
    "both": "geodesic less control",
    "gap": "ends to nearest reference (degrees)",
}


def write(study: Study, folder: Path) -> Page | None:
    """The study's page, its figure drawn into `folder`; None where no case is done."""
    cases = by_case([read_done(run) for run in study.done.values()])
    if not cases:
        return None
    first = next(iter(cases.values()))[0]
    draw(folder, cases)
    page = Page(
        name=study.name,
        title=study.page.title,
        command=study.command,
        question=study.page.question,
        tables=(*map(_table, cases.values()), _differences(cases)),
        finding=_finding(cases),
        seed=first.config["seed"],
        settings={"lam": first.config["metric"]["lam"]},
        about=(_about(cases),),
        measures=_SHOWN,
        titles=_TITLES,
        notes=(
            "The two graphs have the same nodes. The control's edges are as long as they are in"
            " Euclidean distance; the start's are measured in the metric, and a straight edge"
            " between a pair's ends competes with them. The geodesic is Gauss-Newton's from the"
            " start.",
        ),
        figures=(Picture(FIGURE, _CAPTION),),
        failures=study.failures,
    )
    return page


def _about(cases: dict[str, list[Done]]) -> str:
    """Who has seen what of the pairs."""
    lines = []
    for case, runs in cases.items():
        config = runs[0].config
        same = config["dataset"]["reference_digits"] == "same"
        test = config["dataset"]["split"] == "test"
        digits = (
            "identities that the network has not seen" if test else "identities of the score's data"
        )
        graph = "and the graph has, at other angles" if same else "nor the graph"
        if not test:
            graph = "and of the graph's"
        off = f"{runs[0].off_score:g} degrees or more off the grid of the score's data"
        if config["score"].get("points") == "references":
            off = "off the references, all that the score knows"
        elif test:
            off = "of their own"
        pairs = next(iter(runs[0].psnr.values()))
        lines.append(f"{case}: {len(pairs)} pairs, {digits} {graph}, at angles {off}.")
    return "Held out. " + " ".join(lines)


def _table(runs: Sequence[Done]) -> Table:
    rows = []
    for run in runs:
        for method in run.methods:
            found = run.cells[method]
            cells: dict[str, Cell] = {name: found[name] for name in _SHOWN if name in found}
            rows.append(Row({**_labels(run), "method": method}, cells))
    return table_of(runs[0].case, rows)


def _labels(run: Done) -> dict[str, str]:
    return {"degrees between references": f"{run.step:g}", "references": str(run.references)}


def _differences(cases: dict[str, list[Done]]) -> Table:
    rows = []
    for case, runs in cases.items():
        for run in runs:
            cells: dict[str, Cell] = {
                "weights": _estimate(run.difference(START, CONTROL)),
                "relaxation": _estimate(run.difference(run.geodesic, START)),
                "both": _estimate(run.difference(run.geodesic, CONTROL)),
                "gap": Estimate(run.gap, n=len(run.psnr[START])),
            }
            rows.append(Row({"case": case, **_labels(run)}, cells))
    found = table_of("Paired differences of PSNR (dB)", rows)
    return replace(found, measures=tuple(_TITLES))


def _estimate(found: Difference) -> Estimate:
    return Estimate(found.mean, found.low, found.high, n=found.n)


def _finding(cases: dict[str, list[Done]]) -> str:
    """Where the intervals of the paired differences lie above 0."""
    parts = []
    for case, runs in cases.items():
        weights, both = _steps(runs, _weights_help), _steps(runs, _geodesic_helps)
        parts.append(f"{case}: the metric's weights {weights}, the geodesic over both {both}")
    return "Better by the interval of the paired PSNR differences. " + "; ".join(parts) + "."


def _weights_help(run: Done) -> bool:
    return run.difference(START, CONTROL).low > 0


def _geodesic_helps(run: Done) -> bool:
    return min(run.difference(run.geodesic, other).low for other in (START, CONTROL)) > 0


def _steps(runs: Sequence[Done], holds: Callable[[Done], bool]) -> str:
    found = [f"{run.step:g}" for run in runs if holds(run)]
    return f"at {', '.join(found)} degrees" if found else "nowhere"


def draw(folder: Path, cases: dict[str, list[Done]]) -> list[Path]:
    """PSNR against the degrees between references: a panel a case, a line a method."""
    panels: dict[str, dict[str, Line]] = {}
    for case, runs in cases.items():
        lines: dict[str, Line] = {}
        for method in runs[0].methods:
            points = [
                (run.step, run.cells[method][MEASURE])
                for run in runs
                if MEASURE in run.cells.get(method, {})
            ]
            lines[method] = line_of(points)
        panels[case] = lines
    names = _NAMES | {runs[0].geodesic: _GEODESIC for runs in cases.values()}
    return sweep_lines(
        folder / FIGURES / Path(FIGURE).stem,
        panels,
        xlabel="degrees between references",
        ylabels="PSNR (dB)",
        names=names,
        below=True,
        formats=("png",),
    )

"""The page of `study=sparse_references`: a table and a panel a case, and paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.sparse_references.results import (
    COMPARED,
    CONTROL,
    LERP,
    MEASURE,
    POWER,
    Done,
    Tested,
    by_case,
    differences,
    read_done,
)
from scoregeo.evaluation.columns import TITLES
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
    POWER: "Euclidean graph, 4th powers, no score",
}
_START = "Graph weighted by the metric"
_GEODESIC = "Geodesic from it"
_EDGES = {
    False: ", and a straight edge between a pair's ends competes with the others",
    True: " after it was relaxed by the string method",
}
_SHOWN = (
    "psnr",
    "lpips",
    "ssim",
    "precision",
    "confidence",
    "metric_length",
    "evaluations_per_point",
)
_TITLES = {
    "weights": "start less graph by lengths",
    "weights_power": "start less graph by 4th powers",
    "relaxation": "geodesic less start",
    "lengths": "geodesic less graph by lengths",
    "power": "geodesic less graph by 4th powers",
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
        tables=(
            *map(_table, cases.values()),
            *(_differences(cases, name) for name in COMPARED if name in first.values),
        ),
        finding=_finding(cases),
        seed=first.config["seed"],
        settings={
            key: first.config["metric"][key]
            for key in ("lam", "eps")
            if key in first.config["metric"]
        },
        about=(_about(cases),),
        measures=_SHOWN,
        titles=_TITLES,
        notes=(
            "The graphs have the same nodes, each joined to its nearest:"
            f" {_neighbours(cases)}. Without a score an edge costs its Euclidean length, or its"
            " fourth power, which prefers many short edges; for the start it costs its length in"
            f" the metric{_EDGES[_relaxed(first)]}. The geodesic is that of the run's solver from"
            " the start.",
            "Differences: t intervals over pairs, and the p of a paired t test, Holm-corrected over"
            " all differences of one case and measure. LPIPS is lower where paths are better.",
        ),
        figures=(Picture(FIGURE, _CAPTION),),
        failures=study.failures,
    )
    return page


def _neighbours(cases: dict[str, list[Done]]) -> str:
    """How many neighbours each graph has, case by case where they differ."""
    found = {}
    for case, runs in cases.items():
        config = runs[0].config
        graphs = config["baseline"]
        found[case] = (
            f"{graphs[CONTROL]['neighbours']} by lengths, {graphs[POWER]['neighbours']} by fourth"
            f" powers, {config['initializer']['neighbours']} in the metric"
        )
    same = set(found.values())
    if len(same) == 1:
        return same.pop()
    return "; ".join(f"{text} ({case})" for case, text in found.items())


def _relaxed(run: Done) -> bool:
    return "relax" in run.config["initializer"]


def _about(cases: dict[str, list[Done]]) -> str:
    """What of the pairs neither score nor graph has seen, said once for the cases that share it."""
    shared: dict[str, list[str]] = {}
    for case, runs in cases.items():
        shared.setdefault(_held_out(runs[0]), []).append(case)
    lines = [f"{'; '.join(names)}: {text}." for text, names in shared.items()]
    return "What is held out. " + " ".join(lines)


def _held_out(run: Done) -> str:
    data, score = run.config["dataset"], run.config["score"]
    if data["split"] == "test":
        graph = "has them" if data["reference_digits"] == "same" else "has others"
        return f"identities, for the score, whose network has not seen them; the graph {graph}"
    if score.get("points") == "references":
        return "angles, from score and graph alike, not identities"
    off = f"{run.off_score:g} degrees or more off those of the score's data"
    return f"angles, {off}, not identities"


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


def _differences(cases: dict[str, list[Done]], measure: str) -> Table:
    rows = []
    for case, runs in cases.items():
        tested = differences(runs, measure)
        for run in runs:
            cells: dict[str, Cell] = {name: one.cell for name, one in tested[run.step].items()}
            if measure == MEASURE:
                cells["gap"] = Estimate(run.gap, n=len(run.values[MEASURE][run.start]))
            rows.append(Row({"case": case, **_labels(run)}, cells))
    found = table_of(f"Paired differences of {TITLES[measure]}", rows)
    return replace(found, measures=tuple(_TITLES))


def _finding(cases: dict[str, list[Done]]) -> str:
    """Where the corrected tests of the paired differences say that a method is better."""
    parts = []
    for case, runs in cases.items():
        tested = differences(runs)
        weights = _steps(tested, "weights", "weights_power")
        both = _steps(tested, "lengths", "power", "relaxation")
        parts.append(
            f"{case}: the start over both score-free graphs {weights}, the geodesic over"
            f" these and the start {both}"
        )
    return "Significantly better in PSNR: " + "; ".join(parts) + "."


def _steps(tested: Mapping[float, Mapping[str, Tested]], *names: str) -> str:
    found = [f"{step:g}" for step, one in tested.items() if all(one[n].better for n in names)]
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
    first = [runs[0] for runs in cases.values()]
    names = (
        _NAMES | {run.start: _START for run in first} | {run.geodesic: _GEODESIC for run in first}
    )
    return sweep_lines(
        folder / FIGURES / Path(FIGURE).stem,
        panels,
        xlabel="degrees between references",
        ylabels="PSNR (dB)",
        names=names,
        below=True,
        columns=2 if len(panels) == 4 else 3,
        formats=("png",),
    )

"""The study of the rules for the noise level as a page, a CSV and a figure."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from scoregeo.core.files import write_text
from scoregeo.evaluation.statistics import Estimate
from scoregeo.report.curves import Line, sweep_lines
from scoregeo.report.table import Cell as TableCell
from scoregeo.report.table import Row, write_page
from scoregeo.study.noise_level import LAM, RULE_OF, Cell, SampledCase, Size, Verdict, verdict

WITHIN = 1.2  # of the best error on the grid
_TITLES = {
    "sigma": "sigma chosen",
    "greatest": "greatest distance to the truth / length",
    "reach": "sigma chosen / reach",
    "best_sigma": "best sigma of the grid",
    "best_greatest": "its distance / length",
    "straight": "straight line's",
    "ratio": "chosen / best",
    "length": "length error",
    "length_ratio": "length error, chosen / best",
    "evaluations": "evaluations a point",
}


def write_noise_level(
    out: Path, cases: Mapping[str, SampledCase], cells: Mapping[str, Sequence[Cell]], size: Size, command: str
) -> list[Path]:
    """`out.md`, `out.csv` and `figures/OUT.png` beside them. `cells` by case; a table for each metric, design and test apart."""
    tables: dict[str, list[Row]] = {}
    counts = []
    for metric in size.metrics:
        found = {name: verdict(mine, metric) for name, mine in cells.items()}
        for design in (False, True):
            kind = "made on these" if design else "not made on these"
            rows = [_row(cases[name], one) for name, one in found.items() if cases[name].design == design]
            if rows:
                tables[f"{metric}, sigma={RULE_OF[metric]}, {kind}"] = rows
        tests = [one.ratio for name, one in found.items() if not cases[name].design]
        if tests:
            good = sum(ratio <= WITHIN for ratio in tests)
            counts.append(f"{metric} with {RULE_OF[metric]}: on {good} of {len(tests)}")
    notes = [
        "Within 20 % of the grid's best distance, on manifolds that the rules were not made on: " + "; ".join(counts) + ".",
        f"Scores of finite samples. Mean over {size.samples} samples and 8 pairs each; {size.num_points} points a path, from the "
        f"straight line; Stein metric with lam = {LAM:g}, Gauss-Newton, two to four parts a segment; conformal and pullback with "
        f"their defaults, L-BFGS; at most {size.iterations} iterations.",
        f"The grid has {size.levels} levels, each the one before over sqrt(2), from the data's root mean square distance from "
        "their mean down. Below 1: the rule's level lies between two of the grid, or below it.",
        "The rules are for the greatest distance to the true geodesic. The length error is shown beside it: paths that are too "
        "short and too crooked cancel in it, so that its minimum over a grid means less.",
        "On the sphere the error of stein falls on for ever as sigma grows, since every level set of its log p is a sphere: a "
        "property of symmetry that no other surface here has to that degree.",
    ]
    settings = {"lam": LAM, "samples": size.samples, "points": size.num_points}
    title = "Noise levels chosen by a rule, against a grid of them"
    written = [*write_page(out, title, tables, command=command, seed=0, settings=settings, titles=_TITLES, notes=notes)]
    figures = _figure(out.parent / "figures" / out.name, cases, cells, size)
    if figures:
        text = written[0].read_text(encoding="utf-8")
        write_text(written[0], text + f"\n## Figures\n\n![{title}](figures/{out.name}.png)\n")
    return [*written, *figures]


def _row(case: SampledCase, found: Verdict) -> Row:
    values = {
        "sigma": found.auto.sigma,
        "greatest": found.auto.greatest,
        "best_sigma": found.best.sigma,
        "best_greatest": found.best.greatest,
        "straight": found.straight.greatest,
        "ratio": found.ratio,
        "length": found.auto.length,
        "length_ratio": found.length_ratio,
        "evaluations": found.auto.evaluations,
    }
    cells: dict[str, TableCell] = {name: Estimate(value, n=8) for name, value in values.items()}
    if case.reach is not None:
        cells["reach"] = Estimate(found.auto.sigma / case.reach, n=8)
    return Row({"manifold": case.title, "sample": str(case.count)}, cells)


def _figure(out: Path, cases: Mapping[str, SampledCase], cells: Mapping[str, Sequence[Cell]], size: Size) -> list[Path]:
    """A panel a metric, a line a manifold that is no design: the grid's distances over the best of them."""
    panels: dict[str, dict[str, Line]] = {}
    for metric in size.metrics:
        lines = {}
        for name, mine in cells.items():
            if cases[name].design:
                continue
            levels = sorted((cell for cell in mine if cell.metric == metric and not cell.rule), key=lambda cell: cell.sigma)
            least = min(cell.greatest for cell in levels)
            octaves = [round(math.log2(cell.sigma / levels[-1].sigma), 3) for cell in levels]
            lines[cases[name].title] = Line(octaves, [cell.greatest / least for cell in levels])
        if lines:
            panels[metric] = lines
    label = "distance to the truth over the grid's best"
    return (
        sweep_lines(out, panels, xlabel="log2 of sigma over the data's size", ylabels=[label] * len(panels), formats=("png",))
        if panels
        else []
    )

"""The study of starts as a page, a CSV and a figure."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from scoregeo.core.files import write_text
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.curves import sweep_heatmap
from scoregeo.report.table import Cell as TableCell
from scoregeo.report.table import Row, csv_table, markdown_table
from scoregeo.solver.certificate import REFINEMENT
from scoregeo.study.cases import LAM
from scoregeo.study.starts import REACHED, Case, Cell, Share, shares

_TITLES = {
    "start": "start",
    "ratio": "energy / best",
    "start_ratio": "start's own energy / best",
    "start_evaluations": "evaluations for the start",
    "solver_evaluations": "evaluations of the solver",
    "seconds": "seconds for all pairs",
}


def write_starts(out: Path, cases: Mapping[str, Case], cells: Mapping[str, Sequence[Cell]], command: str) -> list[Path]:
    """`out.md`, `out.csv` and `figures/OUT.png` beside them. `cells` by case; cases without cells are left out."""
    done = {name: found for name, found in cells.items() if found}
    parts = [
        "# Starts: how often each leads to the best known geodesic",
        f"```bash\n{command}\n```",
        f"Each start is followed by Gauss-Newton (`metric.lam={LAM:g}`), pairs of all angles as one batch. Energies are "
        f"certified on a quadrature {REFINEMENT} times finer than the solver's. The best known energy of a pair is the least "
        f"that any start's geodesic has; a start reaches it within {100 * (REACHED - 1):.0f} %. A column of degrees counts the "
        "pairs that reach it; ratios are medians over all pairs (the lower one of two). Costs are score evaluations a pair, "
        "medians; what a start prepares for all pairs is shared among them.",
        f"![How often the best known energy is reached](figures/{out.name}.png)",
    ]
    rows: list[Row] = []
    for name, found in done.items():
        table = shares(found)
        case = cases[name]
        parts += [f"## {case.title}", _settings(case), _markdown(table, found).rstrip(), *_notes(found)]
        rows += [_csv_row(share) for share in table]
    page, numbers = out.with_name(f"{out.name}.md"), out.with_name(f"{out.name}.csv")
    write_text(page, "\n\n".join(parts) + "\n")
    write_text(numbers, csv_table(rows))
    return [page, numbers, *_figure(out.parent / "figures" / out.name, done)]


def _settings(case: Case) -> str:
    return f"{case.num_points} points, {case.subnodes} parts a segment, at most {case.max_iterations} iterations."


def _markdown(table: Sequence[Share], cells: Sequence[Cell]) -> str:
    rows = []
    for cell in cells:
        own = [share for share in table if share.start == cell.start]
        labels = {"start": cell.start} | {_angle(share): f"{share.reached}/{share.pairs}" for share in own}
        rows.append(Row(labels, _cells(own[-1]) | {"seconds": Estimate(round(cell.seconds, 1), n=own[-1].pairs)}))
    return markdown_table(rows, titles=_TITLES)


def _cells(share: Share) -> dict[str, TableCell]:
    found: dict[str, TableCell] = {}
    for name in ("ratio", "start_ratio", "start_evaluations", "solver_evaluations"):
        value = getattr(share, name)
        found[name] = Estimate(value, n=share.pairs) if math.isfinite(value) else NotAvailable("no finite energy")
    return found


def _csv_row(share: Share) -> Row:
    reached: dict[str, TableCell] = {"reached": Estimate(share.reached / share.pairs, n=share.pairs)}
    return Row({"case": share.case, "start": share.start, "angle": _angle(share)}, reached | _cells(share))


def _angle(share: Share) -> str:
    return "all" if share.angle is None else f"{share.angle:g} deg"


def _notes(cells: Sequence[Cell]) -> list[str]:
    """How each start's pairs ended, and the starts that could not be made."""
    lines = []
    for cell in cells:
        ended = ", ".join(f"{cell.status.count(state)} {state}" for state in dict.fromkeys(cell.status))
        leaps = f", {sum(cell.tunnelled)} tunnelling" if any(cell.tunnelled) else ""
        lines.append(f"- {cell.start}: {ended}{leaps}" + (f" ({cell.failure})" if cell.failure else "") + ".")
    return ["\n".join(lines)]


def _figure(out: Path, done: Mapping[str, Sequence[Cell]]) -> list[Path]:
    starts = list(dict.fromkeys(cell.start for cells in done.values() for cell in cells))
    values = []
    for cells in done.values():
        overall = {share.start: share.reached / share.pairs for share in shares(cells) if share.angle is None}
        values.append([overall.get(start, math.nan) for start in starts])
    labels = [start.replace("_", "\n") for start in starts]
    measure = "share that reaches the best energy"
    return sweep_heatmap(out, labels, list(done), values, xlabel="start", ylabel="", measure=measure, formats=("png",))

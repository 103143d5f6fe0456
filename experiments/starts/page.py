"""The study of starts as a page with its figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from experiments.starts.cells import CELLS, Cell, load_cell
from experiments.starts.shares import REACHED, Share, shares
from scoregeo._utils.errors import DataError
from scoregeo.evaluation.statistics import Estimate, NotAvailable
from scoregeo.report.heat_figure import sweep_heatmap
from scoregeo.report.model import FIGURES, Failure, Page, Picture, Table
from scoregeo.report.study import Study
from scoregeo.report.table import Cell as TableCell
from scoregeo.report.table import Row
from scoregeo.solver.certificate import REFINEMENT

FIGURE = "starts.png"
_TITLES = {
    "start": "start",
    "ratio": "energy / best",
    "start_ratio": "start's own energy / best",
    "start_evaluations": "evaluations for the start",
    "solver_evaluations": "evaluations of the solver",
    "seconds": "seconds for all pairs",
}


@dataclass(frozen=True)
class Done:
    """A case whose cells are all there, and what the page says of its run's settings."""

    name: str
    title: str
    cells: Sequence[Cell]
    lam: float
    num_points: int
    subnodes: int
    max_iterations: int

    @classmethod
    def read(cls, title: str, run: Path) -> "Done":
        """From the run's folder. Raises DataError where a cell cannot be read."""
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        solver, cells = config["solver"], []
        for start in config["runner"]["starts"]:
            cell = load_cell(run / CELLS / f"{start}.json")
            if cell is None:
                path = run / CELLS / f"{start}.json"
                raise DataError(f"{path} cannot be read: overwrite=true makes it anew.")
            cells.append(cell)
        return cls(
            config["runner"]["case"],
            title,
            cells,
            config["metric"]["lam"],
            solver["num_points"],
            solver["subnodes"],
            solver["max_iterations"],
        )


def write(study: Study, folder: Path) -> Page | None:
    """The study's page, its figure drawn into `folder`; None where no case is done."""
    done = [Done.read(title, run) for title, run in study.done.items()]
    if not done:
        return None
    page = starts_page(study.page.title, done, study.command, study.failures)
    page = replace(page, name=study.name, question=study.page.question)
    draw(folder, done)
    return page


def starts_page(
    title: str, done: Sequence[Done], command: str, failures: Sequence[Failure] = ()
) -> Page:
    """A table a case: of each start the share of pairs that reach the best energy, by angle."""
    about = (
        f"Each start is followed by Gauss-Newton (`metric.lam={done[0].lam:g}`), pairs of all"
        f" angles as one batch. Energies are certified on a quadrature {REFINEMENT} times finer"
        " than the solver's. The best known energy of a pair is the least that any start's"
        f" geodesic has; a start reaches it within {100 * (REACHED - 1):.0f} %. A column of"
        " degrees counts the pairs that reach it; ratios are medians over all pairs (the lower"
        " one of two). Costs are score evaluations a pair, medians; what a start prepares for"
        " all pairs is shared among them."
    )
    return Page(
        name="starts",
        title=title,
        command=command,
        tables=tuple(_table(case) for case in done),
        about=(about,),
        titles=_TITLES,
        figures=(Picture(FIGURE, "How often each start reaches the best known energy."),),
        failures=tuple(failures),
    )


def _table(case: Done) -> Table:
    table = shares(case.cells)
    rows = []
    for cell in case.cells:
        own = [share for share in table if share.start == cell.start]
        reached: dict[str, TableCell] = {
            share.group or "all": f"{share.reached}/{share.pairs}" for share in own
        }
        seconds = Estimate(round(cell.seconds, 1), n=own[-1].pairs)
        rows.append(Row({"start": cell.start}, reached | _cells(own[-1]) | {"seconds": seconds}))
    settings = (
        f"{case.num_points} points, {case.subnodes} sub-nodes a segment, at most"
        f" {case.max_iterations} iterations."
    )
    numbers = tuple(_csv_row(share) for share in table)
    return Table(tuple(rows), case.title, notes=(settings, *_notes(case.cells)), numbers=numbers)


def _cells(share: Share) -> dict[str, TableCell]:
    found: dict[str, TableCell] = {}
    for name in ("ratio", "start_ratio", "start_evaluations", "solver_evaluations"):
        value = getattr(share, name)
        found[name] = (
            Estimate(value, n=share.pairs)
            if math.isfinite(value)
            else NotAvailable("no finite energy")
        )
    return found


def _csv_row(share: Share) -> Row:
    reached: dict[str, TableCell] = {
        "reached": Estimate(share.reached / share.pairs, n=share.pairs)
    }
    return Row(
        {"case": share.case, "start": share.start, "angle": share.group or "all"},
        reached | _cells(share),
    )


def _notes(cells: Sequence[Cell]) -> list[str]:
    """How each start's pairs ended, and the starts that could not be made."""
    lines = []
    for cell in cells:
        ended = ", ".join(
            f"{cell.status.count(state)} {state}" for state in dict.fromkeys(cell.status)
        )
        tunnelling = f", {sum(cell.tunnelled)} tunnelling" if any(cell.tunnelled) else ""
        failure = f" ({cell.failure})" if cell.failure else ""
        lines.append(f"{cell.start}: {ended}{tunnelling}{failure}.")
    return lines


def draw(folder: Path, done: Sequence[Done]) -> list[Path]:
    """The share of pairs that reach the best energy: a row a case, a column a start."""
    starts = list(dict.fromkeys(cell.start for case in done for cell in case.cells))
    values = []
    for case in done:
        every = [share for share in shares(case.cells) if share.group is None]
        overall = {share.start: share.reached / share.pairs for share in every}
        values.append([overall.get(start, math.nan) for start in starts])
    labels, names = [start.replace("_", "\n") for start in starts], [case.name for case in done]
    measure = "share that reaches the best energy"
    out = folder / FIGURES / Path(FIGURE).stem
    return sweep_heatmap(
        out, labels, names, values, xlabel="start", ylabel="", measure=measure, formats=("png",)
    )
